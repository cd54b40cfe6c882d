"""What gets through the broker: who may call, which paths are forwarded, and which headers pass.

Everything else is refused, or left out.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tornado.httputil import HTTPHeaders

from ..models import CHECK_HEADER, Dialect
from ..secret import Secret

CAPABILITY_BYTES = 32  # not to be guessed by anything that can send requests
BEARER = re.compile(r"bearer +", re.IGNORECASE)
# Gemini CLI sends the second and the first together; Claude Code with a helper command, the third.
CAPABILITY_HEADERS = ("Authorization", "x-goog-api-key", "x-api-key")

# What precedes, in a local path, that which is appended to the gateway's base URL of the dialect.
LOCAL_PREFIXES: Mapping[Dialect, str] = {
    Dialect.ANTHROPIC: "/anthropic",
    Dialect.RESPONSES: "/openai/v1",
    Dialect.CHAT: "/mlflow/v1",
    Dialect.GEMINI: "/gemini",
}
FORWARDED: Mapping[tuple[str, str], Dialect] = {
    ("POST", "/anthropic/v1/messages"): Dialect.ANTHROPIC,
    ("POST", "/anthropic/v1/messages/count_tokens"): Dialect.ANTHROPIC,
    ("GET", "/anthropic/v1/models"): Dialect.ANTHROPIC,
    ("POST", "/openai/v1/responses"): Dialect.RESPONSES,
    ("GET", "/openai/v1/models"): Dialect.RESPONSES,
    ("POST", "/mlflow/v1/chat/completions"): Dialect.CHAT,
}
# The model is a plain name: no slash, no escape and no leading dot, so that no path can be climbed.
GEMINI_PATH = re.compile(
    r"/gemini/v1beta/models/(?P<model>[A-Za-z0-9][A-Za-z0-9._-]*)"
    r":(generateContent|streamGenerateContent|countTokens)"
)
ONLY_COUNTS = ("/count_tokens", ":countTokens")
# Claude Code requests these, without a credential, to check that its base URL works.
GREETINGS = frozenset({"/anthropic", "/anthropic/api/hello"})

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
# (a stray ANTHROPIC_API_KEY, say) would reach the gateway beside the PAT.
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
# Set by proxies, and trusted by the servers behind them; agents must not set them.
FORWARDING = frozenset({"forwarded", "via", "x-real-ip", "origin", "referer"})
NOT_SENT = HOP_BY_HOP | CREDENTIALS | REWRITTEN | FORWARDING | {CHECK_HEADER.lower()}
NOT_SENT_PREFIXES = ("x-forwarded-", "sec-", "proxy-")
# Cookies would be the user's session; the others concern the gateway's origin, not ours.
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


@dataclass
class Capabilities:
    """The secrets of this process, one for each agent, so that the log can name the caller."""

    _by_agent: dict[str, Secret] = field(default_factory=dict)

    def of(self, agent: str) -> Secret:
        """Return the capability of an agent, created on first use."""
        if agent not in self._by_agent:
            self._by_agent[agent] = new_secret()
        return self._by_agent[agent]

    def all(self) -> list[Secret]:
        """Return every capability."""
        return [*self._by_agent.values()]

    def holder(self, headers: HTTPHeaders) -> str | None:
        """Return the agent whose capability a request bears in any of the three headers.

        Every offer is compared with every capability, so that timing reveals nothing.
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
    """Return why a request looks like a web page's, in a sentence; '' if it does not."""
    # DNS rebinding: a page of evil.example, whose name now resolves to 127.0.0.1, is same-origin
    # with us to the browser; but its Host still says evil.example.
    if headers.get_list("Host") not in ([f"127.0.0.1:{port}"], [f"localhost:{port}"]):
        return f"The broker serves 127.0.0.1:{port} only; this request names another host."
    # Cross-site request: any page may send a "simple" POST to a loopback port.  Browsers send
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


@dataclass(frozen=True)
class Route:
    """A local path that is forwarded: its dialect, and what to append to that one's base URL.

    ``model`` is the one in the path, '' if the body names it; without ``is_model_call`` the
    request is only about models.
    """

    dialect: Dialect
    rest: str
    model: str = ""
    is_model_call: bool = False

    def calling(self, model: str) -> Route:
        """Return the route to another model; the same where the body names it."""
        if not self.model or model == self.model:
            return self
        rest = self.rest.replace(f"/{self.model}:", f"/{model}:")
        return replace(self, rest=rest, model=model)


def route_of(method: str, path: str) -> Route | None:
    """Return where a request goes, None if it is not forwarded.

    ``path`` is the undecoded one: an encoded slash, a dot segment, a double slash or an absolute
    URL (all of them ways to reach another path or host than the one that was checked) fails here
    because it does not equal one of ours.
    """
    dialect, model = FORWARDED.get((method, path)), ""
    if dialect is None and method == "POST" and (match := GEMINI_PATH.fullmatch(path)):
        dialect, model = Dialect.GEMINI, match["model"]
    if dialect is None:
        return None
    is_model_call = method == "POST" and not path.endswith(ONLY_COUNTS)
    return Route(dialect, path.removeprefix(LOCAL_PREFIXES[dialect]), model, is_model_call)


def dialect_of(path: str) -> Dialect | None:
    """Return the dialect in which to refuse a path, by its beginning."""
    for dialect, prefix in LOCAL_PREFIXES.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return dialect
    return None


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
        (name, value.replace("\t", " "))  # a tab is legal, but tornado rejects it
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
