"""Puts files of a kept home into this one, and never over a file that exists."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...agents.conversations import Form, Kept
from ...git_sync.local.checkout import make_room
from ...git_sync.local.objects import is_safe
from .contents import is_unused
from .segments import Manifest, Piece
from .selection import Wanted, select

MOST_NAMED = 10
_MODE, _PROGRAM_MODE = 0o600, 0o700


@dataclass
class Counts:
    """What became of the files of all sets.

    ``problems`` may pass, ``damages`` of sets do not.  ``here`` are files that are others here, by
    the set that has the former ones; ``broken`` are not whole in a set, but may be in another.
    """

    back: int = 0
    here: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    damages: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)

    @property
    def damaged(self) -> set[str]:
        """The sets of which something could not be read."""
        return {*self.damages, *(self.broken[path] for path in self._not_whole)}

    @property
    def _not_whole(self) -> list[str]:
        return [path for path in self.broken if path not in self.whole]

    @property
    def text(self) -> str:
        parts = [f"{self.back} file{' is' if self.back == 1 else 's are'} back."]
        if here := [*dict.fromkeys(path for paths in self.here.values() for path in paths)]:
            more = len(here) - MOST_NAMED
            names = ", ".join(here[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"Left as they are here: {names}. What was kept of them stays kept.")
        broken = [f"{path} is not whole." for path in self._not_whole]
        damages = [*self.damages.values(), *broken]
        return " ".join([*parts, *dict.fromkeys([*self.problems, *damages])])


def write_pieces(folder: Path, pieces: Iterable[Piece]) -> None:
    """Write pieces below a folder of ours: what is in their way was there before them."""
    for piece in pieces:
        if not is_safe(piece.path):
            continue
        target = folder / piece.path
        if not target.is_file():
            make_room(folder, piece.path)
        with target.open("r+b" if target.exists() else "wb") as file:
            file.seek(piece.offset)
            file.write(piece.data)


def cut(folder: Path, manifest: Manifest) -> None:
    """Cut or delete what is in a folder of ours as a manifest says."""
    for target in [path for path in folder.rglob("*") if path.is_file()]:
        listed = manifest.files.get(target.relative_to(folder).as_posix())
        if listed is None:
            target.unlink()
        elif target.stat().st_size > listed[0]:
            os.truncate(target, listed[0])
    for path, (size, _at) in manifest.files.items():
        if size == 0 and is_safe(path) and not (folder / path).is_file():
            make_room(folder, path).touch()


def place_all(
    folder: Path,
    home: Path,
    manifest: Manifest,
    kept: Sequence[Kept],
    *,
    paths: Collection[str],
    counts: Counts,
) -> None:
    """Move those of some files that an allow-list names into the home, each unless there is one."""
    allowed = select(folder, kept).files
    for path in sorted(allowed.keys() & paths):
        wanted = allowed[path]
        size, modified_at = manifest.files.get(path, (-1, 0.0))
        if wanted.size_bytes != size:
            counts.broken[path] = manifest.set
            continue
        source = folder / path
        source.chmod(_PROGRAM_MODE if path in manifest.executables else _MODE)
        os.utime(source, (modified_at, modified_at))
        try:
            if not _place(source, home / path, wanted, counts):
                counts.here.setdefault(manifest.set, []).append(path)
        except OSError as error:
            counts.problems.append(f"{path}: {error.strerror}.")
        else:
            counts.whole.add(path)


def _place(source: Path, target: Path, wanted: Wanted, counts: Counts) -> bool:
    """Move a file into the home; return False if there is another one."""
    if os.path.lexists(target):
        if wanted.kept.is_history and not target.is_symlink():
            counts.back += _prepend(source, target)
            return True
        if not _is_free(target, wanted.kept):
            return _has_it(source, target, wanted.kept)
        for ending in ("-wal", "-shm"):
            target.with_name(target.name + ending).unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.replace(target)
    counts.back += 1
    return True


def _is_free(target: Path, kept: Kept) -> bool:
    """Whether a database may be replaced: nobody has used it yet, nor has it open."""
    return kept.form is Form.DATABASE and is_unused(target, kept) and not _is_open(target)


def _is_open(path: Path) -> bool:
    """Whether another process has a file open."""
    ours, status = Path(f"/proc/{os.getpid()}"), path.stat()
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            there = each.stat()
            is_it = (there.st_dev, there.st_ino) == (status.st_dev, status.st_ino)
            if is_it and not each.is_relative_to(ours):
                return True
    return False


def _prepend(source: Path, target: Path) -> bool:
    """Put former lines before those of a file; return whether they were not there yet."""
    former, now = source.read_bytes(), target.read_bytes()
    if b"\n" + former in b"\n" + now:
        return False
    scratch = target.with_name(f".{target.name}.coming-back")
    scratch.write_bytes(former + now)
    shutil.copymode(target, scratch)
    scratch.replace(target)
    return True


def _has_it(source: Path, target: Path, kept: Kept) -> bool:
    """Whether a file has all of a former one: it is the same, or a log that has grown since."""
    with contextlib.suppress(OSError):
        former, now = source.read_bytes(), target.read_bytes()
        return now.startswith(former) if kept.form is Form.LOG else now == former
    return False
