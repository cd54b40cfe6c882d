"""Which headers pass: from an agent to the gateway, and from the gateway to an agent."""

from collections.abc import Iterable

HOP_BY_HOP = frozenset(  # RFC 9110 §7.6.1; each leg of a proxy has its own
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Every header in which an agent sends a credential, whichever it was configured with; a second one
# (a stray ANTHROPIC_API_KEY, say) would travel to the gateway next to the PAT.
CREDENTIALS = frozenset(
    {
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "x-databricks-ai-gateway-token",
        "cookie",
        "cookie2",
    }
)
# The HTTP client writes its own; "expect" was answered by us; and a gateway that compresses an
# event stream holds back its first bytes, and hides its refusals from us.
REWRITTEN = frozenset({"host", "content-length", "expect", "accept-encoding"})
# Set by proxies, and believed by servers behind them: an agent has no business with them.
FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "origin", "referer"})
NOT_SENT = HOP_BY_HOP | CREDENTIALS | REWRITTEN | FORWARDING
NOT_SENT_PREFIXES = ("x-forwarded-", "sec-", "proxy-")
# Cookies would be the user's session; the others speak of the gateway's origin, not of ours.
NOT_RETURNED = HOP_BY_HOP | frozenset(
    {
        "set-cookie",
        "set-cookie2",
        "www-authenticate",
        "location",
        "refresh",
        "alt-svc",
        "strict-transport-security",
        "clear-site-data",
    }
)
NOT_RETURNED_PREFIXES = ("access-control-", "proxy-")


def to_gateway(headers: Iterable[tuple[str, str]], token: str) -> list[tuple[str, str]]:
    """Return an agent's headers as the gateway may see them, with the PAT."""
    pairs = list(headers)
    barred = NOT_SENT | _nominated(pairs)
    passed = [
        (name, value)
        for name, value in pairs
        if (lower := name.lower()) not in barred and not lower.startswith(NOT_SENT_PREFIXES)
    ]
    passed.append(("Authorization", f"Bearer {token}"))
    passed.append(("Accept-Encoding", "identity"))
    return passed


def to_agent(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the gateway's headers as an agent may see them."""
    pairs = list(headers)
    barred = NOT_RETURNED | _nominated(pairs)
    return [
        (name, value.replace("\t", " "))  # a tab is legal, but tornado takes none
        for name, value in pairs
        if (lower := name.lower()) not in barred and not lower.startswith(NOT_RETURNED_PREFIXES)
    ]


def _nominated(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the headers that a Connection header declares to be hop-by-hop too."""
    return frozenset(
        option.strip().lower()
        for name, value in pairs
        if name.lower() == "connection"
        for option in value.split(",")
    )
