"""How long the platform's proxies let a request, a stream and a websocket live.

The first is documented; the second was measured (301.5 s) by others at the real proxy. Of
websockets nothing is documented but that they are exempt from both: a minute without a byte is the
shortest limit of a part on the way, and a longest life is none's, but `websocket_seconds` can play
one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FrontDoorLimits:
    """In seconds, each times `scale`, so that tests need not wait; 0 is no limit.

    A door reads them as each request begins. `websocket_idle_seconds` counts from the last byte
    either way, `stream_seconds` from the request.
    """

    request_seconds: float = 120.0
    stream_seconds: float = 300.0
    websocket_idle_seconds: float = 60.0
    websocket_seconds: float = 0.0
    scale: float = 1.0

    def request(self) -> float | None:
        """Until an answer must have begun."""
        return self._scaled(self.request_seconds)

    def stream(self) -> float | None:
        """Until an answer must have ended."""
        return self._scaled(self.stream_seconds)

    def websocket_idle(self) -> float | None:
        """How long a websocket may be silent."""
        return self._scaled(self.websocket_idle_seconds)

    def websocket(self) -> float | None:
        """How long a websocket may live."""
        return self._scaled(self.websocket_seconds)

    def _scaled(self, seconds: float) -> float | None:
        return seconds * self.scale or None
