"""Continue where you were: the home's files, the projects, and a terminal for each that was open.

Files come back by the same allow-list by which they were kept, whatever the segments contain, and
never over a file that exists: lists of lines get theirs in front, and a database that nobody has
used yet is replaced.  The home comes back beside the projects; a terminal waits for both.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from tornado.web import HTTPError

from ...agents.conversations import Form, Kept
from ...errors import ContinuityError, DbxAgentsError, RequestError
from ...git_sync import GitSync
from ...git_sync.local.objects import is_safe
from .contents import is_unused
from .keeper import HomeKeeper
from .segments import Manifest, Piece, TerminalRecord, parse
from .selection import Wanted, select
from .store import KeptSet, Store
from .terminals import OpenTerminals

_MOST_NAMED = 10
_MODE = 0o600


class Step(TypedDict):
    """A part of the way back; ``message`` says what came, or why it did not."""

    kind: Literal["home", "project", "terminal"]
    name: str
    state: Literal["waiting", "done", "failed"]
    message: str


class Offer(TypedDict):
    """What is kept: projects that are not here (newest first), terminals, files of the home.

    ``at`` is of when, ``bytes`` is the size of the home's part.
    """

    projects: list[str]
    terminals: list[str]
    files: int
    bytes: int
    at: str
    message: str


def offer_text(offer: Offer) -> str:
    """Return what an offer has and how it comes back, in words; '' if it has nothing."""
    projects, files = offer["projects"], offer["files"]
    if not projects and not files:
        return ""
    parts = [f"projects {_listed(projects)}"] if projects else []
    if offer["terminals"]:
        parts.append(f"terminals {_listed(offer['terminals'])}")
    if files:
        count = f"{files} file{'s' if files > 1 else ''} of conversations and history"
        at = offer["at"][:16].replace("T", " ")
        parts.append(f"{count}, {at} UTC ({offer['bytes'] / 1e6:.1f} MB)")
    what = "; ".join(parts)
    return f"Kept of an earlier start: {what}. Bring it back: jupyter dbx-agents restore --all"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


@dataclass
class KeptHome:
    """What the sets of former homes have together: sizes and times by path, and terminals."""

    sets: list[KeptSet] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    message: str = ""

    @property
    def terminals(self) -> tuple[TerminalRecord, ...]:
        """Those of the last home that had any."""
        return next((m.terminals for m in reversed(self.manifests) if m.terminals), ())


class ComingBack:
    """Brings back what is kept of this app; ``changed`` is called when ``steps`` have changed."""

    def __init__(
        self,
        home: Path,
        *,
        origin: str,
        git_sync: GitSync,
        keeper: HomeKeeper,
        terminals: OpenTerminals,
        kept: Callable[[], Sequence[Kept]],
        changed: Callable[[], None],
    ) -> None:
        self._home, self._origin = home, origin
        self._git_sync, self._keeper, self._terminals = git_sync, keeper, terminals
        self._kept, self._changed = kept, changed
        self._turn = asyncio.Lock()
        self.steps: list[Step] = []

    async def offer(self) -> Offer:
        """Return what could come back.  Raises GitSyncError without a token, WorkspaceError."""
        projects = await self._projects()
        home = await self._newest(self._store())
        times = [each.modified_ms for each in home.sets]
        at = datetime.fromtimestamp(max(times) / 1000, UTC) if times else None
        return {
            "projects": projects,
            "terminals": [_title(each) for each in home.terminals],
            "files": len({path for each in home.manifests for path in each.files}),
            "bytes": sum(each.size_bytes for each in home.sets),
            "at": at.isoformat(timespec="seconds") if at else "",
            "message": home.message,
        }

    async def run(self) -> list[Step]:
        """Bring all of it back; a failure of one part stops no other, and is in its step.

        Raises RequestError while another run is under way, GitSyncError without a token.
        """
        if self._turn.locked():
            raise RequestError(
                "It is coming back already.", "The panel and the status show how far it is."
            )
        async with self._turn:
            store, projects = self._store(), await self._projects()
            self.steps = [_step("home", "conversations and history")]
            self.steps += [_step("project", name) for name in projects]
            self._changed()
            home = asyncio.create_task(self._bring_home(store))
            waiting: list[TerminalRecord] | None = None
            try:
                for name in [*projects, ""]:
                    if name:
                        await self._bring_project(name)
                    if waiting is None and (home.done() or not name):
                        waiting = [*await home]
                        self.steps += [_step("terminal", _title(each)) for each in waiting]
                    waiting = await self._open_ready(waiting)
            finally:
                home.cancel()
            return self.steps

    async def _open_ready(
        self, waiting: list[TerminalRecord] | None
    ) -> list[TerminalRecord] | None:
        """Open the terminals whose project is there, or will not come; return the others."""
        left = []
        for record in waiting or ():
            step = next((s for s in self.steps if s["name"] == self._project_of(record)), None)
            if step is not None and step["state"] == "waiting":
                left.append(record)
            else:
                await self._open(record)
        return waiting and left

    def _store(self) -> Store:
        remote = self._git_sync.remote()
        if remote is None:
            raise RequestError(
                "There is no token to restore with.", "Sign in or paste one, then run it again."
            )
        return Store(*remote)

    async def _projects(self) -> list[str]:
        found = [each for each in await self._git_sync.restorable() if not each.note]
        return [each.name for each in sorted(found, key=lambda each: each.at, reverse=True)]

    async def _bring_project(self, name: str) -> None:
        try:
            [restored] = await self._git_sync.restore(name)
        except (DbxAgentsError, OSError) as error:
            self._end("project", name, error)
            return
        kind = "with its history" if restored.has_history else "without its history"
        missing = f" Missing: {', '.join(restored.missing)}." if restored.missing else ""
        self._end("project", name, text=f"Restored {kind}. {restored.work}{missing}".strip())

    async def _open(self, record: TerminalRecord) -> None:
        title = _title(record)
        if not await asyncio.to_thread(Path(record.folder).is_dir):
            text = f"{record.folder} did not come back."
            self._end("terminal", title, text=text, is_failed=True)
            return
        try:
            name = await self._terminals.open(record)
        except (HTTPError, OSError) as error:
            self._end("terminal", title, error)
        else:
            self._end("terminal", title, text=f"It is terminal {name}.")

    def _project_of(self, record: TerminalRecord) -> str:
        """Return the project in whose folder a terminal was, '' for none."""
        names = [s["name"] for s in self.steps if s["kind"] == "project"]
        folder = Path(record.folder)
        places = {self._git_sync.projects_folder / name: name for name in names}
        inside = [place for place in places if folder.is_relative_to(place)]
        return places[max(inside, key=lambda each: len(each.parts))] if inside else ""

    def _end(
        self,
        kind: str,
        name: str,
        error: Exception | None = None,
        *,
        text: str = "",
        is_failed: bool = False,
    ) -> None:
        if isinstance(error, DbxAgentsError):
            text = f"{error.message} {error.hint}".strip()
        elif error is not None:
            text = str(error)
        for step in self.steps:
            if (step["kind"], step["name"], step["state"]) == (kind, name, "waiting"):
                step["state"] = "failed" if error or is_failed else "done"
                step["message"] = text
                break
        self._changed()

    # ---- the home's files

    async def _newest(self, store: Store) -> KeptHome:
        """Return the sets of this app's former homes, with the newest manifest of each."""
        home = KeptHome()
        for each in await store.sets():
            is_former = each.id not in (*self._keeper.former, self._keeper.set_id)
            if is_former and each.is_of(self._origin):
                try:
                    data = await store.read(each.id, each.serials[-1])
                    manifest, _pieces = await asyncio.to_thread(parse, data or b"")
                except ContinuityError as error:
                    home.message = f"{error.message} {error.hint}"
                    continue
                home.sets.append(each)
                home.manifests.append(manifest)
        replaced = {name for m in home.manifests if m.is_complete for name in m.replaces}
        keeps = [each.id not in replaced for each in home.sets]
        home.sets = [each for each, is_kept in zip(home.sets, keeps, strict=True) if is_kept]
        home.manifests = [m for m in home.manifests if m.set not in replaced]
        return home

    async def _bring_home(self, store: Store) -> tuple[TerminalRecord, ...]:
        """Bring the home's files back; return the terminals that were open."""
        name = self.steps[0]["name"]
        try:
            home = await self._newest(store)
            counts = _Counts()
            for each in reversed(home.sets):  # the newest first: what is there then stays
                await self._bring_set(store, each, counts)
            self._keeper.adopt(each.id for each in home.sets)
        except (DbxAgentsError, OSError) as error:
            self._end("home", name, error)
            return ()
        text = counts.text if home.sets else "Nothing of a former start is kept."
        self._end("home", name, text=f"{text} {home.message}".strip())
        return home.terminals

    async def _bring_set(self, store: Store, kept: KeptSet, counts: "_Counts") -> None:
        with tempfile.TemporaryDirectory(prefix=".dbx-coming-back-", dir=self._home) as scratch:
            folder = Path(scratch)
            manifest: Manifest | None = None
            waiting: list[Piece] = []
            for serial in kept.serials:
                try:
                    data = await store.read(kept.id, serial)
                    newer, pieces = await asyncio.to_thread(parse, data or b"")
                except ContinuityError as error:
                    counts.problems.append(error.message)
                    break
                waiting += pieces
                if newer.is_complete or manifest is None:
                    await asyncio.to_thread(_assemble, folder, newer, waiting)
                    manifest, waiting = newer, []
            if manifest is not None:
                place = (folder, self._home, manifest, self._kept(), counts)
                await asyncio.to_thread(_place_all, *place)


