"""Files of the workspace over its REST API: rate-limited, with retries and the current PAT.

Imports are RAW: in any other format the workspace converts files that look like notebooks and
removes their extension.  Sources: the published Workspace API, the code of the SDK and the CLI.
"""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ...background import backoff_seconds, jittered
from ...errors import TokenRefusedError, WorkspaceError, WorkspaceUnavailableError
from ...pat import PatSource
from ...secret import Secret
from ...workspace_api import LONGEST_CALL_SECONDS, WorkspaceApi
from ..local.objects import Content

# The workspace's limit for exports, and in older tenants for imports.
MOST_EXPORT_BYTES = 10 * 1024 * 1024
# Attempts per call; after them the whole pass is retried later.
TRIES = 4
_MOST_RETRY_SECONDS = 300.0
_PAT_POLL_SECONDS = 1.0
# The timeout of an upload is 15 s, and a second more per 100 KB.
_UPLOAD_BYTES_PER_SECOND = 100_000
_ANSWER_SECONDS = 15.0
# A small commit is not delayed.
BURST = 10
# What the API for large files unpacks or converts.
_INTERPRETED = re.compile(r"\.(zip|ipynb|dbc|html)$", re.IGNORECASE)
_NOTEBOOK_HEADER = b" Databricks notebook source"
# Errors that the next file would get, too: “QUOTA_EXCEEDED”, “RESOURCE_LIMIT_EXCEEDED” …
_FULL = ("QUOTA", "RESOURCE_LIMIT", "RESOURCE_EXHAUSTED")
# A longer ``Retry-After`` is not waited for in a call: the project's worker reports it.
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class RemoteObject:
    """One object of the workspace; ``kind`` is FILE, DIRECTORY, NOTEBOOK …

    ``modified_ms`` is the workspace's time of the last change, 0 if it is not known.
    """

    path: str
    kind: str
    size_bytes: int
    modified_ms: int = 0

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]


