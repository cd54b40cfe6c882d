"""What git sync costs: the hook, a commit's way to the workspace, calls, memory, first syncs.

Run: ``python benchmarks/sync.py [--files N …]``; it takes three to four minutes.

Workspace and server are processes of their own, as in use.  For the first table the first sync is
not waited for: the workspace is told that it has taken place, and only the folders are made.
The pace (10 calls a second) is switched off except where it is measured: with it, a commit of more
than its burst of 10 calls takes what the pace says.

*Safe and visible* is at that pace, for a repository that nobody has synced before, and a commit
that is made in the first second of its first pass.  It is safe when its bundle is up, and visible
when all files are; where that takes longer than a minute, it is estimated from the first half
minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbx_workspace.control_client import ControlClient
from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.git_sync.history import History
from jupyter_dbx_agents.git_sync.hooks.repository_hooks import (
    FOLDER_BELOW_HOME,
    Triggers,
    install_hook,
)
from jupyter_dbx_agents.git_sync.local.git import git_environment
from jupyter_dbx_agents.git_sync.local.mirror import MIRRORS_FOLDER, Mirror
from jupyter_dbx_agents.git_sync.local.projects import locate
from jupyter_dbx_agents.git_sync.local.repository import Repository
from jupyter_dbx_agents.git_sync.ownership import Ownership
from jupyter_dbx_agents.git_sync.remote.marker import Destination, Marker
from jupyter_dbx_agents.git_sync.remote.workspace_files import Pace, WorkspaceFiles
from jupyter_dbx_agents.git_sync.work.survey import survey
from jupyter_dbx_agents.git_sync.work.taking import Taker
from jupyter_dbx_agents.pat import PatState, Promise
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

OWNER = "owner@example.com"
ROOT = f"/Workspace/Users/{OWNER}/projects"
SIZES = (100, 10_000, 50_000)
# Changed files, and how often each is measured.
CHANGES = {1: 5, 10: 5, 1000: 1}
FILES_IN_A_FOLDER = 100
HOOK_ROUNDS = 40
# Enough to see what we could do, and what the list of all files and a checkpoint take in memory.
FIRST_FILES = 2100
# First syncs as a whole, at the pace that is the default, and at the workspace's own limit.
PACED_FILES = 200
PACES = (10.0, 30.0)
# Safe and visible: files, the pace, when the commit is made, and how long the files are watched.
SAFE_SIZES = (10, 1000, 20_000)
SAFE_PACE = 10.0
COMMIT_AFTER_SECONDS = 0.5
WATCHED_SECONDS = 30.0
UNPACED = 1e6
# Work in progress: files of the repository, and how often each is measured.
WORK_SIZES = (100, 10_000)
WORK_ROUNDS = 15
MIB = 1024 * 1024


class OnePat:
    """A PAT source that never changes."""

    state = PatState.ACTIVE
    message = ""

    def __init__(self, token: str) -> None:
        self._token = Secret(token)

    def current(self) -> Secret | None:
        """Return the PAT."""
        return self._token

    def promise(self) -> Promise | None:
        """Promise nothing: no SDK takes part."""
        return None

    async def ready(self) -> None:
        pass

    async def replace_refused(self, refused: Secret) -> Secret | None:
        """Return the same again."""
        return refused


class LocalWorkspaceProcess:
    """The local workspace as a program."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "dbx_workspace"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        lines = iter(self._process.stdout.readline, "ready\n")
        said = dict(re.findall(r"^(\w+): (\S+)$", "".join(lines), re.M))
        self.url, self.token = said["workspace"], said["paste"]
        self.control = ControlClient(said["control"], timeout_seconds=60)

    def close(self) -> None:
        """End it."""
        self.control.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Repo:
    """A repository of many files, made by ``git fast-import``."""

    def __init__(self, home: Path, count: int) -> None:
        self.home, self.count = home, count
        self.folder = home / "projects" / f"files{count}"
        self._environment = git_environment(home)
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            self.git("init", "-q", "-b", "main")
            self._import(range(count), "first", parent=False)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git."""
        return subprocess.run(
            ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments],
            cwd=self.folder,
            env=self._environment,
            input=stdin,
            capture_output=True,
            check=True,
        ).stdout.decode()

    def folders(self) -> list[str]:
        """Return the folders of the tree."""
        return sorted({_path(number).rpartition("/")[0] for number in range(self.count)})

    def change(self, count: int, word: str) -> None:
        """Commit a change of so many files, all over the tree.

        The commit is made without a working tree, which is not what is measured; so the hook is
        run by hand.  Where there is none, since another program has the name, a poll sees it.
        """
        self._import(range(0, self.count, self.count // count)[:count], word, parent=True)
        hook = self.folder / ".git/hooks/post-commit"
        if hook.exists():
            subprocess.run([str(hook)], cwd=self.folder, check=True)

    def _import(self, numbers: Any, word: str, *, parent: bool) -> None:
        lines = [f"commit refs/heads/main\ncommitter n <e> {int(time.time())} +0000\ndata 1\nm\n"]
        if parent:
            lines.append("from refs/heads/main^0\n")
        for number in numbers:
            text = f"{word} {number} " * 20
            lines.append(f"M 100644 inline {_path(number)}\ndata {len(text)}\n{text}\n")
        self.git("fast-import", "--quiet", "--force", stdin="".join(lines).encode())


def _path(number: int) -> str:
    folder = number // FILES_IN_A_FOLDER
    return f"group{folder // 20}/folder{folder}/file{number}.txt"


# ---- the hook


def measure_hook(home: Path) -> Iterator[str]:
    """Compare commits with and without our hooks, turn about."""
    repo = Repo(home, 10)
    repo.git("reset", "-q", "--hard")
    triggers = Triggers(home / FOLDER_BELOW_HOME)
    location = locate(repo.folder)
    assert location is not None
    off, on = ["-c", "core.hooksPath=/dev/null"], list[str]()
    if not install_hook(location, triggers.folder, git_environment(home)):
        yield "no hook is installed: another program has the name"
        return
    triggers.open()
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    for turn in range(HOOK_ROUNDS):
        for name, options in (("without", off), ("with", on)):
            (repo.folder / "x").write_text(f"{turn} {name}")
            repo.git("add", "x")
            started = time.perf_counter()
            repo.git(*options, "commit", "-q", "-m", "m")
            seconds[name].append(time.perf_counter() - started)
    without, with_ = (statistics.median(seconds[name]) for name in ("without", "with"))
    yield f"commit without hook {without * 1e3:6.1f} ms (median of {HOOK_ROUNDS})"
    yield f"commit with hook    {with_ * 1e3:6.1f} ms"
    yield f"added               {(with_ - without) * 1e3:6.1f} ms, ratio {with_ / without:.2f}"


# ---- a commit's way, in a process like the server's


async def measure_commits(home: Path, count: int, url: str, token: str) -> dict[str, Any]:
    """Return seconds from a commit to its end in the workspace, and the memory that it took."""
    repo = Repo(home, count)
    api, pats = WorkspaceApi(url), OnePat(token)
    files = WorkspaceFiles(api, pats, Pace(UNPACED, 8), retry_seconds=0.5)
    await _pretend_synced(repo, files, home)
    sync = GitSync(
        home=home,
        projects=home / "projects",
        origin="benchmark",
        api=api,
        pats=pats,
        user=lambda: OWNER,
        requests_per_second=UNPACED,
        sets_identity=False,
    )
    before = _peak_mib(restart=True)
    await sync.start()
    await _until_synced(sync, repo)
    results: dict[str, Any] = {}
    for changed in CHANGES:
        if changed <= count:
            results[str(changed)] = await _rounds(sync, repo, changed)
    results["memory_mib"] = _peak_mib() - before
    await sync.stop()
    await api.close()
    return results


async def _rounds(sync: GitSync, repo: Repo, changed: int) -> dict[str, float]:
    seconds, calls = [], []
    for turn in range(CHANGES[changed]):
        await asyncio.to_thread(repo.change, changed, f"{changed}.{turn}")
        started = time.perf_counter()
        made = sync._files.request_count
        await _until_synced(sync, repo)
        seconds.append(time.perf_counter() - started)
        calls.append(sync._files.request_count - made)
    return {"seconds": statistics.median(seconds), "calls": statistics.median(calls)}


async def _pretend_synced(repo: Repo, files: WorkspaceFiles, home: Path) -> None:
    """Tell the workspace that it has the first commit, and make its folders."""
    location = locate(repo.folder)
    assert location is not None
    repository = Repository(location, git_environment(home))
    destination = Destination(files, ROOT, repo.folder.name)
    head = await repository.head()
    assert head is not None
    mirrors = home / FOLDER_BELOW_HOME.parent / MIRRORS_FOLDER
    mirror = Mirror(mirrors, repository, git_environment(home))
    ownership = Ownership(repository, mirror, destination, origin="benchmark")
    log = logging.getLogger("benchmark")
    history = History(mirror, ownership, origin="benchmark", most_bytes=1 << 30, log=log)
    await history.run()
    marker = Marker(repo.folder.name, mirror.identity, "benchmark")
    await destination.write(replace(marker, commit=head.commit, tree=head.tree))
    for folder in repo.folders():
        await files.make_folder(f"{destination.folder}/{folder}")


async def _until_synced(sync: GitSync, repo: Repo) -> None:
    head = (await asyncio.to_thread(repo.git, "rev-parse", "HEAD")).strip()
    while True:
        for model in sync.status():
            if model["commit"] == head and model["state"] == "synced":
                return
            if model["message"]:
                print(model["message"], file=sys.stderr)
        await asyncio.sleep(0.005)


async def measure_first(home: Path, count: int, url: str, token: str) -> dict[str, Any]:
    """Return the rate without a pace and the memory of a first sync, of which a part is made."""
    Repo(home, count)
    api, sync = _first_sync(home, url, token, UNPACED)
    before = _peak_mib(restart=True)
    await sync.start()
    rate = await _rate(sync, min(FIRST_FILES, count))
    result = {"rate": rate, "memory_mib": _peak_mib() - before}
    await sync.stop()
    await api.close()
    return result


async def measure_paced(
    home: Path, count: int, url: str, token: str, pace: float
) -> dict[str, Any]:
    """Return files and calls a second of a whole first sync, from its first call to its end."""
    repo = Repo(home, count)
    api, sync = _first_sync(home, url, token, pace)
    await sync.start()
    while not sync._files.request_count:  # noqa: ASYNC110 a benchmark, for milliseconds
        await asyncio.sleep(0.001)
    started = time.perf_counter()
    await _until_synced(sync, repo)
    seconds = time.perf_counter() - started
    result = {"files": count / seconds, "calls": sync._files.request_count / seconds}
    await sync.stop()
    await api.close()
    return result


async def measure_safe(home: Path, count: int, url: str, token: str) -> dict[str, Any]:
    """Return seconds from a commit in the first second of a first pass until it is safe, visible.

    ``is_estimate`` is whether the latter was not waited for.
    """
    repo = Repo(home, count)
    api, sync = _first_sync(home, url, token, SAFE_PACE)
    await sync.start()
    await asyncio.sleep(COMMIT_AFTER_SECONDS)
    await asyncio.to_thread(repo.change, 1, "safe")
    started = time.perf_counter()
    head = (await asyncio.to_thread(repo.git, "rev-parse", "HEAD")).strip()
    while all(model["history"]["commit"] != head for model in sync.status()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    safe = time.perf_counter() - started
    is_estimate = False
    try:
        async with asyncio.timeout(2 * WATCHED_SECONDS if count <= PACED_FILES else 1):
            await _until_synced(sync, repo)
        visible = time.perf_counter() - started
    except TimeoutError:
        is_estimate = True
        visible = count / await _rate_in(sync, WATCHED_SECONDS)
    await sync.stop()
    await api.close()
    return {"safe": safe, "visible": visible, "is_estimate": is_estimate}


async def _rate_in(sync: GitSync, seconds: float) -> float:
    """Return the files a second within some time, from the first one on."""
    while not (first := max((model["done"] for model in sync.status()), default=0)):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    return (max(model["done"] for model in sync.status()) - first) / seconds


def _first_sync(home: Path, url: str, token: str, pace: float) -> tuple[WorkspaceApi, GitSync]:
    api = WorkspaceApi(url)
    sync = GitSync(
        home=home,
        projects=home / "projects",
        origin="benchmark",
        api=api,
        pats=OnePat(token),
        user=lambda: OWNER,
        requests_per_second=pace,
        sets_identity=False,
    )
    return api, sync


async def _rate(sync: GitSync, wanted: int) -> float:
    """Return the files a second, from the first one on."""
    started, first = 0.0, 0
    while True:
        done = max((model["done"] for model in sync.status()), default=0)
        if done and not started:
            started, first = time.perf_counter(), done
        if done >= wanted:
            return (done - first) / (time.perf_counter() - started)
        await asyncio.sleep(0.01)


def _peak_mib(*, restart: bool = False) -> float:
    """Return the most memory that this process has held, since the last restart of the count."""
    if restart:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5)
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def measure_work(home: Path, count: int, url: str, token: str) -> dict[str, Any]:
    """Return milliseconds of a look at a work tree, of taking what changed, and of git's own time.

    Ten files are changed, ten are staged and ten are new; each round changes one more.
    """
    repo = Repo(home, count)
    await asyncio.to_thread(repo.git, "reset", "-q", "--hard")
    files = WorkspaceFiles(WorkspaceApi(url), OnePat(token), Pace(UNPACED, 8), retry_seconds=0.5)
    await _pretend_synced(repo, files, home)
    location = locate(repo.folder)
    assert location is not None
    repository = Repository(location, git_environment(home))
    environment = git_environment(home)
    mirror = Mirror(home / FOLDER_BELOW_HOME.parent / MIRRORS_FOLDER, repository, environment)
    for number in range(30):
        name = f"new{number}" if number < 10 else _path(number * count // 30)
        (repo.folder / name).write_text(f"changed {number}")
        if number >= 20:
            await asyncio.to_thread(repo.git, "add", name)
    taker, looks, takes = Taker(mirror, repository), list[float](), list[float]()
    before = _children_seconds()
    for turn in range(WORK_ROUNDS):
        (repo.folder / "new0").write_text(f"turn {turn}")
        started = time.perf_counter()
        found = await survey(repository)
        looks.append(time.perf_counter() - started)
        await taker.take(found)
        takes.append(time.perf_counter() - started - looks[-1])
    spent = (_children_seconds() - before) / WORK_ROUNDS
    medians = {"look": statistics.median(looks) * 1e3, "take": statistics.median(takes) * 1e3}
    return {**medians, "git": spent * 1e3}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- putting it together


def in_a_process(what: str, count: int, url: str, token: str) -> dict[str, Any]:
    """Measure in a fresh process, whose memory is its own."""
    with tempfile.TemporaryDirectory() as home:
        Repo(Path(home), count)
        command = [sys.executable, __file__, "--measure", what, home, str(count), url, token]
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


def report(sizes: list[int]) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home:
        for line in measure_hook(Path(home)):
            print(line, flush=True)
    workspace = LocalWorkspaceProcess()
    try:
        print("\nfiles    changed   seconds   calls   calls - changed")
        for count in sizes:
            result = in_a_process("commits", count, workspace.url, workspace.token)
            for changed in CHANGES:
                if row := result.get(str(changed)):
                    line = f"{count:6}  {changed:8}  {row['seconds']:8.2f}  {row['calls']:6.0f}"
                    print(f"{line}  {row['calls'] - changed:+6.0f}")
            print(f"{count:6}  memory of the worker: +{result['memory_mib']:.0f} MiB", flush=True)
    finally:
        workspace.close()
    print("\nfiles    safe after   visible after")
    for count in SAFE_SIZES:
        row = _with_a_workspace("safe", count)
        about = "about " if row["is_estimate"] else ""
        print(f"{count:6}  {row['safe']:8.2f} s   {about}{row['visible']:.1f} s", flush=True)
    print("\nwork in progress: files, ms of a look, ms of taking it, git's time")
    for count in WORK_SIZES:
        row = _with_a_workspace("work", count)
        print(f"{count:6}  {row['look']:8.1f}  {row['take']:8.1f}  {row['git']:8.1f}", flush=True)
    first = _with_a_workspace("first", sizes[-1])
    print(f"\nfirst sync of {sizes[-1]} files, no pace: {first['rate']:.0f} files a second")
    print(f"  memory of the worker: +{first['memory_mib']:.0f} MiB", flush=True)
    for pace in PACES:
        whole = _with_a_workspace(f"paced {pace}", PACED_FILES)
        print(
            f"first sync of {PACED_FILES} files at {pace:.0f} calls a second: "
            f"{whole['files']:.1f} files a second, {whole['files'] / pace:.0%} of the pace "
            f"({whole['calls']:.1f} calls a second)",
            flush=True,
        )


def _with_a_workspace(what: str, count: int) -> dict[str, Any]:
    workspace = LocalWorkspaceProcess()
    try:
        return in_a_process(what, count, workspace.url, workspace.token)
    finally:
        workspace.close()


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options, _others = parser.parse_known_args()
    if options.measure is None:
        report(options.files)
        return
    what, home, count, url, token = options.measure
    where = (Path(home), int(count), url, token)
    kind, _, pace = what.partition(" ")
    if kind == "commits":
        measuring = measure_commits(*where)
    elif kind == "first":
        measuring = measure_first(*where)
    elif kind == "safe":
        measuring = measure_safe(*where)
    elif kind == "work":
        measuring = measure_work(*where)
    else:
        measuring = measure_paced(*where, float(pace))
    print(json.dumps(asyncio.run(measuring)))


if __name__ == "__main__":
    main()
