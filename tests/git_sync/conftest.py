"""A local workspace in the test's own loop, a home with projects, and the sync between them."""

from __future__ import annotations

import asyncio
import logging
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbx_workspace.faults import Fault
from dbx_workspace.rest.files import ImportedObject
from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.git_sync.history import History
from jupyter_dbx_agents.git_sync.local.git import git_environment
from jupyter_dbx_agents.git_sync.local.mirror import MIRRORS_FOLDER, Mirror
from jupyter_dbx_agents.git_sync.local.projects import locate, main_location
from jupyter_dbx_agents.git_sync.local.repository import Repository
from jupyter_dbx_agents.git_sync.ownership import Ownership
from jupyter_dbx_agents.git_sync.project_sync import ProjectSync, Settings
from jupyter_dbx_agents.git_sync.remote.marker import Destination, Marker
from jupyter_dbx_agents.git_sync.remote.workspace_files import Pace, WorkspaceFiles
from jupyter_dbx_agents.git_sync.restore import Restorer
from jupyter_dbx_agents.pat import PatState, Promise
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER

ROOT = f"/Workspace/Users/{OWNER}/projects"
LOG = logging.getLogger("git_sync")


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Killed(BaseException):
    """What the sync sees of a kill -9: nothing after it happens."""


class MortalTransport(httpx.AsyncHTTPTransport):
    """A connection whose owner dies at the n-th request, before or after its effect."""

    def __init__(self) -> None:
        super().__init__(verify=_NO_TLS)  # loading certificates takes longer than a whole sync
        self.dies_at = -1
        self.dies_after_effect = False
        self.is_dead = False
        self.before_request: Callable[[int], None] = lambda _count: None
        # What a proxy answers in place of the workspace.
        self.instead: Callable[[httpx.Request], httpx.Response] | None = None
        self.count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_dead:
            raise Killed
        self.count += 1
        self.before_request(self.count)
        if self.instead is not None:
            return self.instead(request)
        dies = self.count == self.dies_at
        self.is_dead |= dies and not self.dies_after_effect
        if self.is_dead:
            raise Killed
        response = await super().handle_async_request(request)
        self.is_dead |= dies
        if self.is_dead:
            await response.aclose()
            raise Killed
        return response


