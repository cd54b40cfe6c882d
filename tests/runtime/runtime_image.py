"""An image of the platform's runtime: its Python environment, its variables, its way to stop."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

from tests.support.effort import IS_LONG

from .sandbox import SOURCE_CODE, Order

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
SANDBOX = FOLDER / "sandbox.py"
PREINSTALLED = FOLDER / "preinstalled.txt"
INSTALL_SECONDS = 600
STOP_SECONDS = 15
# How this machine reaches package registries; the platform's have settings of their own.
REGISTRY_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
REGISTRY_NAMES = {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"}


class Container:
    """A program that runs in the image, until it is stopped."""

    def __init__(self, folder: Path, source: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.source, self._process = folder, source, process
        self._log = folder / "log.txt"

    @property
    def log(self) -> str:
        """What the program has written to its standard output and error."""
        return self._log.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        """The exit code; None while the program runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """The program's own process."""
        pids = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(pids.split()[0])

    def stop(self) -> float:
        """End it as the platform does; return how long that took, in seconds."""
        began = time.monotonic()
        if self.code is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - began

    def kill(self) -> None:
        """End it at once."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS)

    def left(self) -> list[str]:
        """Return the command lines of what the program had left behind when it ended."""
        return (self.folder / "left.txt").read_text().splitlines()


class RuntimeImage:
    """Made once, in ``folder``; apps are started from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._venv = folder / "venv"
        self._npm_cache = ROOT / ".demo" / "npm-cache"  # the demo's, and the other tests'
        self._installed = ""
        self._count = 0

    @cached_property
    def isolates(self) -> bool:
        """Whether this machine lets its users have namespaces of their own."""
        code = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import sandbox as s; "
        code += "s.unshare_as_myself(); s.check(s.LIBC.mount(b'x', b'/mnt', b'tmpfs', 0, None))"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        return ended.returncode == 0

    def install(self, source: Mapping[str, bytes]) -> None:
        """Install an app's requirements as the platform does, on top of what it brings."""
        requirements = source.get("requirements.txt", b"")
        digest = hashlib.sha256(requirements).hexdigest()
        if digest == self._installed:
            return
        if not self._venv.exists():
            base = getattr(sys, "_base_executable", sys.executable)
            subprocess.run([base, "-m", "venv", self._venv], check=True)
            self._install("--no-deps", "-r", str(PREINSTALLED))
        file = self.folder / "requirements.txt"
        file.write_bytes(requirements)
        self._install("-r", str(file))
        self._installed = digest

    def start(
        self, source: Mapping[str, bytes], command: list[str], variables: Mapping[str, str]
    ) -> Container:
        """Start a command in a fresh container: nothing on its disk but the source."""
        self._count += 1
        folder = self.folder / f"container-{self._count}"
        place = folder / SOURCE_CODE.relative_to("/")
        for path, content in source.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
        self._npm_cache.mkdir(parents=True, exist_ok=True)
        environment = {**self._base_variables(), **variables}
        if not self.isolates and "HOME" in environment:
            environment["HOME"] = str(place)
        order = Order(
            command=command,
            environment=environment,
            source=str(place),
            visible=[str(self._venv), str(self._npm_cache), sys.base_prefix],
            left_file=str(folder / "left.txt"),
            isolates=self.isolates,
        )
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, str(SANDBOX)], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(json.dumps(asdict(order)).encode())
        return Container(folder, place, process)

    def _base_variables(self) -> dict[str, str]:
        node = shutil.which("node")
        folders = [str(self._venv / "bin"), *([str(Path(node).parent)] if node else [])]
        path = [*folders, "/usr/local/bin", "/usr/bin", "/bin"]
        registries = {
            name: value
            for name, value in os.environ.items()
            if name.upper().startswith(REGISTRY_PREFIXES) or name in REGISTRY_NAMES
        }
        cache = {"npm_config_cache": str(self._npm_cache)}
        return {"PATH": ":".join(dict.fromkeys(path)), "HOME": "/", **registries, **cache}

    def _install(self, *arguments: str) -> None:
        """Install as the platform's pip does; by pip itself, which is slow, in the long run."""
        python = str(self._venv / "bin" / "python")
        command = [python, "-m", "pip", "install", "--quiet", *arguments]
        if not IS_LONG:
            command = [sys.executable, "-m", "uv", *command[2:], "--python", python]
            command += ["--compile-bytecode"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr


def platform_variables(
    *, name: str, port: int, url: str, host: str, workspace_id: str, client: tuple[str, str]
) -> dict[str, str]:
    """Return what the platform sets for each app, whatever it is made with."""
    client_id, client_secret = client
    text = str(port)
    return {
        "DATABRICKS_APP_NAME": name,
        "DATABRICKS_APP_PORT": text,
        "DATABRICKS_APP_URL": url,
        "DATABRICKS_HOST": host,
        "DATABRICKS_WORKSPACE_ID": workspace_id,
        "DATABRICKS_CLIENT_ID": client_id,
        "DATABRICKS_CLIENT_SECRET": client_secret,
        "PORT": text,
        "PYTHONUNBUFFERED": "1",
        "UVICORN_HOST": "0.0.0.0",
        "UVICORN_PORT": text,
        "FLASK_RUN_HOST": "0.0.0.0",
        "FLASK_RUN_PORT": text,
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": text,
        "GRADIO_ANALYTICS_ENABLED": "false",
        "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
        "STREAMLIT_SERVER_PORT": text,
        "STREAMLIT_SERVER_HEADLESS": "true",
    }
