"""The one form in which two addresses are compared: e-mail addresses, and workspaces' hosts."""

from ipaddress import ip_address
from urllib.parse import urlsplit

_OWN_PORTS = {"https": ":443", "http": ":80"}


def normalise_email(text: str) -> str | None:
    """Return an e-mail address in the form in which two are compared; None if it is not one.

    ASCII is required before lower(): "K" (KELVIN SIGN) lowers to "k", and look-alikes from other
    alphabets are other people.
    """
    text = text.strip(" \t")
    if not text.isascii() or not text.isprintable():
        return None
    if "," in text or " " in text or text.count("@") != 1:
        return None
    if text.startswith("@") or text.endswith("@"):
        return None
    return text.lower()


def normalise_host(host: str) -> str:
    """Return a workspace's origin: with a scheme, without a path or query ('' stays '').

    In lower case and without the scheme's own port, as two of them are compared.

    The platform sets ``DATABRICKS_HOST`` without ``https://`` at times, and people copy it from
    their browser with ``/?o=…`` behind it.
    """
    address = with_scheme(host)
    if not address:
        return ""
    parts = urlsplit(address)
    port = _OWN_PORTS.get(parts.scheme, "")
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}"


def is_on_this_machine(address: str) -> bool:
    """Whether a URL names this machine."""
    try:
        return is_loopback(urlsplit(address).hostname)
    except ValueError:  # it is malformed
        return False


def with_scheme(address: str) -> str:
    """Return an address with ``https://`` unless it names a scheme ('' stays '')."""
    address = address.strip().rstrip("/")
    return address if not address or "://" in address else f"https://{address}"


def is_loopback(hostname: str | None) -> bool:
    """Whether a host's name is this machine's own: the only one to which plain http is safe."""
    try:
        return ip_address(hostname or "").is_loopback
    except ValueError:
        return hostname == "localhost"
