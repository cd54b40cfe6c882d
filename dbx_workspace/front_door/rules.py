"""The headers that the Apps front door sets and strips, and its time limits.

The limit of a request is documented; that of a stream was measured (301.5 s) by others at the real
proxy.  Of websockets it is only documented that they are exempt from both; a minute without a byte
is the shortest idle limit of any hop on the way.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tornado.httputil import HTTPHeaders

# RFC 9110 §7.6.1: these belong to one connection and are never forwarded.
_HOP_BY_HOP = (
    "Connection",
    "Expect",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Te",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
)
_IDENTITY_HEADERS = ("Forwarded", "X-Real-Ip", "X-Request-Id")


@dataclass(frozen=True)
class Visitor:
    """The signed-in user, as the identity provider knows them."""

    email: str
    user_id: str
    preferred_username: str
    access_token: str | None = None


def without_hop_by_hop(headers: HTTPHeaders) -> HTTPHeaders:
    """Return the headers except the hop-by-hop ones and those that ``Connection`` names."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = named | {name.lower() for name in _HOP_BY_HOP}
    kept = HTTPHeaders()
    for name, value in headers.get_all():
        if name.lower() not in dropped:
            kept.add(name, value)
    return kept


def forwarded_headers(
    headers: HTTPHeaders, visitor: Visitor, *, client_ip: str, scheme: str, app_host: str | None
) -> HTTPHeaders:
    """Return the headers that the app sees, with the visitor's identity.

    Identity headers of the client are stripped: with them anyone could pose as the owner.
    """
    forwarded = HTTPHeaders()
    for name, value in without_hop_by_hop(headers).get_all():
        if not _is_identity(name):
            forwarded.add(name, value)
    host = headers.get("Host", "")
    forwarded["Host"] = app_host or host
    forwarded["X-Forwarded-Host"] = host
    forwarded["X-Forwarded-Proto"] = scheme
    forwarded["X-Forwarded-Email"] = visitor.email
    forwarded["X-Forwarded-User"] = visitor.user_id
    forwarded["X-Forwarded-Preferred-Username"] = visitor.preferred_username
    forwarded["X-Real-Ip"] = client_ip
    forwarded["X-Request-Id"] = str(uuid.uuid4())
    if visitor.access_token is not None:
        forwarded["X-Forwarded-Access-Token"] = visitor.access_token
    return forwarded


def is_websocket(headers: HTTPHeaders) -> bool:
    """Return whether the request asks for a websocket."""
    return headers.get("Upgrade", "").lower() == "websocket"


def _is_identity(name: str) -> bool:
    # Some servers treat ``X_Forwarded_Email`` as the dashed name, so both spellings are stripped.
    plain = name.replace("_", "-").title()
    return plain.startswith("X-Forwarded-") or plain in _IDENTITY_HEADERS


@dataclass
class FrontDoorLimits:
    """The time limits, each multiplied by ``scale`` so that tests need not wait; 0 is no limit.

    The door reads them at the start of each request. ``websocket_idle_seconds`` counts from the
    last byte in either direction, ``stream_seconds`` from the request.
    """

    request_seconds: float = 120.0
    stream_seconds: float = 300.0
    websocket_idle_seconds: float = 60.0
    websocket_seconds: float = 0.0
    scale: float = 1.0

    def request(self) -> float | None:
        """Return the seconds within which a response must begin, or None."""
        return self._scaled(self.request_seconds)

    def stream(self) -> float | None:
        """Return the seconds within which a response must end, or None."""
        return self._scaled(self.stream_seconds)

    def websocket_idle(self) -> float | None:
        """Return the seconds for which a websocket may be silent, or None."""
        return self._scaled(self.websocket_idle_seconds)

    def websocket(self) -> float | None:
        """Return the seconds for which a websocket may be open, or None."""
        return self._scaled(self.websocket_seconds)

    def _scaled(self, seconds: float) -> float | None:
        return seconds * self.scale or None