class Pats:
    """The credential, as the test has it."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.next_token: str | None = None
        self.state = PatState.ACTIVE
        self.message = "Paste a token."

    def current(self) -> Secret | None:
        return Secret(self.token) if self.token else None

    def promise(self) -> Promise | None:
        return None

    async def ready(self) -> None:
        pass

    async def replace_refused(self, refused: Secret) -> Secret | None:
        if self.token == refused.reveal():
            self.token, self.next_token = self.next_token, None
        return self.current()


class Site:
    """The workspace and one home; an async context manager."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.projects = home / "projects"
        self.projects.mkdir(parents=True)
        self.environment = git_environment(home)
        self.syncs: list[GitSync] = []

    async def __aenter__(self) -> Site:
        self.server = LocalWorkspace()
        self.workspace = self.server.workspace
        self.workspace.add_user(OWNER, "Olive Owner")
        await self.server.start()
        self.pats = Pats(self.mint())
        self.api = WorkspaceApi(self.server.url)
        self.clients = [self.api._client]
        self.connect()
        return self

    async def __aexit__(self, *_error: object) -> None:
        for sync in self.syncs:
            await sync.stop()
        for client in self.clients:
            await client.aclose()
        await self.server.stop()

    def mint(self) -> str:
        return self.workspace.tokens.mint(OWNER)[0]

    def is_live(self, token: str | None) -> bool:
        return self.workspace.tokens.authenticate(token or "") is not None

    def revoke(self, token: str | None) -> None:
        known = self.workspace.tokens.authenticate(token or "")
        assert known is not None
        self.workspace.tokens.revoke(known.token_id)

    def connect(self) -> None:
        """A fresh connection, as after a restart."""
        self.transport = MortalTransport()
        self.clients.append(httpx.AsyncClient(base_url=self.server.url, transport=self.transport))
        self.api._client = self.clients[-1]
        pace = Pace(100_000, 8)
        self.files = WorkspaceFiles(self.api, self.pats, pace, retry_seconds=0.002)

    # ---- git

    def git(self, folder: Path | str, *arguments: str, stdin: bytes = b"") -> str:
        path = self.projects / folder
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *arguments]
        ended = subprocess.run(
            command, cwd=path, env=self.environment, input=stdin, capture_output=True, check=False
        )
        assert ended.returncode == 0, f"{arguments}: {ended.stderr.decode()}"
        return ended.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def make(self, name: str, *options: str, **files: str) -> Path:
        folder = self.projects / name
        folder.mkdir(parents=True)
        self.git(folder, "init", "-q", "-b", "main", *options)
        if files:
            self.commit(name, {path.replace("__", "."): text for path, text in files.items()})
        return folder

    def commit(self, name: Path | str, files: Mapping[str, str | bytes | None]) -> str:
        """Write files (None deletes one) and commit all."""
        for path, content in files.items():
            target = self.projects / name / path
            if content is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git(name, "add", "-A", "-f")
        self.git(name, "commit", "-q", "--allow-empty", "-m", "change")
        return self.git(name, "rev-parse", "HEAD")

    # ---- the workspace

    def remote(self, name: str) -> dict[str, bytes]:
        """The files below a project's folder."""
        prefix = f"/Users/{OWNER}/projects/{name}/"
        nodes = [n for n in self.workspace.files.all() if n.path.startswith(prefix)]
        return {n.path[len(prefix) :]: n.content for n in nodes if n.kind != "DIRECTORY"}

    def bundles(self, name: str) -> list[str]:
        """The files of a project's history, in their order."""
        return sorted(n for n in self.remote(f".dbx-agents/{name}") if ".bundle" in n)

    def remote_folders(self, name: str) -> set[str]:
        prefix = f"/Users/{OWNER}/projects/{name}/"
        nodes = [n for n in self.workspace.files.all() if n.path.startswith(prefix)]
        return {n.path[len(prefix) :] for n in nodes if n.kind == "DIRECTORY"}

    def put_foreign(self, path: str, content: bytes, kind: Any = "FILE") -> None:
        """Somebody else writes below the projects' folder, a moment later than git sync."""
        target = f"{ROOT}/{path}"
        self.workspace.files.mkdirs(OWNER, target.rpartition("/")[0])
        node = self.workspace.files.put(
            OWNER, ImportedObject(target, kind, content), overwrite=True
        )
        node.modified_at += timedelta(seconds=2)

    def delete_foreign(self, path: str, *, recursive: bool = False) -> None:
        self.workspace.files.delete(OWNER, f"{ROOT}/{path}", recursive=recursive)

    def fault(self, kind: Any, match: str = "/api/2.0/workspace", **options: Any) -> None:
        self.workspace.faults.add(Fault(match, kind, **options))

    # ---- the sync

    @property
    def mirrors(self) -> Path:
        return self.home / ".local/state/jupyter_dbx_agents" / MIRRORS_FOLDER

    def project_sync(
        self,
        name: str,
        *,
        origin: str = "app",
        most_history_bytes: int = 1 << 30,
        history: History | None = None,
        **settings: Any,
    ) -> ProjectSync:
        location = locate(self.projects / name)
        assert location is not None
        source = Repository(main_location(location), self.environment)
        mirror = history.mirror if history else Mirror(self.mirrors, source, self.environment)
        ownership = Ownership(
            Repository(location, self.environment),
            mirror,
            Destination(self.files, ROOT, name),
            origin=origin,
        )
        history = history or History(
            mirror, ownership, origin=origin, most_bytes=most_history_bytes, log=LOG
        )
        values = {"most_file_bytes": 500 * 1024**2, "parallel": 4, "checkpoint_files": 3}
        return ProjectSync(ownership, history, Settings(**{**values, **settings}), log=LOG)

    def restorer(self, origin: str = "app") -> Restorer:
        return Restorer(self.files, ROOT, self.projects, self.mirrors, self.environment, origin)

    def git_sync(self, **traits: Any) -> GitSync:
        values = {
            "requests_per_second": 100_000.0,
            "trigger_seconds": 0.01,
            "look_seconds": 0.05,
            "first_retry_seconds": 0.01,
            "request_retry_seconds": 0.002,
        }
        sync = GitSync(
            home=self.home,
            projects=self.projects,
            origin="app",
            api=self.api,
            pats=self.pats,
            user=lambda: OWNER if self.pats.current() else "",
            **{**values, **traits},
        )
        self.syncs.append(sync)
        return sync


def marker_of(sync: ProjectSync) -> Marker:
    """The marker that a sync wrote last."""
    assert sync.marker is not None
    return sync.marker


async def until(condition: Callable[[], Any], what: str = "", seconds: float = 60.0) -> Any:
    """Wait for a condition's first true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
    return value


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "home")


@pytest.fixture
def without_lfs(
    site: Site, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's programs are the system's, but for Git LFS, whether it is there or not."""
    folder = tmp_path_factory.mktemp("programs")
    for program in Path("/usr/bin").iterdir():
        if program.name != "git-lfs":
            (folder / program.name).symlink_to(program)
    site.environment["PATH"] = str(folder)
    monkeypatch.setenv("PATH", str(folder))
