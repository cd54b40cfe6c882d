"""Put work in progress back into a repository that was just restored, staged as it was staged."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ...errors import DestinationError, GitError, GitStoppedError, WorkspaceError
from ..local.checkout import make_room, tree_of
from ..local.objects import is_safe
from ..local.repository import Repository
from ..remote.bundles import index_bundle
from ..remote.marker import Destination
from .keeper import REF
from .store import WorkStore
from .survey import GITLINK
from .taking import SCHEMA, STATE_FILE, read_blob

_OTHER_VERSIONS = (
    "{} were committed later, in another version: what they were before is in the ref {} "
    "(“git show {}:work/FILE”)."
)


_IN_REF = " It is in the ref {} (“git show {}:work/FILE”)."


@dataclass(frozen=True)
class GivenBack:
    """What was put back: the number of paths, what they lack by path, and why not all came.

    ``commit`` is the one that has the work, '' for none.
    """

    count: int = 0
    left_out: tuple[str, ...] = ()
    problem: str = ""
    commit: str = ""

    @property
    def text(self) -> str:
        """What to report, '' for nothing."""
        if self.problem or not (self.count or self.left_out):
            return self.problem
        lacks = f" Not kept: {'; '.join(self.left_out)}" if self.left_out else ""
        return f"Work in progress is back: {self.count} files.{lacks}"


async def give_back(repository: Repository, destination: Destination) -> GivenBack:
    """Put back what is kept of a project's work in progress.

    Raises WorkspaceError, GitStoppedError or OSError if another attempt may succeed: without it the
    project is not to be restored, since its work replaces what is kept.
    """
    commit = ""
    try:
        store = WorkStore(destination)
        bundle = await store.newest()
        if bundle is None:
            return GivenBack()
        commit = await index_bundle(repository, store.chunks(bundle), REF)
        return await _GivingBack(repository, commit).run()
    except (WorkspaceError, GitStoppedError, OSError):
        raise
    except Exception as error:  # whatever is odd about it: the commits come back
        said = f"{error} {getattr(error, 'hint', '')}".strip()
        problem = f"The work in progress did not come back: {said}"
        if commit:
            await repository.output("update-ref", REF, commit)
            problem += _IN_REF.format(REF, REF)
        return GivenBack(commit=commit, problem=problem)


class _GivingBack:
    def __init__(self, repository: Repository, commit: str) -> None:
        self._git, self._commit = repository, commit
        self._options = tree_of(repository)

    async def run(self) -> GivenBack:
        git = self._git
        state = json.loads(await git.output("cat-file", "blob", f"{self._commit}:{STATE_FILE}"))
        if state["schema"] > SCHEMA:
            raise DestinationError(
                "The work in progress was written by a newer version.", "Update the app."
            )
        head = await git.head()
        trees = await self._trees()
        if state["head"] != (head.commit if head is not None else ""):
            return await self._carry_over(str(state["head"]), trees.get("work", ""))
        if branch := state.get("branch"):  # without a commit
            await git.output("symbolic-ref", "HEAD", f"refs/heads/{branch}")
        count = await self._files(trees)
        left_out = state["left_out"]
        await self._index(trees, state["intent"])
        await self._operation()
        lacks = tuple(f"{path}: {reason}" for path, reason in sorted(left_out.items()))
        return GivenBack(count, lacks, commit=self._commit)

    async def _carry_over(self, head: str, work: str) -> GivenBack:
        """Put back the work on a commit before HEAD, but for files that were committed since."""
        changes = await self._differences(head, work)
        committed = await self._differences(head, "HEAD")
        others = [p for p, each in changes.items() if committed.get(p, each) != each]
        kept = {p: each for p, each in changes.items() if p not in committed}
        await asyncio.to_thread(self._delete, [p for p, (m, _) in kept.items() if not m.strip("0")])
        await self._write({p: e for p, e in kept.items() if e[0].strip("0") and e[0] != GITLINK})
        if others:
            await self._git.output("update-ref", REF, self._commit)
            problem = _OTHER_VERSIONS.format(", ".join(others[:10]), REF, REF)
            return GivenBack(problem=problem, commit=self._commit)
        return GivenBack(len(kept), commit=self._commit)

    async def _trees(self) -> dict[str, str]:
        """Return the ids of the trees in the commit."""
        listing = await self._git.text("ls-tree", self._commit)
        found = (line.split(None, 3) for line in listing.splitlines())
        return {name: oid for _mode, _kind, oid, name in found}

    async def _files(self, trees: dict[str, str]) -> int:
        """Write and delete files; those that are as the index has them, with their filters."""
        work = await self._differences(trees.get("index", ""), trees.get("work", ""))
        staged = await self._differences("HEAD", trees.get("index", ""))
        await self._reset(trees.get("index", ""))
        gone = [path for path, (mode, _) in {**staged, **work}.items() if not mode.strip("0")]
        await asyncio.to_thread(self._delete, gone)
        plain = [p for p, (mode, _) in staged.items() if p not in work and mode.strip("0")]
        stdin = b"".join(os.fsencode(path) + b"\0" for path in plain)
        checkout = ("checkout-index", "--force", "--quiet", "-u", "-z", "--stdin")
        try:
            await self._git.output(*checkout, stdin=stdin, options=self._options)
        except GitError:  # a filter that is not here: as git has them
            work |= {path: staged[path] for path in plain}
        written = {p: each for p, each in work.items() if each[0].strip("0") and each[0] != GITLINK}
        await self._write(written)
        return len(work.keys() | staged.keys())

    async def _reset(self, index: str) -> None:
        """Let the index have a tree, and keep what it knows of unchanged files."""
        empty = await self._git.text("hash-object", "-t", "tree", "--stdin")
        await self._git.output("read-tree", "-m", index or empty, options=self._options)

    async def _differences(self, old: str, new: str) -> dict[str, tuple[str, str]]:
        """Return mode and id in the new tree of all paths that differ and are safe."""
        git = self._git
        empty = await git.text("hash-object", "-w", "-t", "tree", "--stdin")
        if old == "HEAD" and await git.head() is None:
            old = ""
        found = dict[str, tuple[str, str]]()
        meta: list[str] = []
        options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
        async for record in git.records("diff-tree", *options, old or empty, new or empty):
            if not meta:
                meta = record.decode().split(" ")
                continue
            path = os.fsdecode(record)
            if is_safe(path):
                found[path] = meta[1], meta[3]
            meta = []
        return found

    def _delete(self, paths: Iterable[str]) -> None:
        folder = self._git.location.folder
        for path in paths:
            target = folder / path
            if not target.parent.resolve().is_relative_to(folder.resolve()):
                continue
            if target.is_dir() and not target.is_symlink():  # of a submodule
                _remove_empty(target, folder)
            else:
                target.unlink(missing_ok=True)
                _remove_empty(target.parent, folder)

    async def _write(self, files: dict[str, tuple[str, str]]) -> None:
        folder = self._git.location.folder
        async with self._git.running("cat-file", "--batch") as reading:
            for path, (mode, oid) in sorted(files.items()):
                data = await read_blob(reading, oid)
                await asyncio.to_thread(_place, folder, path, mode, data)
            reading.stdin.close()
            await reading.succeed()

    async def _index(self, trees: dict[str, str], intent: list[str]) -> None:
        git, options = self._git, self._options
        lines = list[bytes]()
        removed = set[str]()
        stages = await self._stages(trees.get("stages", ""))
        for number, path, mode, oid in stages:
            raw = os.fsencode(path)
            if path not in removed:
                removed.add(path)
                lines.append(b"0 %s\t%s\0" % (b"0" * len(oid), raw))
            lines.append(b"%s %s %d\t%s\0" % (mode.encode(), oid.encode(), number, raw))
        if lines:
            await git.output("update-index", "-z", "--index-info", stdin=b"".join(lines))
        for path in await asyncio.to_thread(self._there, intent):  # it may be ignored
            await git.output("add", "--intent-to-add", "--force", "--", path, options=options)
        with contextlib.suppress(GitError):  # some differ, which is the point
            await git.output("update-index", "-q", "--refresh", options=options)

    def _there(self, paths: Iterable[str]) -> list[str]:
        folder = self._git.location.folder
        return [path for path in paths if os.path.lexists(folder / path)]

    async def _stages(self, tree: str) -> list[tuple[int, str, str, str]]:
        if not tree:
            return []
        found = list[tuple[int, str, str, str]]()
        async for record in self._git.records("ls-tree", "-r", "-z", "--full-tree", tree):
            meta, _, raw = record.partition(b"\t")
            mode, _kind, oid = meta.decode().split()
            number, _, path = os.fsdecode(raw).partition("/")
            if is_safe(path):
                found.append((int(number), path, mode, oid))
        return sorted(found, key=lambda each: (each[1], each[0]))

    async def _operation(self) -> None:
        """Write the files of a rebase or merge into the git folder."""
        listing = self._git.records(
            "ls-tree", "-r", "-z", "--full-tree", f"{self._commit}", "operation"
        )
        for record in [record async for record in listing]:
            meta, _, raw = record.partition(b"\t")
            name = os.fsdecode(raw).removeprefix("operation/")
            if is_safe(name):
                data = await self._git.output("cat-file", "blob", meta.decode().split()[2])
                target = self._git.location.git_dir / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


def _place(folder: Path, path: str, mode: str, data: bytes) -> None:
    target = make_room(folder, path)
    if target.is_symlink() or target.exists():
        target.unlink()
    if mode == "120000":
        target.symlink_to(os.fsdecode(data))
        return
    target.write_bytes(data)
    target.chmod(0o755 if mode == "100755" else 0o644)


def _remove_empty(folder: Path, top: Path) -> None:
    place = folder
    while place != top and place.is_dir() and not any(place.iterdir()):
        place.rmdir()
        place = place.parent
