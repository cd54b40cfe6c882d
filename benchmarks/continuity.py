"""What it costs to keep a machine's work in the workspace, and to bring it back to an empty one.

Run: ``python -m benchmarks continuity``; it takes two to three minutes.

Three projects with work in progress, and a home with conversations and histories.  The alternative
is a copy by hand that somebody has to remember to make: ``git clone`` of each project from a bare
repository on the same disk, and a copy of the changed files and of the home's; its upload would be
one ``.tar.gz`` of the same, or a call for each file (``databricks workspace import-dir``).
Bringing back is at the default pace (10 calls a second), so that calls count as they do in use.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.sync import OWNER, ROOT, UNPACED, LocalWorkspaceProcess, OnePat, Repo
from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.lifecycle.continuity import Continuity
from jupyter_dbx_agents.workspace_api import WorkspaceApi

SIZES = (30, 100, 300)
PACE = 10.0
CONVERSATIONS = 20
CONVERSATION_LINES = 200
CHANGED_FILES = 10
APPENDS = 10
_STATE = Path(".local/state/jupyter_dbx_agents")


class App:
    """What of an app takes part, in one home."""

    def __init__(self, home: Path, workspace: LocalWorkspaceProcess, pace: float) -> None:
        self.api = WorkspaceApi(workspace.url)
        self.sync = GitSync(
            home=home,
            projects=home / "projects",
            origin="benchmark",
            api=self.api,
            pats=OnePat(workspace.token),
            user=lambda: OWNER,
            requests_per_second=pace,
            sets_identity=False,
        )
        self.continuity = Continuity(
            home=home,
            state_folder=home / _STATE,
            origin="benchmark",
            is_databricks_app=True,
            git_sync=self.sync,
            secrets=list,
            manager=lambda: None,
        )

    @property
    def calls(self) -> int:
        """The calls to the workspace so far."""
        return self.sync._files.request_count

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a condition."""
        while not is_so():  # noqa: ASYNC110 several parts change it
            await asyncio.sleep(0.01)

    async def kept_bytes(self) -> int:
        """Return the size of all that is kept, without the files that are copied to be seen."""
        folders, size = [f"{ROOT}/.dbx-agents"], 0
        while folders:
            for each in await self.sync._files.children(folder := folders.pop()) or []:
                if each.kind == "DIRECTORY":
                    folders.append(f"{folder}/{each.name}")
                size += each.size_bytes
        return size

    async def stop(self) -> None:
        """End it."""
        await self.sync.stop()
        await self.api.close()


def fill(home: Path) -> None:
    """Make projects with work in progress, and conversations."""
    for count in SIZES:
        repo = Repo(home, count)
        repo.git("reset", "-q", "--hard")
        for number in range(CHANGED_FILES):
            (repo.folder / f"new{number}").write_text(os.urandom(500).hex())
        repo.git("add", "new0")
    for number in range(CONVERSATIONS):
        path = transcript(home, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line(home) for _ in range(CONVERSATION_LINES)))
    (home / ".bash_history").write_text("git status\n" * 1000)


def transcript(home: Path, number: int) -> Path:
    """Return a conversation's file."""
    return home / ".claude/projects/p" / f"{number}.jsonl"


def line(home: Path) -> str:
    """Return a line of it: half of it random, as prose hardly compresses better."""
    text = f"{os.urandom(250).hex()}{'a word and another ' * 20}"
    said = {"type": "user", "cwd": str(home), "message": {"role": "user", "content": text}}
    return f"{json.dumps(said)}\n"


async def keep(home: Path, workspace: LocalWorkspaceProcess) -> dict[str, float]:
    """Keep everything once, and then what an agent appends; return bytes and calls."""
    app = App(home, workspace, UNPACED)
    await app.sync.start()

    def is_kept() -> bool:
        status = app.sync.status()
        return len(status) == len(SIZES) and all(
            each["state"] == "synced" and each["work"]["kept_at"] and not each["work"]["pending"]
            for each in status
        )

    await app.until(is_kept)
    before = app.calls
    await app.continuity.flush()
    home_calls = app.calls - before
    kept_bytes, before = await app.kept_bytes(), app.calls
    for _ in range(APPENDS):
        with transcript(home, 0).open("a") as file:
            file.write(line(home))
        await app.continuity.flush()
    append_calls = (app.calls - before) / APPENDS
    await app.stop()
    return {"bytes": kept_bytes, "home_calls": home_calls, "append_calls": append_calls}


