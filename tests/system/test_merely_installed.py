"""The extension in an ordinary Jupyter of a Databricks user: what is theirs stays as it was."""

import asyncio
import contextlib
import hashlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.git_sync.local.git import git_environment, run_git
from tests.support.constants import NO_AGENTS, OWNER, PAT, STATUS

AGENTS = "/dbx-agents/api/agents"

# Ours: the state, and the agents' programs.
OWN_FOLDERS = (".local/state/jupyter_dbx_agents", ".local/share/jupyter_dbx_agents")
HEADERS = {"Authorization": "token of-jupyter"}


def fingerprint(home: Path) -> dict[str, str]:
    """Return a hash of each file's content, and the folders, but for those that are ours."""
    found = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        is_ours = name.startswith(OWN_FOLDERS) or any(own.startswith(name) for own in OWN_FOLDERS)
        if not is_ours:
            content = path.read_bytes() if path.is_file() else b"folder"
            found[name] = hashlib.sha256(content).hexdigest()
    return found


@dataclass
class Jupyter:
    """A running `jupyter lab` of the user's."""

    url: str
    process: asyncio.subprocess.Process
    output: Path

    async def request(self, method: str, path: str, **options: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.url, headers=HEADERS, timeout=60) as client:
            reply = await client.request(method, path, **options)
            assert reply.is_success, reply.text
            return reply.json()

    async def until_set_up(self) -> None:
        async with asyncio.timeout(120):
            while True:
                tasks = (await self.request("GET", STATUS))["startup"]
                if tasks and all(task["state"] == "done" for task in tasks):
                    return
                await asyncio.sleep(0.1)


@dataclass
class Desk:
    """A user's machine: a home, a workspace and the token that everything else there uses."""

    home: Path
    workspace: LocalWorkspace
    everyday: str
    elsewhere: Path

    def status_of(self, value: str) -> str:
        tokens = self.workspace.workspace.tokens
        token_id = tokens.id_of(value)
        (token,) = (token for token in tokens.all() if token.token_id == token_id)
        return token.status(self.workspace.workspace.clock())

    @contextlib.asynccontextmanager
    async def jupyter(self) -> AsyncIterator[Jupyter]:
        """Run `jupyter lab` with the extension enabled as its installation does; end it cleanly."""
        settings = self.elsewhere / "etc" / "jupyter_server_config.d"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "extension.json").write_text(
            '{"ServerApp": {"jpserver_extensions": {"jupyter_dbx_agents": true}}}'
        )
        output = self.elsewhere / "output"
        with output.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"),
                *("--port=0", "--IdentityProvider.token=of-jupyter", NO_AGENTS),
                env=self.environment(),
                cwd=self.home,
                stdout=stream,
                stderr=stream,
            )
        try:
            url = await self._url(process, output)
            yield Jupyter(url, process, output)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 60)

    async def _url(self, process: asyncio.subprocess.Process, output: Path) -> str:
        async with asyncio.timeout(120):
            while process.returncode is None:
                found = re.search(r"http://(?:localhost|127\.0\.0\.1):\d+", output.read_text())
                if found is not None:
                    with contextlib.suppress(httpx.TransportError):
                        async with httpx.AsyncClient() as client:
                            await client.get(f"{found[0]}/api")
                            return found[0]
                await asyncio.sleep(0.1)
        raise AssertionError(output.read_text())

    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DATABRICKS_", "JUPYTER_"))
        }
        return kept | {
            "HOME": str(self.home),
            "DATABRICKS_HOST": self.workspace.url,
            "DATABRICKS_TOKEN": self.everyday,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "JUPYTER_CONFIG_PATH": str(self.elsewhere / "etc"),
            "JUPYTER_CONFIG_DIR": str(self.elsewhere / "jupyter"),
            "JUPYTER_DATA_DIR": str(self.elsewhere / "data"),
            "JUPYTER_RUNTIME_DIR": str(self.elsewhere / "runtime"),
            "IPYTHONDIR": str(self.elsewhere / "ipython"),
        }


@contextlib.asynccontextmanager
async def _desk(folder: Path) -> AsyncIterator[Desk]:
    workspace = LocalWorkspace()
    await workspace.start()
    workspace.workspace.add_user(OWNER)
    everyday, _ = workspace.workspace.tokens.mint(OWNER, comment="everyday, also of cron jobs")
    home = folder / "home"
    (home / ".claude").mkdir(parents=True)
    (home / ".databrickscfg").write_text(
        f"# mine\n[DEFAULT]\nhost = {workspace.url}\ntoken = {everyday}\n\n[other]\nhost=https://o\n"
    )
    (home / ".gitconfig").write_text("[user]\n\tname = Me\n\temail = me@example.com\n")
    (home / ".claude" / "settings.json").write_text('{"theme": "dark"}\n')
    repository = home / "projects" / "mine"
    run_git("init", "--quiet", str(repository), environment=git_environment(home))
    try:
        yield Desk(home, workspace, everyday, folder)
    finally:
        await workspace.stop()


@pytest.fixture
def desk(tmp_path: Path) -> contextlib.AbstractAsyncContextManager[Desk]:
    return _desk(tmp_path)


async def test_a_jupyter_that_is_started_and_stopped_leaves_everything_as_it_was(desk: Desk):
    before = fingerprint(desk.home)
    async with desk.jupyter() as jupyter:
        status = await jupyter.request("GET", STATUS)
        assert status["pat"]["state"] == "needed"
        assert status["startup"] == []
        await jupyter.request("POST", "/api/terminals")
        # A click in the panel before anybody has signed in is remembered, and no more.
        await jupyter.request("PATCH", AGENTS, json={"approvals": "everything"})
        await jupyter.request("PATCH", f"{AGENTS}/hermes", json={"enabled": False})
        assert fingerprint(desk.home) == before
    assert fingerprint(desk.home) == before
    tokens = desk.workspace.workspace.tokens.all()
    assert [token.status(desk.workspace.workspace.clock()) for token in tokens] == ["live"]


async def test_the_use_of_it_leaves_everything_as_it_was_once_it_has_ended(desk: Desk):
    before = fingerprint(desk.home)
    pasted, _ = desk.workspace.workspace.tokens.mint(OWNER, comment="for this")
    async with desk.jupyter() as jupyter:
        await jupyter.request("POST", PAT, json={"token": pasted})
        await jupyter.until_set_up()
        profiles = (desk.home / ".databrickscfg").read_text()
        assert "[jupyter-dbx-agents]" in profiles
        assert f"[DEFAULT]\nhost = {desk.workspace.url}\ntoken = {desk.everyday}\n" in profiles
        assert "ANTHROPIC" in (desk.home / ".claude" / "settings.json").read_text()
    assert fingerprint(desk.home) == before
    assert desk.status_of(desk.everyday) == "live"
    assert desk.status_of(pasted) == "revoked"
    clock = desk.workspace.workspace.clock()
    living = [t.comment for t in desk.workspace.workspace.tokens.all() if t.status(clock) == "live"]
    assert living == ["everyday, also of cron jobs"]
