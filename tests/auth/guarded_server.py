"""Starts and ends real servers for the tests of access."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dbx_workspace.server import port_of, reserve_port

OWNER = "kim.owner@example.com"
START_SECONDS = 60
OPTIONS = (
    "--ServerApp.jpserver_extensions={'third_party_extension': True}",
    "--ServerApp.ip=127.0.0.1",
    "--no-browser",
    "--allow-root",
)
HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent


@dataclass(frozen=True)
class GuardedServer:
    """A server that runs, and the folder that it lives in."""

    port: int
    pid: int
    home: Path
    output: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.output.read_text()

    def resident_kilobytes(self, key: str = "VmRSS") -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
        raise LookupError(key)


def spawn(home: Path, *arguments: str, **variables: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a server in a home of its own; it may not come up."""
    output = home / "server.log"
    command = [sys.executable, "-c", "import gated_app; gated_app.main()"]
    command += [*OPTIONS, *arguments]
    with output.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=home, env=environment(home, **variables), stdout=log, stderr=log
        )
    return process, output


def environment(home: Path, **variables: str) -> dict[str, str]:
    """The variables of an app on the platform, and folders that are nobody else's."""
    inherited = {name: value for name, value in os.environ.items() if "JUPYTER" not in name}
    return {
        **inherited,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONPATH": os.pathsep.join((str(HERE), str(REPOSITORY))),
        "DATABRICKS_APP_NAME": "agents",
        "APP_OWNER_EMAIL": OWNER,
        **variables,
    }


@contextlib.contextmanager
def guarded_server(home: Path, *arguments: str, **variables: str) -> Iterator[GuardedServer]:
    """Run a server until the block ends."""
    with reserve_port() as reserved:
        port = port_of(reserved)
        process, output = spawn(home, f"--ServerApp.port={port}", *arguments, **variables)
        try:
            wait_for_port(process, port, output)
            yield GuardedServer(port=port, pid=process.pid, home=home, output=output)
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait_for_port(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    """Wait until the server says that it listens, and does."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if "THE PORT OPENS" in output.read_text() and can_connect(port):
            return
        time.sleep(0.02)
    raise AssertionError(f"The server did not come up:\n{output.read_text()}")


def can_connect(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
