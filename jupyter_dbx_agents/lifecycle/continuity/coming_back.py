"""Continue where you were: the home's files, the projects, and a terminal for each that was open.

Files come back by the allow-list by which they were kept and the names that the owner gave, each
checked again, whatever else the segments contain.  None goes over a file that exists: lists of
lines get theirs in front, and a database that nobody has used yet is replaced.  The home comes back
beside the projects; a terminal waits for both.
"""

import asyncio
import functools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypedDict

from tornado.web import HTTPError

from ...background import AnyLogger
from ...errors import ContinuityError, DbxAgentsError, NewerVersionError, RequestError
from ...git_sync import GitSync, Restorable
from ...git_sync.states import explained
from .choice import CameBack, Choice, Dotfiles, wants
from .keeper import HomeKeeper
from .placing import MOST_NAMED, Counts, cut, place_all, write_pieces
from .segments import Manifest, Piece, TerminalRecord, parse
from .selection import SETTINGS, HomePart, dotfile_problem
from .store import KeptSet, Store
from .terminals import OpenTerminals

_HOME = "conversations and history"
_ALL = Choice()
_AGAIN = "It stays kept: continue again to retry."


class Step(TypedDict):
    """A part of the way back; ``message`` says what came, or why it did not."""

    kind: Literal["home", "project", "terminal"]
    name: str
    state: Literal["waiting", "done", "failed"]
    message: str


class Part(TypedDict):
    """Files of the home that come back together; ``bytes`` is their size there."""

    name: str
    title: str
    files: int
    bytes: int


class Offer(TypedDict):
    """What is kept: projects that are not here (newest first), terminals, files of the home.

    ``files`` are those of all ``parts``.  ``at`` is of when, ``bytes`` is the size of all that is
    kept of the home.
    """

    projects: list[str]
    terminals: list[str]
    parts: list[Part]
    files: int
    bytes: int
    at: str
    message: str


def offer_text(offer: Offer) -> str:
    """Return what an offer has and how it comes back, in words; '' if it has nothing."""
    projects, files = offer["projects"], offer["files"]
    if not (projects or files or offer["terminals"]):
        return ""
    parts = [f"projects {_listed(projects)}"] if projects else []
    if offer["terminals"]:
        parts.append(f"terminals {_listed(offer['terminals'])}")
    if files:
        count = f"{files} file{'s' if files > 1 else ''} of conversations and history"
        at = offer["at"][:16].replace("T", " ")
        parts.append(f"{count}, {at} UTC ({offer['bytes'] / 1e6:.1f} MB)")
    what = "; ".join(parts)
    return f"Kept from an earlier start: {what}. Bring it back: jupyter dbx-agents restore --all"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


