"""The demo as a process, and what a browser does with it."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from dbx_workspace.control_client import ControlClient
from dbx_workspace.server import port_of, reserve_port

from .consent import answer
from .constants import PAT, STATUS
from .terminal_client import TerminalClient

STOP_SECONDS = 20
ROWS, COLUMNS = 40, 200


def eventually(condition: Callable[[], Any], seconds: float = 60.0, what: str = "") -> Any:
    """Return the condition's first true value; fail loudly when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)
    return value


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and was not yet waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Browser:
    """A client of one front door: cookies and XSRF as JupyterLab does it.

    With ``email`` it is its own front door, for a server that has none.
    """

    def __init__(self, url: str, email: str = "") -> None:
        self.url = url
        self.signed_in = {"X-Forwarded-Email": email} if email else {}
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False, headers=self.signed_in)
        self.http.get("/lab")
        # httpx keeps Secure cookies from a plain-http origin to itself; Chromium does not.
        self.xsrf = self.http.cookies.get("_xsrf") or ""
        self.http.headers.update({"X-XSRFToken": self.xsrf, "Cookie": f"_xsrf={self.xsrf}"})

    def json(self, method: str, path: str, body: Any = None) -> Any:
        response = self.http.request(method, path, json=body)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    @contextlib.contextmanager
    def terminal(self, **body: Any) -> Iterator[TerminalClient]:
        """A new terminal, deleted at the end."""
        name = self.json("POST", "/api/terminals", body)["name"]
        with self.attached(name) as terminal:
            yield terminal
        with contextlib.suppress(httpx.HTTPError):  # the test may have stopped the server
            self.http.delete(f"/api/terminals/{name}")

    @contextlib.contextmanager
    def attached(self, name: str) -> Iterator[TerminalClient]:
        """One more client of a terminal."""
        address = f"{self.url.replace('http', 'ws', 1)}/terminals/websocket/{name}"
        headers = {"Cookie": f"_xsrf={self.xsrf}", "Origin": self.url, **self.signed_in}
        with TerminalClient(
            address, name=name, headers=headers, size=(ROWS, COLUMNS, 800, 1600)
        ) as terminal:
            yield terminal


def until_configured(browser: Browser) -> None:
    """Wait until a server has written the agents' files, or has failed to."""

    def has_ended() -> bool:
        tasks = {task["name"]: task["state"] for task in browser.json("GET", STATUS)["startup"]}
        return tasks["configure"] in {"done", "failed"}

    eventually(has_ended, 60, "the agents' files")


def app_variables(workspace_url: str, control: ControlClient) -> dict[str, str]:
    """What the platform would set for a workspace's only app."""
    (app,) = control.overview()["apps"]
    return {
        "DATABRICKS_APP_NAME": app["name"],
        "DATABRICKS_HOST": workspace_url,
        "DATABRICKS_CLIENT_ID": app["client_id"],
        "DATABRICKS_CLIENT_SECRET": app["client_secret"],
    }


