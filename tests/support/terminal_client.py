"""A client of a terminal's websocket, which speaks JupyterLab's protocol."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from websockets.sync.client import connect

ANSI = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][0-9A-B]|[=>78c])")


class TerminalClient:
    """Takes what comes while it waits for something; ``size`` is what is sent at first, if any."""

    def __init__(
        self,
        address: str,
        *,
        name: str = "",
        headers: Mapping[str, str] | None = None,
        size: tuple[int, ...] | None = None,
    ) -> None:
        self.name = name
        self.messages: list[str] = []  # each output
        self.output = ""  # all of it, with its escape sequences
        self.ended = False
        self._plain = ""  # without them, since the last match, up to:
        self._read_until = 0
        self._found_until = 0
        self._stack = contextlib.ExitStack()
        self.socket = self._stack.enter_context(
            connect(
                address,
                additional_headers=headers,
                max_size=None,
                compression=None,
                ping_interval=None,
            )
        )
        if size is not None:
            self.send("set_size", *size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()

    def cut(self) -> None:
        """Reset the connection, as a lost network does."""
        raw = self.socket.socket
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()

    def send(self, *message: Any) -> None:
        self.socket.send(json.dumps(message))

    def type(self, text: str) -> None:
        self.send("stdin", text)

    def read(self, seconds: float = 0.0) -> bool:
        """Take one message if it comes in time."""
        try:
            kind, *content = json.loads(self.socket.recv(timeout=seconds))
        except TimeoutError:
            return False
        if kind == "stdout":
            self.output += content[0]
            self.messages.append(content[0])
        self.ended = self.ended or kind == "disconnect"
        return True

    def unmatched(self) -> str:
        """The plain text that came since the last match."""
        if self._read_until < len(self.output):
            self._plain = ANSI.sub("", self._plain + self.output[self._read_until :])
            self._read_until = len(self.output)
        return self._plain

    def expect(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        """Return the first match in the plain text that came since the last one."""
        deadline = time.monotonic() + seconds
        while not (match := re.search(pattern, self.unmatched())):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} did not come within {seconds} s; came:\n{self._plain}"
            self.read(left)
        self._plain = self._plain[match.end() :]
        self._found_until = self._read_until
        return match

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Read until a text has come, however much comes before it."""
        deadline = time.monotonic() + seconds
        while (found := self.output.find(text, self._found_until)) < 0:
            self._found_until = max(self._found_until, len(self.output) - len(text))
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not come; came: {self.output[-2000:]!r}"
            self.read(left)
        self._found_until = self._read_until = found + len(text)
        self._plain = ""

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        """Wait for a condition, taking what comes meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            came = f"not within {seconds} s; came:\n{self._plain}"
            assert time.monotonic() < deadline, came
            self.read(0.2)

    def until_shell(self) -> None:
        """Wait for the shell's own prompt: what is typed before it, behind ours, is dropped."""
        self.expect(r"[#$] $")

    def until_quiet(self, seconds: float = 0.5) -> str:
        """Take what comes until nothing has come for a while; return all output.

        A pong comes behind what was sent before it: a slow server is not taken for a quiet one.
        """
        pong, deadline = self.socket.ping(), time.monotonic() + 60
        while self.read(seconds) or not pong.is_set():
            assert time.monotonic() < deadline, "the terminal does not become quiet"
        return self.output

    def run(self, command: str, seconds: float = 120.0) -> str:
        """Run a shell command; return its output.  A non-zero exit fails the test."""
        code, output = self.run_any(command, seconds)
        assert code == 0, f"{command} ended with {code}:\n{output}"
        return output

    def run_any(self, command: str, seconds: float = 120.0) -> tuple[int, str]:
        """Run a shell command; return its exit code and output."""
        mark = f"m{time.monotonic_ns()}"
        self.type(f"{command}; echo {mark[:2]}''{mark[2:]}:$?:\r")
        match = self.expect(rf"(?s)(.*?){mark}:(\d+):\r?\n", seconds)
        lines = match[1].replace("\r", "").split("\n")
        # What was typed shows twice when it came before the prompt: as typed, and on the prompt.
        echoes = [number for number, line in enumerate(lines) if f"''{mark[2:]}" in line]
        first = echoes[-1] + 1 if echoes else int(command in lines[0])
        return int(match[2]), "\n".join(lines[first:])