class Pace:
    """The rate limit of all projects; the workspace's own limits are shared by all of its users.

    Files leave two of three or more slots: one for ``large_bundles``, one at a time, and one for
    what makes a commit safe, which waits for neither.
    """

    def __init__(self, requests_per_second: float, parallel: int) -> None:
        self._interval_seconds = 1 / requests_per_second
        self._slots = asyncio.Semaphore(parallel)
        self.files = asyncio.Semaphore(max(1, parallel - 2))
        self.large_bundles = asyncio.Semaphore(1)
        self._next_at = self._paused_until = 0.0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the time of the next call, and for one of ``parallel`` slots.

        Raises WorkspaceUnavailableError instead of a long wait that the workspace has asked for.
        """
        async with self._slots:
            now = time.monotonic()
            if self._paused_until - now > _LONGEST_WAIT_SECONDS:
                seconds = self._paused_until - now
                raise WorkspaceUnavailableError(
                    f"The workspace is busy: it asks for a pause of {seconds:.0f} s.",
                    "Sync continues after it.",
                    retry_after_seconds=seconds,
                )
            at = max(self._next_at, now - BURST * self._interval_seconds)
            self._next_at = at + self._interval_seconds
            if at > now:
                await asyncio.sleep(at - now)
            yield

    def pause(self, seconds: float) -> None:
        """Delay all calls, as ``Retry-After`` requests, up to five minutes."""
        until = time.monotonic() + min(seconds, _MOST_RETRY_SECONDS)
        self._next_at = max(self._next_at, until)
        self._paused_until = max(self._paused_until, until)


class WorkspaceFiles:
    """The calls; each may raise a WorkspaceError, and waits while there is no PAT."""

    def __init__(
        self, api: WorkspaceApi, pats: PatSource, pace: Pace, *, retry_seconds: float
    ) -> None:
        self._api, self._pats, self.pace = api, pats, pace
        self._retry_seconds = retry_seconds
        self._pat_changed = asyncio.Event()
        self.request_count = 0
        # The workspace's time at its last reply; this machine's clock may jump.
        self.time_ms = 0

    @property
    def is_waiting(self) -> bool:
        """Whether there is no PAT."""
        return self._pats.current() is None

    def pat_changed(self) -> None:
        """Read the PAT at once instead of at the next poll."""
        self._pat_changed.set()

    async def put(self, path: str, content: Content, *, overwrite: bool) -> int:
        """Write a file, verbatim; its folder must exist.

        Returns the workspace's time after it, in milliseconds; 0 if that is not known.
        """
        head, tail = _envelope(path, overwrite, boundary := secrets.token_hex(16))

        async def body() -> AsyncIterator[bytes]:
            yield head
            async for chunk in content.chunks():
                yield chunk
            yield tail

        size = len(head) + content.size_bytes + len(tail)
        media_type = f"multipart/form-data; boundary={boundary}"
        try:
            return await self._upload("/api/2.0/workspace/import", body, media_type, size)
        except WorkspaceError as error:
            first = await anext(content.chunks(), b"") if is_too_large(error) else b""
            if not first or _INTERPRETED.search(path) or _NOTEBOOK_HEADER in first[:64]:
                raise
        # Older tenants take more than 10 MB only by this way, which interprets some files.
        escaped = quote(path, safe="")
        url = f"/api/2.0/workspace-files/import-file/{escaped}?overwrite={str(overwrite).lower()}"
        media_type = "application/octet-stream"
        return await self._upload(url, content.chunks, media_type, content.size_bytes)

    async def make_folder(self, path: str) -> None:
        """Make a folder and its parents."""
        await self._call("POST", "/api/2.0/workspace/mkdirs", json={"path": path})

    async def delete(self, path: str) -> bool:
        """Delete a file or an empty folder, never more; return False if there was none."""
        body = {"path": path, "recursive": False}
        try:
            await self._call("POST", "/api/2.0/workspace/delete", json=body)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        return True

    async def info(self, path: str) -> RemoteObject | None:
        """Return what is at a path, None for nothing."""
        reply = await self._find("/api/2.0/workspace/get-status", {"path": path})
        return _remote_object(reply.json()) if reply is not None else None

    async def children(self, path: str) -> list[RemoteObject] | None:
        """Return what is in a folder, None if there is no such folder."""
        reply = await self._find("/api/2.0/workspace/list", {"path": path})
        if reply is None:
            return None
        return [_remote_object(each) for each in reply.json().get("objects", [])]

    async def read(self, path: str) -> bytes | None:
        """Return a file of at most 10 MB, None if there is none."""
        query = {"path": path, "format": "AUTO", "direct_download": "true"}
        reply = await self._find("/api/2.0/workspace/export", query)
        return reply.content if reply is not None else None

    async def display_name(self) -> str:
        """Return the display name of the PAT's user."""
        reply = await self._call("GET", "/api/2.0/preview/scim/v2/Me")
        return str(reply.json().get("displayName", ""))

    async def _find(self, url: str, query: dict[str, str]) -> httpx.Response | None:
        try:
            return await self._call("GET", url, params=query)
        except WorkspaceError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    async def _upload(self, url: str, body: Any, media_type: str, size: int) -> int:
        headers = {"Content-Type": media_type, "Content-Length": str(size)}
        sending_seconds = size / _UPLOAD_BYTES_PER_SECOND
        reply = await self._call(
            "POST",
            url,
            body=body,
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_SECONDS, read=_ANSWER_SECONDS + sending_seconds),
            most_seconds=LONGEST_CALL_SECONDS + sending_seconds,
        )
        return _date_ms(reply, default=-999) + 999

    async def _call(
        self, method: str, url: str, *, body: Any = None, **options: Any
    ) -> httpx.Response:
        """Call with retries: with a new PAT if one is refused, after a back-off if it is busy."""
        for attempt in range(TRIES):
            token = await self._token()
            if body is not None:
                options["content"] = body()
            try:
                async with self.pace.turn():
                    self.request_count += 1
                    reply = await self._api.call(method, url, token, **options)
                    _require_answer(reply, options)
                    self.time_ms = _date_ms(reply, default=self.time_ms)
                    return reply
            except TokenRefusedError:
                await self._pats.replace_refused(token)
                if attempt + 1 == TRIES:
                    raise
            except WorkspaceUnavailableError as error:
                self.pace.pause(error.retry_after_seconds)
                if attempt + 1 == TRIES or error.retry_after_seconds > _LONGEST_WAIT_SECONDS:
                    raise
                # Jitter, because a busy workspace has refused many at the same moment.
                seconds = backoff_seconds(attempt, self._retry_seconds, _MOST_RETRY_SECONDS)
                await asyncio.sleep(jittered(seconds, 0.5))
        raise AssertionError("the last attempt returns or raises")

    async def _token(self) -> Secret:
        while (token := self._pats.current()) is None:
            self._pat_changed.clear()
            try:
                async with asyncio.timeout(_PAT_POLL_SECONDS):
                    await self._pat_changed.wait()
            except TimeoutError:
                continue
        return token


def _date_ms(reply: httpx.Response, *, default: int) -> int:
    """Return the workspace's time in a reply's header, to the second, in milliseconds."""
    try:
        return int(parsedate_to_datetime(reply.headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return default


def is_too_large(error: WorkspaceError) -> bool:
    """Whether the workspace rejects a file for its size."""
    is_code = error.error_code == "MAX_NOTEBOOK_SIZE_EXCEEDED"
    return is_code or error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


def is_full(error: WorkspaceError) -> bool:
    """Whether the workspace takes no more files, whatever they are."""
    return any(word in error.error_code for word in _FULL)


def _require_answer(reply: httpx.Response, options: Mapping[str, Any]) -> None:
    """Raise WorkspaceUnavailableError for the page of a proxy in place of the workspace's reply."""
    path = options.get("params", {}).get("path", "")
    is_page = reply.headers.get("content-type", "").startswith("text/html")
    if is_page and not path.endswith((".html", ".htm", ".xhtml")):
        raise WorkspaceUnavailableError(
            "A web page came back instead of the workspace's reply.",
            "Check whether a proxy or a log-in page is between the app and the workspace.",
        )


def _envelope(path: str, overwrite: bool, boundary: str) -> tuple[bytes, bytes]:
    fields = {"path": path, "format": "RAW", "overwrite": str(overwrite).lower()}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="content"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()


def _remote_object(info: dict[str, Any]) -> RemoteObject:
    return RemoteObject(
        str(info.get("path", "")),
        str(info.get("object_type", "")),
        int(info.get("size", -1)),
        int(info.get("modified_at", 0)),
    )
