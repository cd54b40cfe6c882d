"""The user at the workspace's consent page, without a browser."""

import re
import ssl
from typing import Literal
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

Decision = Literal["allow", "deny"]


def answer(address: str, decision: Decision = "allow") -> str:
    """Open the page at an address and decide; return the address where the browser ends."""
    # An empty TLS context: loading the default one takes longer than all the rest.
    with httpx.Client(trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as browser:
        page = browser.get(address)
        if page.status_code == httpx.codes.FOUND:
            return page.headers["Location"]
        page.raise_for_status()
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
        form = {name: value.replace("&amp;", "&") for name, value in form.items()}
        place = urljoin(address, "/oidc/v1/authorize")
        return browser.post(place, data=form | {"decision": decision}).headers["Location"]


def query(address: str) -> dict[str, str]:
    """Return the fields of an address's query."""
    return dict(parse_qsl(urlsplit(address).query))
