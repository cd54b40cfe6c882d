"""A server with our terminals as a process, and clients of them that do as they are told."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from dbx_workspace.server import port_of, reserve_port
from tests.support.running_app import eventually
from tests.support.terminal_client import TerminalClient

TOKEN = "terminals"
ROOT = Path(__file__).resolve().parents[2]


def state_of(pid: int) -> str:
    """A process's state letter, '' for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


class Server:
    """``terminal_server`` in a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._reserved = reserve_port()
        self.port = port_of(self._reserved)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        command = [sys.executable, "-m", "tests.terminals.terminal_server", f"--port={self.port}"]
        command += [f"--ServerApp.root_dir={folder}", *([] if os.geteuid() else ["--allow-root"])]
        environment = {**os.environ, "PS1": "$ ", "HOME": str(folder), "LANG": "C.UTF-8"}
        environment |= {"JUPYTER_NO_CONFIG": "1", "JUPYTER_CONFIG_DIR": str(folder / "config")}
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                [*command, *arguments], cwd=ROOT, env=environment, stdout=stream, stderr=stream
            )
        headers = {"Authorization": f"token {TOKEN}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)
        eventually(self._is_open, 60, f"open: {self.log}")

    def _is_open(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return self.http.get("/api/status").is_success
        return False

    def new(self, *command: str, **body: Any) -> str:
        """Start a terminal; return its name."""
        if command:
            body["shell_command"] = list(command)
        answer = self.http.post("/api/terminals", json=body)
        assert answer.is_success, answer.text
        return answer.json()["name"]

    def models(self) -> dict[str, dict[str, Any]]:
        return {model["name"]: model for model in self.http.get("/api/terminals").json()}

    def delete(self, name: str) -> int:
        return self.http.delete(f"/api/terminals/{name}").status_code

    def figures(self) -> dict[str, float]:
        """Our lines of ``/metrics``."""
        text = self.http.get("/metrics").text
        found = re.findall(r"^dbx_agents_terminal_(\w+)(?:\{[^}]*\})? (\S+)$", text, re.M)
        return {name: float(value) for name, value in found}

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @contextlib.contextmanager
    def client(self, name: str, size: tuple[int, int] | None = (24, 80)) -> Iterator[Client]:
        with Client(self, name, size) as client:
            yield client

    def stop(self) -> None:
        self.http.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()
            self._reserved.close()


class Client(TerminalClient):
    """A client of that server."""

    def __init__(self, server: Server, name: str, size: tuple[int, int] | None = None) -> None:
        address = f"ws://127.0.0.1:{server.port}/terminals/websocket/{name}?token={TOKEN}"
        super().__init__(address, name=name, size=size)


class StalledClient:
    """Speaks the websocket protocol and then reads nothing, and answers nothing, unless told to."""

    def __init__(self, server: Server, name: str) -> None:
        self.raw = socket.create_connection(("127.0.0.1", server.port))
        self.raw.sendall(
            f"GET /terminals/websocket/{name}?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.raw.recv(1)
        assert b" 101 " in head, head

    def send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame (masked with zeros, which changes nothing)."""
        self.send_often(opcode, payload, 1)

    def send_often(self, opcode: int, payload: bytes, count: int) -> None:
        """Send a short frame so many times."""
        frame = bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload
        self.raw.sendall(frame * count)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """What comes: opcodes and payloads."""
        with self.raw.makefile("rb") as stream:
            while head := stream.read(2):
                size = head[1]
                if size > 125:
                    size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
                yield head[0] & 0xF, stream.read(size)

    def drain(self, seconds: float) -> bytes:
        """Read for a while."""
        self.raw.settimeout(0.2)
        deadline = time.monotonic() + seconds
        taken = []
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                data = self.raw.recv(1 << 20)
                if not data:
                    break
                taken.append(data)
        return b"".join(taken)

    def close(self) -> None:
        self.raw.close()