class LocalWorkspaceProcess:
    """``python -m dbx_workspace``: a workspace that outlives the servers on it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "dbx_workspace", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: dict[str, str] = {}
        for line in self.process.stdout or ():
            if line == "ready\n":
                break
            name, _, value = line.strip().partition(": ")
            self.lines[name] = value
        self.url = self.lines["workspace"]
        self.control = ControlClient(self.lines["control"])

    def app_variables(self) -> dict[str, str]:
        """What the platform would set for the sample app."""
        return app_variables(self.url, self.control)

    def stop(self) -> None:
        self.control.close()
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()


def as_a_person() -> dict[str, str]:
    """The environment without the mark of CI, before which Gemini CLI opens no screen."""
    return {name: value for name, value in os.environ.items() if name != "CI"}


class Server:
    """``jupyter dbx-agents serve`` as the platform starts it, on a free loopback port."""

    def __init__(
        self, home: Path, variables: dict[str, str], *arguments: str, cwd: Path | None = None
    ) -> None:
        self._reserved = reserve_port()
        self.port = port_of(self._reserved)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_")}
        environment |= {"HOME": str(home), "DATABRICKS_APP_PORT": str(self.port), **variables}
        root = [] if os.geteuid() else ["--allow-root"]
        command = [sys.executable, "-m", "jupyter_dbx_agents", "serve", "--ServerApp.ip=127.0.0.1"]
        self.home = home
        home.mkdir(exist_ok=True)
        self.log = home / "server.log"
        self._start = functools.partial(
            subprocess.Popen, [*command, *root, *arguments], env=environment, cwd=cwd
        )
        self._launch()
        self.url = f"http://127.0.0.1:{self.port}"

    def _launch(self) -> None:
        with self.log.open("a") as stream:
            self.process = self._start(stderr=stream, stdout=stream)

    def until_open(self, email: str) -> Browser:
        """Wait until the owner gets in; return their browser."""

        def is_open() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            try:
                headers = {"X-Forwarded-Email": email}
                return httpx.get(f"{self.url}/api/status", headers=headers).is_success
            except httpx.HTTPError:
                return False

        eventually(is_open, 120, f"open: {self.log}")
        return Browser(self.url, email)

    def ended(self, seconds: float = 60) -> str:
        """Wait for the end; return the log."""
        self.process.wait(seconds)
        return self.log.read_text()

    def restart(self) -> None:
        """End it and start it again, on the same port."""
        self._end()
        self._launch()

    def stop(self) -> None:
        try:
            self._end()
        finally:
            self._reserved.close()

    def _end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def starting(
    workspace: LocalWorkspaceProcess, home: Path, *always: str
) -> Iterator[Callable[..., Server]]:
    """Give what starts servers on a workspace and one home; what still runs at the end is stopped.

    It takes further arguments, and variables by name.
    """
    started: list[Server] = []

    def run(*arguments: str, **variables: str) -> Server:
        merged = {**workspace.app_variables(), **variables}
        started.append(Server(home, merged, *always, *arguments))
        return started[-1]

    try:
        yield run
    finally:
        for server in started:
            server.stop()


class RunningApp:
    """``jupyter dbx-agents demo`` as a process of its own."""

    def __init__(
        self,
        home: Path,
        log: Path,
        *server_arguments: str,
        cwd: Path | None = None,
        port: int = 0,
        has_data: bool = False,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.home, self.log = home, log
        command = [sys.executable, "-m", "jupyter_dbx_agents", "demo", "--no-browser"]
        command += [] if has_data else ["--no-data"]
        command += ["--port", str(port), "--home", str(home), "--", *server_arguments]
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=as_a_person() | (variables or {}),
                cwd=cwd,
            )
        eventually(self._is_ready, 180, f"ready in {log}")
        self.lines = dict(re.findall(r"^(\w+): (\S+)$", log.read_text(), re.M))
        self.owner = Browser(self.lines["open"])
        self.control = ControlClient(self.lines["control"])

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "\nready\n" in self.log.read_text()

    def pat(self) -> dict[str, Any]:
        return self.owner.json("GET", PAT)

    def status(self) -> dict[str, Any]:
        return self.owner.json("GET", STATUS)

    def calls(self, since: int = 0, path: str = "/ai-gateway") -> list[dict[str, Any]]:
        """Calls of programs to the workspace, without MCP and what the server tried itself."""
        return [
            call
            for call in self.control.requests(since=since, path=path)
            if not call["user_agent"].startswith("jupyter-dbx-agents")
            and not call["path"].startswith("/ai-gateway/mcp-services/")
        ]

    def server_pid(self) -> int:
        """The production server's process, a child of the demo's."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def until_installed(self) -> None:
        """Wait for the agents; a failed task fails the test with its message."""

        def ended() -> bool:
            tasks = self.status()["startup"]
            failed = [task for task in tasks if task["state"] == "failed"]
            assert not failed, failed
            return bool(tasks) and all(task["state"] == "done" for task in tasks)

        eventually(ended, 600, "the agents' installation")

    def log_in(self) -> None:
        """Paste a fresh sample PAT over REST, unless there is one."""
        if self.pat()["expires_at"] is None:
            token = self.control.mint(self.lines["owner"]).token_value
            self.owner.json("POST", PAT, {"token": token})

    def rotate(self) -> None:
        """Ask for a rotation of the token, and wait for its end."""
        rotations = self.pat()["rotations"]
        self.owner.json("POST", f"{PAT}/rotate")
        assert self.pat()["rotations"] > rotations

    def sign_in(self) -> str:
        """Sign in as the owner, instead of what there is; return the answer's address."""
        self.owner.json("DELETE", PAT)
        address = answer(self.owner.json("POST", f"{PAT}/sign-in")["address"])
        self.owner.json("POST", f"{PAT}/sign-in/answer", {"answer": address})
        return address

    def stop(self) -> int:
        self.owner.http.close()
        self.control.close()
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
