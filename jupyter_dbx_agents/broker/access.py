"""Who may talk to the broker: the holders of a capability, and no web page."""

import re
import secrets
from dataclasses import dataclass, field

from tornado.httputil import HTTPHeaders

from ..secret import Secret

CAPABILITY_BYTES = 32  # not to be guessed by anything that can send requests
BEARER = re.compile(r"bearer +", re.IGNORECASE)
# Gemini CLI sends the second and the first together; Claude Code with a helper command, the third.
CAPABILITY_HEADERS = ("Authorization", "x-goog-api-key", "x-api-key")


@dataclass
class Capabilities:
    """The secrets of this process, one for each agent, so that the log can tell who called."""

    _by_agent: dict[str, Secret] = field(default_factory=dict)

    def of(self, agent: str) -> Secret:
        """Return the capability of an agent, made when it is first asked for."""
        if agent not in self._by_agent:
            self._by_agent[agent] = new_secret()
        return self._by_agent[agent]

    def holder(self, headers: HTTPHeaders) -> str | None:
        """Return the agent whose capability a request bears in any of the three headers.

        Every offer is compared with every capability, so that the time tells nothing.
        """
        found = None
        for offer in _offers(headers):
            for agent, capability in self._by_agent.items():
                if offer == capability:
                    found = agent
        return found


def new_secret() -> Secret:
    """Return a secret for use in this process's life."""
    return Secret(secrets.token_urlsafe(CAPABILITY_BYTES))


def attack(headers: HTTPHeaders, port: int) -> str:
    """Return why a request is taken for a browser's, in a sentence; '' for a program's."""
    # DNS rebinding: a page of evil.example, whose name now resolves to 127.0.0.1, is same-origin
    # with us to the browser; but its Host still says evil.example.
    if headers.get_list("Host") not in ([f"127.0.0.1:{port}"], [f"localhost:{port}"]):
        return f"The broker answers to 127.0.0.1:{port} only; this request named another host."
    # Cross-site request: any page may send a "simple" POST to a loopback port.  Browsers say so in
    # one or both of these; agents send neither (Node's fetch sends Sec-Fetch-Mode alone).
    if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
        return "The broker serves programs, not web pages."
    return ""


def _offers(headers: HTTPHeaders) -> list[Secret]:
    return [
        Secret(BEARER.sub("", value.strip(), count=1))
        for name in CAPABILITY_HEADERS
        for value in headers.get_list(name)
    ]
