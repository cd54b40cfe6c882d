"""An extension of somebody else's: handlers that know nothing of Jupyter's identity provider."""

from __future__ import annotations

import json
import os
from typing import Any

from tornado.routing import AnyMatches, Rule
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler


class EchoHandler(RequestHandler):
    """Answers with the headers that arrived."""

    def get(self) -> None:
        self.write(json.dumps(dict(self.request.headers.get_all())))

    def post(self) -> None:
        self.write(str(len(self.request.body)))

    def check_xsrf_cookie(self) -> None:
        """A careless handler."""


class EchoSocket(WebSocketHandler):
    """A careless websocket."""

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message)

    def check_origin(self, origin: str) -> bool:
        return True


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "third_party_extension"}]


def _load_jupyter_server_extension(serverapp: Any) -> None:
    web_app = serverapp.web_app
    handlers = [(r"/third-party/plain", EchoHandler), (r"/third-party/socket", EchoSocket)]
    web_app.add_handlers(".*$", handlers)
    if os.environ.get("THIRD_PARTY_DISPLACES_THE_GATE"):
        web_app.default_router.rules.insert(0, Rule(AnyMatches(), EchoHandler))