@dataclass
class KeptHome:
    """The sets of former homes with their newest manifests, the oldest first."""

    came_back: CameBack
    sets: list[KeptSet] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    message: str = ""

    def files(self, part: HomePart) -> dict[str, int]:
        """Return the files of a part that have not come back yet, with their sizes."""
        return {
            path: manifest.files[path][0]
            for manifest in self.manifests
            for path in self.files_of(manifest, part)
        }

    def files_of(self, manifest: Manifest, part: HomePart) -> list[str]:
        """Return the files of a part that have not come back yet from one set."""
        noted = self.came_back.of(manifest.set)
        is_back = part.name in noted  # but for files that are others here
        return [
            path
            for path in manifest.files
            if part.has(path) and not (is_back and _left(path) not in noted)
        ]

    @property
    def dotfiles(self) -> tuple[str, ...]:
        """The files that the owner named then, without what may not be kept."""
        names = dict.fromkeys(name for each in self.manifests for name in each.dotfiles)
        return tuple(name for name in names if not dotfile_problem(name))

    @property
    def terminals(self) -> tuple[TerminalRecord, ...]:
        """Those of the last home that had any, without those that have come back."""
        last = self._last
        if last is None:
            return ()
        here = self.came_back.of(last.set)
        return tuple(each for each in last.terminals if _key(each) not in here)

    @property
    def _last(self) -> Manifest | None:
        return next((m for m in reversed(self.manifests) if m.terminals), None)

    def note_parts(self, parts: Sequence[HomePart], left: Mapping[str, Iterable[str]]) -> None:
        """Remember which parts have come back, but for what is ``left`` of each set."""
        for manifest in self.manifests:
            names = {part.name for part in parts} | {*map(_left, left.get(manifest.set, ()))}
            paths = [path for path in manifest.files if any(part.has(path) for part in parts)]
            self.came_back.add(manifest.set, names, map(_left, paths))

    def over(self, parts: Sequence[HomePart]) -> list[str]:
        """Return the sets of which all is back, with those that they have replaced."""
        found = list[str]()
        for kept, manifest in zip(self.sets, self.manifests, strict=True):
            if self._is_over(kept, manifest, parts):
                found += (kept.id, *(manifest.replaces if manifest.is_complete else ()))
        return found

    def _is_over(self, kept: KeptSet, manifest: Manifest, parts: Sequence[HomePart]) -> bool:
        """Whether all of a set is back; what is damaged stays, for another version."""
        is_last = self._last is not None and self._last.set == kept.id
        if (is_last and self.terminals) or kept.id in self.damaged:
            return False
        return not any(self.files_of(manifest, part) for part in parts)

    def note_terminals(self, records: Sequence[TerminalRecord]) -> None:
        """Remember which terminals have come back, or cannot."""
        if self._last is not None:
            self.came_back.add(self._last.set, map(_key, records))


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
        parts: Callable[[Iterable[str]], Sequence[HomePart]],
        dotfiles: Dotfiles,
        came_back: CameBack,
        changed: Callable[[], None],
        log: AnyLogger,
    ) -> None:
        self._home, self._origin, self._log = home, origin, log
        self._git_sync, self._keeper, self._terminals = git_sync, keeper, terminals
        self._parts, self._came_back, self._changed = parts, came_back, changed
        self._dotfiles = dotfiles
        self._turn = asyncio.Lock()
        self._restorable: list[str] = []
        self._over: list[TerminalRecord] = []
        self.steps: list[Step] = []

    async def offer(self) -> Offer:
        """Return what could come back.  Raises GitSyncError without a token, WorkspaceError."""
        projects = [each.name for each in await self._projects() if self._is_ours(each)]
        home = await self._newest(self._store())
        parts = self._left(home)
        sets = home.sets if parts else []
        times = [each.modified_ms for each in sets]
        at = datetime.fromtimestamp(max(times) / 1000, UTC) if times else None
        return {
            "projects": projects,
            "terminals": [_title(each) for each in home.terminals],
            "parts": parts,
            "files": sum(part["files"] for part in parts),
            "bytes": sum(each.size_bytes for each in sets),
            "at": at.isoformat(timespec="seconds") if at else "",
            "message": home.message,
        }

    def _left(self, home: KeptHome) -> list[Part]:
        """Return the parts that have files which did not come back yet."""
        found = [(part, home.files(part)) for part in self._parts(home.dotfiles)]
        return [
            Part(name=part.name, title=part.title, files=len(files), bytes=sum(files.values()))
            for part, files in found
            if files
        ]

    async def run(self, choice: Choice = _ALL) -> list[Step]:
        """Bring back what is chosen; a failure of one part stops no other, and is in its step.

        Another app's projects come back only by name.  Raises RequestError while another run is
        under way or for what is not kept, GitSyncError without a token, and ContinuityError if it
        cannot be noted here.
        """
        if self._turn.locked():
            raise RequestError(
                "It is coming back already.", "The panel and the status show how far it is."
            )
        async with self._turn:
            store, found = self._store(), await self._projects()
            there = [each.name for each in found]
            if not choice.is_all:
                await self._check(choice, store, there)
            projects = [each.name for each in found if self._wants(choice, each)]
            has_home = choice.files != frozenset() or choice.terminals != frozenset()
            self.steps = [_step("home", _HOME)] if has_home else []
            self.steps += [_step("project", name) for name in projects]
            self._changed()
            self._restorable, self._over = there, []
            bringing = asyncio.create_task(self._bring_home(store, choice))
            waiting: list[TerminalRecord] | None = None
            try:
                for name in [*projects, ""]:
                    if name:
                        await self._bring_project(name)
                    if waiting is None and (bringing.done() or not name):
                        waiting = self._wanted_terminals(await bringing, choice)
                        self.steps += [_step("terminal", _title(each)) for each in waiting]
                    waiting = await self._open_ready(waiting)
                self._note(await bringing)
            finally:
                bringing.cancel()
            return self.steps

    def _is_ours(self, project: Restorable) -> bool:
        return project.origin in ("", self._origin)

    def _wants(self, choice: Choice, project: Restorable) -> bool:
        chosen = choice.projects
        return self._is_ours(project) if chosen is None else project.name in chosen

    def _note(self, home: KeptHome) -> None:
        """Remember the terminals that are over; replace the sets of which nothing is left."""
        home.note_terminals(self._over)
        parts = self._parts(home.dotfiles)
        if over := home.over(parts):
            self._keeper.adopt(over)
            self._came_back.forget(over)

    async def _check(self, choice: Choice, store: Store, projects: Sequence[str]) -> None:
        """Raise RequestError if something is chosen that is not kept."""
        home = await self._newest(store)
        names = [name for each in home.terminals for name in (each.name, _title(each))]
        choice.require_known(projects, [part["name"] for part in self._left(home)], names)

    def _wanted_terminals(self, home: KeptHome, choice: Choice) -> list[TerminalRecord]:
        chosen = choice.terminals
        return [each for each in home.terminals if wants(chosen, each.name, _title(each))]

    def _state_of(self, project: str) -> str:
        """Return the state of a project's step, "missing" if it is not chosen, '' for none."""
        states = {s["name"]: s["state"] for s in self.steps if s["kind"] == "project"}
        return states.get(project, "missing") if project else ""

    async def _open_ready(
        self, waiting: list[TerminalRecord] | None
    ) -> list[TerminalRecord] | None:
        """Open the terminals whose project is there, or will not come; return the others."""
        left = []
        for record in waiting or ():
            if self._state_of(self._project_of(record)) == "waiting":
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

    async def _projects(self) -> list[Restorable]:
        found = [each for each in await self._git_sync.restorable() if not each.note]
        return sorted(found, key=lambda each: each.at, reverse=True)

    async def _bring_project(self, name: str) -> None:
        try:
            [restored] = await self._git_sync.restore(name)
        except Exception as error:  # whatever is odd about one project: the others come back
            self._end("project", name, error)
            return
        kind = "with its history" if restored.has_history else "without its history"
        if not restored.commit:
            kind = "without a commit, as it was"
        missing = f" Missing: {', '.join(restored.missing)}." if restored.missing else ""
        self._end("project", name, text=f"Restored {kind}. {restored.work}{missing}".strip())

    async def _open(self, record: TerminalRecord) -> None:
        """Open a terminal.  One that cannot be opened now stays kept, to be tried again."""
        title = _title(record)
        if not await asyncio.to_thread(Path(record.folder).is_dir):
            self._end("terminal", title, text=self._without_folder(record), is_failed=True)
            return
        try:
            name = await self._terminals.open(record)
        except HTTPError as error:
            self._end("terminal", title, text=f"{error.log_message} {_AGAIN}", is_failed=True)
        except OSError as error:
            self._end("terminal", title, text=f"{error}. {_AGAIN}", is_failed=True)
        except Exception as error:  # the other terminals open
            self._end("terminal", title, error)
        else:
            self._over.append(record)
            self._end("terminal", title, text=f"It is terminal {name}.")

    def _without_folder(self, record: TerminalRecord) -> str:
        """Return why a terminal's folder is not there; without one that may come it is over."""
        project = self._project_of(record)
        match self._state_of(project):
            case "missing":
                return f"Its project {project} is not here: bring it back, too."
            case "" | "done":
                self._over.append(record)
        return f"{record.folder} did not come back."

    def _project_of(self, record: TerminalRecord) -> str:
        """Return which of the projects that were not here has a terminal's folder, '' for none."""
        names = self._restorable
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
        if isinstance(error, OSError):
            error = explained(error)
        if isinstance(error, DbxAgentsError):
            text = f"{error.message} {error.hint}".strip()
        elif isinstance(error, HTTPError):
            text = str(error)
        elif error is not None:
            text = f"It failed unexpectedly ({type(error).__name__}). The log has more."
            self._log.error("%s did not come back", name, exc_info=error)
        for step in self.steps:
            if (step["kind"], step["name"], step["state"]) == (kind, name, "waiting"):
                step["state"] = "failed" if error or is_failed else "done"
                step["message"] = text
                break
        self._changed()

    # ---- the home's files

    async def _newest(self, store: Store) -> KeptHome:
        """Return the sets of this app's former homes, with the newest manifest of each."""
        home = KeptHome(self._came_back)
        for each in await store.sets():
            is_former = each.id not in (*self._keeper.former, self._keeper.set_id)
            is_wanted = is_former and each.is_of(self._origin)
            if is_wanted and (manifest := await self._manifest(store, each, home)) is not None:
                home.sets.append(each)
                home.manifests.append(manifest)
        replaced = {name for m in home.manifests if m.is_complete for name in m.replaces}
        keeps = [each.id not in replaced for each in home.sets]
        home.sets = [each for each, is_kept in zip(home.sets, keeps, strict=True) if is_kept]
        home.manifests = [m for m in home.manifests if m.set not in replaced]
        return home

    async def _manifest(self, store: Store, kept: KeptSet, home: KeptHome) -> Manifest | None:
        """Return the newest manifest that can be read, None if there is none for this version."""
        for serial in reversed(kept.serials):
            data = await store.read(kept.id, serial)
            try:
                manifest, _pieces = await asyncio.to_thread(parse, data or b"")
            except ContinuityError as error:
                home.message = f"{error.message} {error.hint}"
                home.damaged.add(kept.id)
                if isinstance(error, NewerVersionError):
                    return None
            else:
                return replace(manifest, set=kept.id)
        return None

    async def _bring_home(self, store: Store, choice: Choice) -> KeptHome:
        """Bring the home's files back; return what is kept, with the terminals."""
        home = KeptHome(self._came_back)
        try:
            home = await self._newest(store)
            known = self._parts(home.dotfiles)
            parts = [p for p in known if wants(choice.files, p.name) and home.files(p)]
            counts = Counts()
            for each in reversed(home.sets) if parts else ():  # the newest first: it stays
                await self._bring_set(store, each, home, parts, counts)
            home.damaged |= counts.damaged
            if not counts.problems:  # else they are not all back, and stay kept
                home.note_parts(parts, counts.here)
            if any(part.name == SETTINGS for part in parts):
                self._dotfiles.add(home.dotfiles)  # they are kept from now on, too
        except Exception as error:  # the projects come back all the same
            self._end("home", _HOME, error)
            return KeptHome(self._came_back)
        text = counts.text if parts else "Nothing of a former start is kept."
        if choice.files == frozenset():
            text = "None of the files is chosen."
        self._end("home", _HOME, text=f"{text} {home.message}".strip())
        return home

    async def _bring_set(
        self,
        store: Store,
        kept: KeptSet,
        home: KeptHome,
        parts: Sequence[HomePart],
        counts: Counts,
    ) -> None:
        with tempfile.TemporaryDirectory(prefix=".dbx-coming-back-", dir=self._home) as scratch:
            folder = Path(scratch)
            manifest = await self._assemble(store, kept, folder, counts)
            if manifest is not None:
                manifest = replace(manifest, set=kept.id)
                allowed = [each for part in parts for each in part.kept]
                paths = {path for part in parts for path in home.files_of(manifest, part)}
                place = functools.partial(place_all, paths=paths, counts=counts)
                await asyncio.to_thread(place, folder, self._home, manifest, allowed)

    async def _assemble(
        self, store: Store, kept: KeptSet, folder: Path, counts: Counts
    ) -> Manifest | None:
        """Write what a set has up to its newest complete segment; return the manifest of that.

        Without a complete one what there is may have whole files.
        """
        complete: Manifest | None = None
        newest: Manifest | None = None
        waiting: list[Piece] = []
        for serial in kept.serials:
            data = await store.read(kept.id, serial)
            try:
                newer, pieces = await asyncio.to_thread(parse, data or b"")
            except ContinuityError as error:
                counts.damages[kept.id] = error.message
                break
            newest = newer
            waiting += pieces
            if newer.is_complete or complete is None:  # of which nothing must be spared
                await asyncio.to_thread(write_pieces, folder, waiting)
                complete, waiting = newer if newer.is_complete else None, []
        manifest = complete or newest
        if manifest is not None:
            await asyncio.to_thread(cut, folder, manifest)
        return manifest


def _left(path: str) -> str:
    """Return how a file is remembered that is another one here."""
    return f"file {path}"


def _key(record: TerminalRecord) -> str:
    """Return how a terminal is remembered, beside the names of parts."""
    return f"terminal {record.name}"


def _title(record: TerminalRecord) -> str:
    """Return what a terminal is called among those of its home: unlike a title, it is unique."""
    more = [record.name] if record.title else []
    more += [record.agent] if record.agent else []
    return f"{record.title or record.name} ({', '.join(more)})" if more else record.name


def _step(kind: Literal["home", "project", "terminal"], name: str) -> Step:
    return {"kind": kind, "name": name, "state": "waiting", "message": ""}
