"""Databricks' metadata service: the current PAT for SDKs, with an expiry that will be kept.

Protocol: ``GET`` with ``X-Databricks-Metadata-Version: 1`` and ``X-Databricks-Host``; the answer is
``{"access_token", "token_type", "expires_on"}``, the last a number of Unix seconds (the SDKs for
Python and Go, ``MetadataServiceTokenSource`` and ``auth_metadata_service.go``).

Errors are JSON objects with a message and never 404.  The Go SDK, and with it the CLI, shows the
body of any error but a 404: that means "no such service" to it, and it then reports missing
configuration.  The Python SDK parses the body whatever the status: it reports "Metadata Service
returned empty token", where content other than JSON would end in a parser's error.
"""

import json
from http import HTTPStatus
from urllib.parse import urlsplit

from ..addresses import normalise_host
from ..secret import Secret
from .loopback_handler import LoopbackHandler
from .refusals import Refusal, not_served, without_pat

SUPPORTED_VERSION = "1"
DEFAULT_PORTS = {"https": 443, "http": 80}


class MetadataServiceHandler(LoopbackHandler):
    """The secret path; any other below ``/metadata`` is unknown."""

    def refusal(self) -> Refusal | None:
        """Return why this client gets no token; the check that reveals least comes first."""
        if Secret(self.request.path) != self.shared.metadata_path:
            return not_served("/metadata/…")
        self.call.agent = "sdk"
        if self.request.method != "GET":
            return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", "Request a token with GET.")
        return self._refusal_of_headers()

    def _refusal_of_headers(self) -> Refusal | None:
        # A web page cannot set these (without a preflight, which is refused); redundant on purpose.
        headers = self.request.headers
        if headers.get_list("X-Databricks-Metadata-Version") != [SUPPORTED_VERSION]:
            return _bad_request("Send the header X-Databricks-Metadata-Version: 1.")
        # A program configured for another workspace must not get, and send there, this one's token.
        asked_for = headers.get("X-Databricks-Host", "")
        if not is_same_host(asked_for, self.shared.workspace_host):
            return _bad_request(
                f"This is the metadata service of {self.shared.workspace_host}. For another "
                "workspace, use a profile or credentials of your own."
            )
        return None

    def is_use(self) -> bool:
        """Return True: whoever takes a token uses it."""
        return True

    async def respond(self) -> None:
        """Answer with the PAT and its promised expiry, or with what the user can do."""
        promise = self.shared.pats.promise()
        if promise is None:
            await self.refuse(without_pat(self.shared.pats, None))
            return
        body = {
            "access_token": promise.access_token.reveal(),
            "token_type": "Bearer",
            "expires_on": promise.expires_on,
        }
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        self.answer_head(HTTPStatus.OK, headers)
        self.call.saw_first_byte()
        self.finish(json.dumps(body))


def is_same_host(left: str, right: str) -> bool:
    """Whether two workspace addresses mean the same server: scheme, name and port."""
    return bool(left) and _server(left) == _server(right)


def _server(address: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(normalise_host(address))
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, (parts.hostname or "").rstrip("."), port


def _bad_request(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_request", message)