async def come_back(home: Path, workspace: LocalWorkspaceProcess) -> dict[str, float]:
    """Bring everything back; return calls, and seconds to the first project and to all."""
    app = App(home, workspace, PACE)
    await app.sync.start()
    await app.until(lambda: app.continuity._git_sync.remote() is not None)
    started, first = time.perf_counter(), list[float]()

    def look() -> None:
        steps = app.continuity.status()["steps"]
        if any(step["kind"] == "project" and step["state"] == "done" for step in steps):
            first.append(time.perf_counter() - started)

    app.continuity.on_change.append(look)
    before = app.calls
    steps = await app.continuity.restore()
    seconds, calls = time.perf_counter() - started, app.calls - before
    failed = [step for step in steps if step["state"] != "done"]
    assert not failed, failed
    await app.stop()
    return {"first": first[0], "all": seconds, "calls": calls}


def by_hand(home: Path, bare: Path, kept: Path, target: Path) -> dict[str, float]:
    """Clone and copy the same; return seconds to the first project and to all."""
    started = time.perf_counter()
    first = 0.0
    for count in reversed(SIZES):
        folder = target / "projects" / f"files{count}"
        subprocess.run(["git", "clone", "-q", bare / f"{count}.git", folder], check=True)
        shutil.copytree(kept / f"files{count}", folder, dirs_exist_ok=True)
        first = first or time.perf_counter() - started
    shutil.copytree(home / ".claude", target / ".claude")
    shutil.copy2(home / ".bash_history", target)
    return {"first": first, "all": time.perf_counter() - started}


def prepared_by_hand(home: Path, scratch: Path) -> tuple[Path, Path, dict[str, int]]:
    """Make bare repositories and copies of what is not committed; return what it would upload."""
    bare, kept = scratch / "bare", scratch / "kept"
    files = CONVERSATIONS + 1
    for count in SIZES:
        folder = home / "projects" / f"files{count}"
        subprocess.run(["git", "clone", "-q", "--bare", folder, bare / f"{count}.git"], check=True)
        (kept / folder.name).mkdir(parents=True)
        for number in range(CHANGED_FILES):
            shutil.copy2(folder / f"new{number}", kept / folder.name)
        files += count + CHANGED_FILES
    archive = scratch / "all.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in (bare, kept, home / ".claude", home / ".bash_history"):
            tar.add(path, path.name)
    return bare, kept, {"bytes": archive.stat().st_size, "files": files}


async def measure() -> tuple[dict[str, Any], ...]:
    """Return what was kept, how it came back, and the same by hand."""
    workspace = LocalWorkspaceProcess()
    try:
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            home, empty, hand = (scratch / each for each in ("home", "empty", "hand"))
            for folder in (home / "projects", empty / "projects", hand / "projects"):
                folder.mkdir(parents=True)
            fill(home)
            bare, kept, uploads = prepared_by_hand(home, scratch)
            sent = await keep(home, workspace)
            back = await come_back(empty, workspace)
            return sent, back, by_hand(home, bare, kept, hand), uploads
    finally:
        workspace.close()


def main() -> None:
    """Run as a program."""
    sent, back, hand, uploads = asyncio.run(measure())
    print(f"projects of {SIZES} files, {CONVERSATIONS} conversations; ratio to doing it by hand")
    rows = (
        ("bytes kept", sent["bytes"], uploads["bytes"], "one .tar.gz"),
        ("calls to keep the home", sent["home_calls"], CONVERSATIONS + 1, "one a file"),
        ("calls for a line that an agent writes", sent["append_calls"], 1, "one a file"),
        ("calls to bring all back", back["calls"], uploads["files"], "one a file"),
        ("seconds to the first project", back["first"], hand["first"], "git clone on this disk"),
        ("seconds to everything", back["all"], hand["all"], "git clone and cp on this disk"),
    )
    for what, ours, theirs, name in rows:
        print(f"{what:38} {ours:12,.2f}  {ours / theirs:8.3f} x  {name} ({theirs:,.2f})")


if __name__ == "__main__":
    main()
