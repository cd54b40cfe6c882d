"""Puts files of a kept home into this one, and never over a file that exists."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...agents.conversations import Form, Kept
from ...git_sync.local.objects import is_safe
from .contents import is_unused
from .segments import Manifest, Piece
from .selection import Wanted, select

MOST_NAMED = 10
_MODE = 0o600


@dataclass
class Counts:
    """What became of the files."""

    back: int = 0
    here: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        parts = [f"{self.back} files are back."]
        if self.here:
            more = len(self.here) - MOST_NAMED
            names = ", ".join(self.here[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            parts.append(f"Left as they are here: {names}.")
        return " ".join([*parts, *dict.fromkeys(self.problems)])


def assemble(folder: Path, manifest: Manifest, pieces: Sequence[Piece]) -> None:
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


def place_all(
    folder: Path, home: Path, manifest: Manifest, kept: Sequence[Kept], counts: Counts
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


def _place(source: Path, target: Path, wanted: Wanted, modified_at: float, counts: Counts) -> None:
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
