"""One terminal: a pty, its clients, and everything that flows between them.

Nothing here blocks the event loop, and no client, program or paste can delay another terminal.

- Output: ``OutputPump`` → ``Replay`` and every client that keeps up.  A client that does not makes
  the pty pause; one that takes nothing for ``behind_seconds`` is left behind, the program goes on,
  and the client gets the screen as it then is as soon as it has caught up.
- Input: ``InputQueue``.
- The end happens once: the leader is waited for only after its whole session has been signalled, so
  that neither its pid nor the session's number can have been given to anyone else meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from ptyprocess import PtyProcessUnicode
from terminado.management import PtyWithClients
from tornado.ioloop import IOLoop

from .answers.colours import ColourQueries, without_reports
from .answers.late import LateAnswers, is_typed
from .answers.theme import CurrentTheme
from .flow import FlowLimits, TypingMonitor
from .input_queue import InputQueue
from .metrics import terminal_metrics
from .output import MESSAGE_BYTES, SLICE_BYTES, OutputPump, stdout_message
from .programs import Programs, foreground_program, working_folder
from .replay import Replay
from .screen.renderer import ScreenRenderer, ScreenText
from .screen.signals import PROGRAM_STATUS, STATUS_QUERY, Signal, SignalScanner

ROWS, COLUMNS = 24, 80
# RIS, a full reset: what follows is drawn as on a fresh terminal.
RESET = b"\x1bc"
# Debounces the sizes of a window that is being dragged: dozens a second.
RESIZE_SECONDS = 0.05
# Pauses between slices of a flood; without them the program and this process would use all of two
# cores and delay echoes elsewhere.  A flood that no client follows is limited to 10 MB/s, and one
# beside somebody who types in another terminal to 2 MB/s.
UNWATCHED_PAUSE_SECONDS = 0.001
TYPING_ELSEWHERE_PAUSE_SECONDS = 0.008
REAP_SECONDS = 0.01
SLOWEST_REAP_SECONDS = 1.0


class Terminal(PtyWithClients):
    """terminado's terminal, with its own input, output and replay."""

    def __init__(
        self,
        argv: list[str],
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        limits: FlowLimits | None = None,
        *,
        typing: TypingMonitor | None = None,
        renderer: ScreenRenderer | None = None,
        theme: CurrentTheme | None = None,
        identity: str = "",
    ) -> None:
        """Start a program.  Raises OSError if it cannot be started."""
        self.limits = limits or FlowLimits()
        self._typing = typing or TypingMonitor()
        # Unlike names, which are reused after a restart, this is unique.
        self.identity = identity or uuid.uuid4().hex
        self.on_signals: Callable[[Terminal, list[Signal]], None] = lambda *_: None
        self._signals = SignalScanner()
        self._typed_at = 0.0
        self.clients: list[Any] = []
        self.term_name: str | None = None
        self.title = ""  # the owner's; '' while the page names it by what runs here
        self.last_activity: datetime | None = None
        # terminado's replay buffer; not used here.
        self.read_buffer: deque[str] = deque(maxlen=1)
        self.ptyproc = PtyProcessUnicode.spawn(
            argv, env=env, preexec_fn=lambda: _begin_child(cwd), dimensions=(ROWS, COLUMNS)
        )
        os.set_blocking(self.ptyproc.fd, False)
        self.pid: int = self.ptyproc.pid
        self.size = (ROWS, COLUMNS)
        self._metrics = terminal_metrics()
        self._input = InputQueue(self.ptyproc.fd, self.limits.input_bytes)
        self._output = OutputPump(self.ptyproc.fd, self._deliver)
        self._theme = theme or CurrentTheme()
        self._theme.follow(self)
        self._colours = ColourQueries(self._theme, self._answer, self.foreground_group)
        self._late = LateAnswers(self.foreground_group)
        self._replay = Replay(self.limits.replay_bytes, ROWS, COLUMNS, renderer or ScreenRenderer())
        self._watched = 0
        self._on_end: Callable[[Terminal], None] | None = None
        self._on_activity: Callable[[Terminal], None] = lambda _: None
        self._waits_for_clients = False
        self._waits_for_replay = False
        self._is_pausing = False
        self._folding: asyncio.Task[None] | None = None
        self._joining: list[Any] = []
        self._patience: asyncio.TimerHandle | None = None
        self._resizing: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[bool] | None = None
        self._is_reaped = False
        # Whether its program has written anything yet.
        self.has_output = False

    # ---- the pty in the event loop

    def start(
        self, on_end: Callable[[Terminal], None], on_activity: Callable[[Terminal], None]
    ) -> None:
        """Start reading; ``on_end`` is called once, before the descriptor is closed."""
        self._on_end, self._on_activity = on_end, on_activity
        self._watch()

    def _watch(self) -> None:
        """Register with the loop: for output unless paused, for room while input is queued."""
        wanted = 0
        if self._on_end is not None and not self.ptyproc.closed:
            waits = self._waits_for_clients or self._waits_for_replay or self._is_pausing
            wanted = 0 if waits else IOLoop.READ
            wanted |= IOLoop.WRITE if self._input.waiting_bytes else 0
        if wanted == self._watched:
            return
        loop, fd = IOLoop.current(), self.ptyproc.fd
        if not self._watched:
            loop.add_handler(fd, self._on_ready, wanted)
        elif wanted:
            loop.update_handler(fd, wanted)
        else:
            loop.remove_handler(fd)
        self._watched = wanted

    def _on_ready(self, _fd: int, events: int) -> None:
        if events & IOLoop.WRITE:
            self._input.write()
        is_open = True
        if events & ~IOLoop.WRITE and self._watched & IOLoop.READ:
            yields = self._typing.is_typing_elsewhere(self)
            is_open = self._output.read(SLICE_BYTES if yields else MESSAGE_BYTES)
            if self._output.is_flooding and is_open:
                self._pause(yields)
        if is_open:
            self._watch()
        else:
            self._finish()

    def _pause(self, yields: bool) -> None:
        if yields or not any(client.follows for client in self.clients):
            self._is_pausing = True
            seconds = TYPING_ELSEWHERE_PAUSE_SECONDS if yields else UNWATCHED_PAUSE_SECONDS
            asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._is_pausing = False
        self._watch()

    # ---- output

    def _deliver(self, data: bytes) -> None:
        self.has_output = True
        self._metrics.output_bytes.inc(len(data))
        self._on_activity(self)
        if data := self._colours.take(data):
            self._send(data)

    def _send(self, data: bytes) -> None:
        self._late.note(data)
        self._replay.append(data)
        if followers := [client for client in self.clients if client.follows]:
            message = stdout_message(data)
            for client in followers:
                client.send_output(message)
            self.regulate()
        self._fold()
        self._wait_for_replay()
        if signals := self._signals.feed(data):
            self._handle(signals)

    def _handle(self, signals: list[Signal]) -> None:
        """Report signals, and answer what asks whether a terminal understands them.

        The server answers and no client does: an agent starts, and waits for the answer, while none
        is connected, and two would answer twice.  What does not read its input is not answered.
        """
        if Signal(PROGRAM_STATUS, STATUS_QUERY) in signals and not self._input.waiting_bytes:
            self._input.put(b"\x1b]%d;%b\x1b\\" % (PROGRAM_STATUS, STATUS_QUERY))
            self._watch()
        self.on_signals(self, signals)

    def _fold(self) -> None:
        """Fold the replay in the background if that is due or a client waits for it."""
        if self._folding is None and (self._replay.must_fold or self._joining):
            self._folding = asyncio.get_running_loop().create_task(self._fold_on())

    async def _fold_on(self) -> None:
        try:
            while self._replay.must_fold or not self._replay.is_ready:
                await self._replay.fold()
                self._wait_for_replay()
                self._serve_joining()  # now: under a flood there is always more to fold
        finally:
            self._folding = None
        self._serve_joining()

    def _serve_joining(self) -> None:
        if self._replay.is_ready:
            joining, self._joining = self._joining, []
            for client in joining:
                self.replay_for(client)

    def _wait_for_replay(self) -> None:
        if self._waits_for_replay != self._replay.is_full:
            self._waits_for_replay = self._replay.is_full
            self._watch()

    def replay_for(self, client: Any) -> None:
        """Send a client the replay, and from then on the output."""
        self._output.flush()
        if not self._replay.is_ready:
            self._joining.append(client)
            self._fold()
            return
        screen = (RESET if client.flow.messages else b"") + self._replay.render()
        client.follows = True
        if screen:
            self._metrics.replays.inc()
            client.send_output(stdout_message(screen))
        self.regulate()

    async def screen_text(self) -> ScreenText:
        """Return the text on the screen.  Raises ScreenError."""
        return await self._replay.text()

    @property
    def replay_depends_on_size(self) -> bool:
        """Whether to wait for a client's size before sending it the replay."""
        return self._replay.depends_on_size

    def regulate(self) -> None:
        """Pause or resume reading the program's output, by how far its clients are behind."""
        waiting = [c.flow.waiting_bytes for c in self.clients if c.follows]
        if not self._waits_for_clients:
            if any(size > self.limits.high_water_bytes for size in waiting):
                self._waits_for_clients = True
                self._metrics.pauses.inc()
                self._watch()
                self._wait_for_clients(self.limits.behind_seconds)
        elif all(size <= self.limits.low_water_bytes for size in waiting):
            self._waits_for_clients = False
            self._stop_waiting()
            self._watch()
        self._resume_caught_up()

    def _wait_for_clients(self, seconds: float) -> None:
        self._stop_waiting()
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(seconds, self._leave_behind)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _leave_behind(self) -> None:
        """Stop waiting for clients that have read nothing for too long."""
        now = asyncio.get_running_loop().time()
        for client in self.clients:
            flow = client.flow
            is_stuck = now - flow.progressed_at >= self.limits.behind_seconds
            if client.follows and flow.waiting_bytes > self.limits.low_water_bytes and is_stuck:
                self._metrics.left_behind.inc()
                client.fall_behind()
        self.regulate()
        if self._waits_for_clients:  # a client is slow, but makes progress
            self._wait_for_clients(self.limits.behind_seconds / 2)

    def _resume_caught_up(self) -> None:
        for client in self.clients:
            if client.is_behind and client.flow.waiting_bytes <= self.limits.low_water_bytes:
                client.catch_up()
                self.replay_for(client)

    # ---- input

    def type(self, text: str) -> str:
        """Pass input on; return a report for its sender, '' if all of it was accepted."""
        # A lone surrogate, which a browser can send, cannot be encoded.
        data = without_reports(text.encode(errors="replace"))
        if not data or self._late.is_one(data):
            return ""
        self._metrics.input_bytes.inc(len(data))
        self._typing.typed(self)
        if is_typed(data):
            self._typed_at = time.monotonic()
        self._on_activity(self)
        if self.ptyproc.closed:
            return ""
        report = ""
        if data == b"\x03" and self._input.waiting_bytes:
            report = _lost(self._input.interrupt(), "that the program had not read were dropped")
        elif not self._input.put(data):
            most = f"at most {self.limits.input_bytes:,} are taken at once"
            why = "the program does not read its input" if self._input.waiting_bytes else most
            report = _lost(len(data), f"were not taken: {why}")
        self._watch()
        return report

    def theme_changed(self) -> None:
        """Report the theme to a program that has asked for that."""
        self._colours.theme_changed()

    def _answer(self, data: bytes) -> None:
        """Type an answer of the terminal itself; one that finds no room is dropped."""
        if not self.ptyproc.closed:
            self._input.put(data)
            self._watch()

    # ---- size

    def resize_to_smallest(self) -> None:
        """Resize the pty to the smallest client: at once, then at most every 50 ms."""
        if self._resizing is None:
            self.resize_now()
            loop = asyncio.get_running_loop()
            self._resizing = loop.call_later(RESIZE_SECONDS, self._resize_again)

    def _resize_again(self) -> None:
        self._resizing = None
        if self._wanted_size() != self.size:
            self.resize_to_smallest()

    def resize_now(self) -> None:
        """Resize the pty to the smallest client now."""
        wanted = self._wanted_size()
        if wanted == self.size or self.ptyproc.closed:
            return
        self._output.flush()
        self.size = wanted
        with contextlib.suppress(OSError):  # the program may be gone
            self.ptyproc.setwinsize(*wanted)
        self._replay.resize(*wanted)
        self._fold()

    def _wanted_size(self) -> tuple[int, int]:
        sizes = [client.size for client in self.clients if None not in client.size]
        if not sizes:
            return self.size
        return min(rows for rows, _ in sizes), min(columns for _, columns in sizes)

    # ---- life

    def foreground_program(self) -> str:
        """Return the name of the foreground program; '' if there is none."""
        return "" if self.ptyproc.closed else foreground_program(self.ptyproc.fd)

    def working_folder(self) -> Path | None:
        """Return the folder of the foreground program; None if it is unknown."""
        return None if self.ptyproc.closed else working_folder(self.ptyproc.fd)

    def foreground_group(self) -> int:
        """Return the process group in the foreground; 0 if there is none."""
        with contextlib.suppress(OSError):
            return 0 if self.ptyproc.closed else os.tcgetpgrp(self.ptyproc.fd)
        return 0

    def idle_seconds(self) -> float:
        """Return how long ago somebody typed."""
        return time.monotonic() - self._typed_at

    def is_at_rest(self) -> bool:
        """Whether no client is connected and the shell is in the foreground."""
        with contextlib.suppress(OSError):
            return not self.clients and os.tcgetpgrp(self.ptyproc.fd) == self.pid
        return not self.clients

    def kill(self, sig: int = signal.SIGTERM) -> None:
        """Send a signal to the program."""
        if not self._is_reaped:
            os.kill(self.pid, sig)

    def killpg(self, sig: int = signal.SIGTERM) -> None:
        """Send a signal to the program's process group."""
        if not self._is_reaped:
            os.killpg(self.pid, sig)

    async def terminate(self, force: bool = False) -> bool:
        """End every process of the session; return whether all have ended.  Takes 2.2 s at most."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        return await asyncio.shield(self._ending)

    async def _end(self) -> bool:
        is_gone = await Programs(self.pid).end()
        self._finish()
        await self._reap()
        return is_gone

    def _finish(self) -> None:
        """Close the pty, notify everybody, and end what is left of the session; once."""
        if self.ptyproc.closed:
            return
        self._output.flush()
        self._stop_waiting()
        self._joining.clear()
        if self._folding is not None:
            self._folding.cancel()
        self._input.clear()
        self.ptyproc.closed = True
        self._watch()
        if self._on_end is not None:
            self._on_end(self)
        self.ptyproc.fileobj.close()  # which owns the descriptor
        self.ptyproc.fd = -1
        for client in list(self.clients):
            client.on_pty_died()
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _reap(self) -> None:
        """Reap the leader without blocking; an uninterruptible one may take a while."""
        pause = REAP_SECONDS
        while not self._is_reaped:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)  # noqa: ASYNC222  # it does not wait
            except ChildProcessError:
                pid, status = self.pid, 0
            if pid:
                self._is_reaped = self.ptyproc.terminated = True
                self.ptyproc.status = status
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, SLOWEST_REAP_SECONDS)


def _begin_child(folder: str | None) -> None:
    """Go to its folder, and reset signals: a server started in the background ignores ^C.

    Not by ``cwd`` of ptyprocess: what fails there leaves a copy of this server that goes on.
    """
    if folder is not None:
        os.chdir(folder)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _lost(size_bytes: int, what: str) -> str:
    return f"\r\n\x1b[7m {size_bytes:,} bytes of pasted text {what}. \x1b[0m\r\n"
