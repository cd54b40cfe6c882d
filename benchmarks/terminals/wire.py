"""The ends of the wire: servers as processes, a client that costs little, and a pty without any."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from dbx_workspace.server import port_of, reserve_port

TOKEN = "benchmark"
STOCK = [sys.executable, "-m", "jupyter_server"]
OURS = [sys.executable, "-m", "jupyter_dbx_agents", "serve", "--DbxAgentsApp.install_agents=False"]
BARE = [sys.executable, "-m", "benchmarks.terminals.bare_server"]
START_SECONDS = 90
PING, PONG = 0x9, 0xA
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Server:
    """A server whose terminals are measured, in a process and a home of its own."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._home = tempfile.mkdtemp(prefix="terminals-")
        self._reserved = reserve_port()
        self.port = port_of(self._reserved)
        options = [
            f"--ServerApp.port={self.port}",
            f"--IdentityProvider.token={TOKEN}",
            "--ServerApp.open_browser=False",
            "--ServerApp.terminado_settings={'shell_command': ['bash', '--norc', '--noprofile']}",
            *([] if os.geteuid() else ["--allow-root"]),
        ]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_")}
        environment |= {"HOME": self._home, "PS1": "$ ", "LANG": "C.UTF-8"}
        with (Path(self._home) / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*command, *options], env=environment, stdout=log, stderr=log
            )
        headers = {"Authorization": f"token {TOKEN}"}
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, trust_env=False, timeout=30
        )
        wait(self._is_open, START_SECONDS)
        wait(self.is_settled, START_SECONDS)

    def _is_open(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.http.get("/api/status").is_success
        return False

    def is_settled(self) -> bool:
        """Whether the work of starting up, or of opening terminals, is done."""
        used = self.cpu_seconds()
        time.sleep(1)
        return self.cpu_seconds() - used < 0.05

    def new(self, *command: str) -> str:
        """Start a terminal; return its name."""
        body = {"shell_command": list(command)} if command else {}
        return str(self.http.post("/api/terminals", json=body).raise_for_status().json()["name"])

    def delete(self, name: str) -> None:
        """End a terminal."""
        with contextlib.suppress(httpx.HTTPError):  # stock servers freeze in some of the measures
            self.http.delete(f"/api/terminals/{name}")

    @contextlib.contextmanager
    def client(
        self, name: str, acknowledges: bool = False, port: int | None = None
    ) -> Iterator[Client]:
        """Connect to a terminal; through a proxy if its port is given."""
        client = Client(port or self.port, name)
        client.send("set_size", 24, 80)
        client.acknowledges = acknowledges
        if acknowledges:
            client.send("ack", 0)
        try:
            yield client
        finally:
            client.raw.close()

    @contextlib.contextmanager
    def front_door(self) -> Iterator[int]:
        """Put the local workspace's front door before it; yields its port."""
        command = [sys.executable, "-m", "benchmarks.terminals.front_door"]
        process = subprocess.Popen(
            [*command, f"http://127.0.0.1:{self.port}"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None  # it is a pipe
            yield int(process.stdout.readline())
        finally:
            process.kill()
            process.wait()

    def cpu_seconds(self) -> float:
        """What the server's process has used; not its programs."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_mib(self) -> float:
        """Its memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it."""
        self.http.close()
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()
        self._reserved.close()
        shutil.rmtree(self._home, ignore_errors=True)


class Client:
    """A websocket that reads frames, answers pings, and looks into messages only when it must."""

    def __init__(self, port: int, name: str) -> None:
        self.raw = socket.create_connection(("127.0.0.1", port))
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw.sendall(
            f"GET /terminals/websocket/{name}?token={TOKEN} HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self._buffer = bytearray()
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.raw.recv(4096)
        del self._buffer[: self._buffer.index(b"\r\n\r\n") + 4]
        self.acknowledges = False
        self.messages = self.wire_bytes = 0

    def send(self, *message: Any) -> None:
        """Send one message."""
        self.send_text(json.dumps(message))

    def send_text(self, text: str, opcode: int = 1) -> None:
        """Send one frame (masked with zeros, which changes nothing)."""
        payload = text.encode()
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else struct.pack("!BQ", 0xFF, size)
        self.raw.sendall(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + payload)

    def type(self, text: str) -> None:
        """Send input."""
        self.send("stdin", text)

    def read(self, seconds: float = 30.0) -> bytes:
        """Return the next message, still JSON; b'' when none comes in time."""
        deadline = time.monotonic() + seconds
        while (frame := self._frame()) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.raw], [], [], left)[0]:
                return b""
            if not (data := self.raw.recv(1 << 18)):
                raise ConnectionError("The server has closed the connection.")
            self._buffer += data
        if frame.startswith(b'["stdout"'):
            self.messages += 1
            self.wire_bytes += len(frame)
            if self.acknowledges:
                self.send("ack", self.messages)
        return frame

    def until(self, mark: bytes, seconds: float = 60.0) -> int:
        """Read until a mark has come; return how many bytes of messages that took."""
        start, tail, deadline = self.wire_bytes, b"", time.monotonic() + seconds
        while mark not in tail:
            if time.monotonic() > deadline:
                raise TimeoutError(mark)
            tail = tail[-len(mark) :] + self.read(1)
        return self.wire_bytes - start

    def quiet(self, seconds: float = 0.3) -> None:
        """Read until nothing has come for a while."""
        while self.read(seconds):
            pass

    def text_until_quiet(self) -> str:
        """Read the same; return the output."""
        text = ""
        while message := self.read(1):
            kind, *content = json.loads(message)
            text += content[0] if kind == "stdout" else ""
        return text

    def _frame(self) -> bytes | None:
        """Take the next message from what has been received; answer pings on the way."""
        while len(self._buffer) > 1:
            opcode = self._buffer[0] & 0xF
            if (payload := self._payload()) is None:
                return None
            if opcode == PING:
                self.send_text(payload.decode(), PONG)
            else:
                return payload
        return None

    def _payload(self) -> bytes | None:
        data = self._buffer
        size, start = data[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            if len(data) < start:
                return None
            size = int.from_bytes(data[2:start], "big")
        if len(data) < start + size:
            return None
        frame = bytes(data[start : start + size])
        del data[: start + size]
        return frame


class RawPty:
    """A program on a pty, read in a loop: what no server can be faster than."""

    def __init__(self, *command: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp(command[0], command)
        termios.tcsetwinsize(self.fd, (24, 80))
        self.read_bytes = 0

    def type(self, text: str) -> None:
        """Write input."""
        os.write(self.fd, text.encode())

    def read(self, seconds: float = 30.0) -> bytes:
        """Return what comes next."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        data = os.read(self.fd, 65536)
        self.read_bytes += len(data)
        return data

    def until(self, mark: bytes, seconds: float = 60.0) -> int:
        """Read until a mark has come."""
        start, tail, deadline = self.read_bytes, b"", time.monotonic() + seconds
        while mark not in tail:
            if time.monotonic() > deadline:
                raise TimeoutError(mark)
            tail = tail[-len(mark) :] + self.read(1)
        return self.read_bytes - start

    def close(self) -> None:
        """End the program."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def wait(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.02)
