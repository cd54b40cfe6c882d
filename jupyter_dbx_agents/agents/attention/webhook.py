"""Sends each need to a webhook of the owner's: the agent, the project and the kind, and no more.

What a program wrote is never sent: it may be a piece of the conversation.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Mapping
from html import escape
from pathlib import PurePosixPath

import httpx
from traitlets import Enum, Float, Unicode
from traitlets.config import LoggingConfigurable

from ...background import backoff_seconds
from .session import SessionState
from .states import DOING

# More needs than that at a time are not worth a message each.
MOST_WAITING = 20
# So that a service that does not answer one message delays few others.
MOST_AT_ONCE = 4
ATTEMPTS = 4
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
TIMEOUT_SECONDS = 10.0
_TOO_MANY, _SERVER_ERROR = 429, 500


class Webhook(LoggingConfigurable):
    """Posts to a URL; to be run while the server is.  ``titles`` are those of the agents."""

    url = Unicode(
        help="Where to post when an agent needs you: an address of Slack, Teams, ntfy or another "
        "service. Sent are the agent, the project and the kind of need. Off while it is empty."
    ).tag(config=True)
    shape = Enum(
        ["slack", "teams", "ntfy", "json"],
        "json",
        help="The form of the message: slack and teams for their incoming webhooks, ntfy for plain "
        "text, json for an object with agent, project, kind and text.",
    ).tag(config=True)
    delay_seconds = Float(
        5.0, min=0.0, help="How long (seconds) you have to see it before it is sent."
    ).tag(config=True)

    def __init__(
        self,
        titles: Mapping[str, str],
        is_needed: Callable[[SessionState], bool],
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self._titles, self._is_needed = titles, is_needed
        # Each with the time from which on it may be sent, by the monotonic clock.
        self._waiting: asyncio.Queue[tuple[float, SessionState]] = asyncio.Queue(MOST_WAITING)

    def tell(self, session: SessionState) -> None:
        """Queue a need; one too many is dropped."""
        if self.url and not self._waiting.full():
            self._waiting.put_nowait((time.monotonic() + self.delay_seconds, session))

    async def run(self) -> None:
        """Send what is queued, until cancelled."""
        senders = [asyncio.create_task(self._run()) for _ in range(MOST_AT_ONCE)]
        try:
            await asyncio.gather(*senders)
        finally:
            for sender in senders:
                sender.cancel()

    async def _run(self) -> None:
        tls: ssl.SSLContext | None = None
        while True:
            due, session = await self._waiting.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self._is_needed(session):
                # It reads all certificates: 20 ms in which the loop would serve nobody.
                if tls is None:
                    tls = await asyncio.to_thread(httpx.create_ssl_context)
                await self._send(session, tls)

    async def _send(self, session: SessionState, tls: ssl.SSLContext) -> None:
        """Post it, again after a failure that may pass; the URL, a secret, is never logged."""
        content, kind = render(self.shape, session, self._titles)
        problem = ""
        async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, verify=tls) as client:
            for attempt in range(ATTEMPTS):
                if attempt:
                    pause = (attempt - 1, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                    await asyncio.sleep(backoff_seconds(*pause))
                    if not self._is_needed(session):
                        return
                problem, may_pass = await self._post(client, content, kind)
                if not may_pass:
                    break
        if problem:
            self.log.warning("The webhook was not called: %s. Check Webhook.url.", problem)

    async def _post(self, client: httpx.AsyncClient, content: bytes, kind: str) -> tuple[str, bool]:
        """Post once; return what failed, '' for nothing, and whether that may pass.

        The body of the answer, which may have no end, is not read.
        """
        request = client.stream("POST", self.url, content=content, headers={"Content-Type": kind})
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), request as answer:
                status = answer.status_code
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return type(error).__name__, True
        if answer.is_success:
            return "", False
        return f"HTTP {status}", status == _TOO_MANY or status >= _SERVER_ERROR


def render(shape: str, session: SessionState, titles: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the body of a message and its content type."""
    agent = titles.get(session["agent"], "A program")
    project = PurePosixPath(session["folder"]).name
    place = f" in {project}" if project else ""
    text = f"{agent}{place} {DOING[session['state']]}."
    if shape == "ntfy":
        return text.encode(), "text/plain; charset=utf-8"
    if shape == "slack":
        text = escape(text, quote=False)  # or a folder named <!channel> would notify everybody
    body: dict[str, object] = {"text": text}
    if shape == "teams":
        body = {"type": "message", "attachments": [_card(text)]}
    elif shape == "json":
        body |= {"agent": session["agent"], "project": project, "kind": session["state"]}
    return json.dumps(body).encode(), "application/json"


def _card(text: str) -> dict[str, object]:
    """Return an adaptive card, which is all that the newer webhooks of Teams take."""
    return {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "content": {
            "type": "AdaptiveCard",
            "version": "1.2",
            "body": [{"type": "TextBlock", "text": text, "wrap": True}],
        },
    }