@dataclass
class _Counts:
    """What became of the files."""

    back: int = 0
    here: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        parts = [f"{self.back} files are back."]
        if self.here:
            more = len(self.here) - _MOST_NAMED
            names = ", ".join(self.here[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"Left as they are here: {names}.")
        return " ".join([*parts, *dict.fromkeys(self.problems)])


def _assemble(folder: Path, manifest: Manifest, pieces: Sequence[Piece]) -> None:
    """Write pieces below a folder, and cut or delete what is there as the manifest says."""
    for piece in pieces:
        if not is_safe(piece.path):
            continue
        target = folder / piece.path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("r+b" if target.exists() else "wb") as file:
            file.seek(piece.offset)
            file.write(piece.data)
    for target in [path for path in folder.rglob("*") if path.is_file()]:
        listed = manifest.files.get(target.relative_to(folder).as_posix())
        if listed is None:
            target.unlink()
        elif target.stat().st_size > listed[0]:
            os.truncate(target, listed[0])
    for path, (size, _at) in manifest.files.items():
        if size == 0 and is_safe(path):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()


def _place_all(
    folder: Path, home: Path, manifest: Manifest, kept: Sequence[Kept], counts: _Counts
) -> None:
    for path, wanted in sorted(select(folder, kept).files.items()):
        size, modified_at = manifest.files.get(path, (-1, 0.0))
        if wanted.size_bytes != size:
            counts.problems.append(f"{path} is not whole.")
            continue
        try:
            _place(folder / path, home / path, wanted, modified_at, counts)
        except OSError as error:
            counts.problems.append(f"{path}: {error.strerror}.")


def _place(source: Path, target: Path, wanted: Wanted, modified_at: float, counts: _Counts) -> None:
    """Move a file into the home, unless there is one."""
    if os.path.lexists(target):
        if wanted.kept.is_history and not target.is_symlink():
            counts.back += _prepend(source, target)
            return
        if wanted.kept.form is not Form.DATABASE or not is_unused(target, wanted.kept):
            if not _is_same(source, target):
                counts.here.append(wanted.path)
            return
        for ending in ("-wal", "-shm"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.chmod(_MODE)
    os.utime(source, (modified_at, modified_at))
    source.replace(target)
    counts.back += 1


def _prepend(source: Path, target: Path) -> bool:
    """Put former lines before those of a file; return whether they were not there yet."""
    former, now = source.read_bytes(), target.read_bytes()
    if now.startswith(former):
        return False
    scratch = target.with_name(f".{target.name}.coming-back")
    scratch.write_bytes(former + now)
    shutil.copymode(target, scratch)
    scratch.replace(target)
    return True


def _is_same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.read_bytes() == other.read_bytes()
    return False


def _title(record: TerminalRecord) -> str:
    what = f" ({record.agent})" if record.agent else ""
    return f"{record.title or record.name}{what}"


def _step(kind: Literal["home", "project", "terminal"], name: str) -> Step:
    return {"kind": kind, "name": name, "state": "waiting", "message": ""}
