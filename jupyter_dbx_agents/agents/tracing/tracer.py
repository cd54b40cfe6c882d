"""Queues the turns that ended, and writes each as a trace."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from traitlets import Bool, Float, Unicode
from traitlets.config import LoggingConfigurable

from ...errors import RequestError, WorkspaceError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from .mlflow import experiment_id, trace_data, trace_id, trace_info, write_trace
from .transcript import Turn, last_turn

MOST_WAITING = 100
MOST_TRANSCRIPT_BYTES = 64 * 1024 * 1024
# The hook may run before the last message is in the file.
FLUSH_SECONDS = 2.0
FLUSH_INTERVAL_SECONDS = 0.1


class TracingStatus(TypedDict):
    """The tracer's REST model."""

    enabled: bool
    experiment: str
    traces: int
    message: str


class SessionTracer(LoggingConfigurable):
    """Writes the turns of Claude Code to MLflow; to be run while the server is.

    ``current_token`` is the PAT to use, ``user`` the name of its user.
    """

    enabled = Bool(
        False,
        help="Whether Claude Code's sessions are written to MLflow in your workspace: your "
        "prompts, its answers, and what its tools did.",
    ).tag(config=True)
    experiment = Unicode(
        help="The MLflow experiment for them. Default: /Users/<you>/<the app's name>.",
    ).tag(config=True)
    ceiling_seconds = Float(
        30.0, min=1.0, help="Time limit for writing one trace, in seconds."
    ).tag(config=True)

    def __init__(
        self,
        api: WorkspaceApi,
        current_token: Callable[[], Secret | None],
        user: Callable[[], str],
        *,
        home: Path,
        app_name: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._api, self._current_token, self._user = api, current_token, user
        self._transcripts = home / ".claude" / "projects"
        self._app_name = app_name
        self._waiting: asyncio.Queue[tuple[Path, str]] = asyncio.Queue(MOST_WAITING)
        self._written: dict[str, None] = {}
        self._message = ""

    def status(self) -> TracingStatus:
        """Return the REST model."""
        return {
            "enabled": self.enabled,
            "experiment": self._experiment() if self.enabled else "",
            "traces": len(self._written),
            "message": self._message,
        }

    def take(self, session: Mapping[str, Any]) -> None:
        """Queue a turn that has ended, described by the input of Claude Code's hooks.

        Raises RequestError.
        """
        if not self.enabled:
            raise RequestError("Tracing is off.", "Set SessionTracer.enabled.", status=409)
        path = Path(str(session.get("transcript_path", ""))).resolve()
        # Any program of the user may call this; only transcripts may be published.
        if path.suffix != ".jsonl" or not path.is_relative_to(self._transcripts.resolve()):
            raise RequestError("Not a Claude Code transcript.", "Send transcript_path.")
        try:
            self._waiting.put_nowait((path, str(session.get("last_assistant_message") or "")))
        except asyncio.QueueFull:
            self._failed("Too many turns are waiting to be written.")

    async def run(self) -> None:
        """Write what is queued, until cancelled."""
        while True:
            path, answer = await self._waiting.get()
            try:
                async with asyncio.timeout(self.ceiling_seconds):
                    await self._write(path, answer)
            except TimeoutError:
                self._failed(f"A trace was not written within {self.ceiling_seconds:.0f} s.")
            except WorkspaceError as error:
                self._failed(f"A trace could not be written: {error.message}")
            except Exception as error:  # data of an unknown form must not end the loop
                self._failed(f"A trace could not be written ({type(error).__name__}).")
                self.log.debug("Tracing failed", exc_info=True)

    async def _write(self, path: Path, answer: str) -> None:
        turn = await self._read(path, answer)
        token = self._current_token()
        if turn is None or trace_id(turn) in self._written:
            return
        if token is None:
            self._failed("A trace was not written: there is no Databricks token.")
            return
        place = await experiment_id(self._api, token, self._experiment())
        info = trace_info(turn, place, self._user())
        await write_trace(self._api, token, info, trace_data(turn))
        self._written[trace_id(turn)] = None
        self._message = ""

    async def _read(self, path: Path, answer: str) -> Turn | None:
        """Read the last turn once the answer is in the file, or after FLUSH_SECONDS without it."""
        until = time.monotonic() + FLUSH_SECONDS
        while True:
            turn = await asyncio.to_thread(_last_turn, path)
            is_whole = turn is not None and (not answer or answer[:1000] in turn.answer)
            if is_whole or time.monotonic() > until:
                return turn
            await asyncio.sleep(FLUSH_INTERVAL_SECONDS)

    def _experiment(self) -> str:
        return self.experiment or f"/Users/{self._user()}/{self._app_name}"

    def _failed(self, message: str) -> None:
        self._message = message
        self.log.warning("%s", message)


def _last_turn(path: Path) -> Turn | None:
    if path.stat().st_size > MOST_TRANSCRIPT_BYTES:
        raise ValueError("the transcript is too large")
    with path.open(encoding="utf-8", errors="replace") as lines:
        return last_turn(lines)
