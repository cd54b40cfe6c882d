"""The form in the workspace: segments, each a ``.tgz`` of blocks of files with a manifest.

A *set* belongs to one life of one home: segments ``SET-000000.tgz``, ``SET-000001.tgz`` and so on,
read in this order.  Each member is a block of a file, with its offset in the header
``DBX.offset``.  The manifest, the first member, lists all files of the set with their sizes: what
is not listed is gone, and what is longer is cut off.  A set is read up to its last segment that is
*complete*; so a kill in the middle of several uploads leaves what was complete before.
"""

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from ...errors import ContinuityError, NewerVersionError

SCHEMA = 1
# The workspace exports 10 MB.
MOST_SEGMENT_BYTES = 8 * 1024 * 1024
# In the year 2286; file systems end later.
_END_OF_TIME = 1e10
_MANIFEST = "manifest.json"
_OFFSET = "DBX.offset"
NAME = re.compile(r"(\d{8}T\d{6}Z-[0-9a-f]{8})-(\d{6})\.tgz")


_ODD = (OSError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True)
class TerminalRecord:
    """A terminal that was open: where, and which conversation of which agent it showed.

    ``title`` is what the owner called it, '' if they did not.
    """

    name: str
    folder: str
    agent: str = ""
    conversation: str = ""
    title: str = ""


@dataclass(frozen=True)
class Manifest:
    """What a set has as of one segment.

    ``files`` has size and time of change of each file.  ``replaces`` are sets that this one has all
    of, when it is complete.  ``origin`` is the app.  ``dotfiles`` are those of the files that the
    owner named in the panel, ``executables`` those that are programs.
    """

    set: str
    origin: str
    made_at: str
    is_complete: bool
    replaces: tuple[str, ...] = ()
    files: dict[str, tuple[int, float]] = field(default_factory=dict)
    terminals: tuple[TerminalRecord, ...] = ()
    dotfiles: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the member's content."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the manifest in a member.

        Raises NewerVersionError, and a ValueError, TypeError or KeyError for an odd one.
        """
        model: dict[str, Any] = json.loads(data)
        if int(model["schema"]) > SCHEMA:
            raise NewerVersionError(
                "What is kept was written by a newer version.", "Update the app."
            )
        known = {each.name for each in fields(cls)}
        model = {key: value for key, value in model.items() if key in known}
        names = {each.name for each in fields(TerminalRecord)}
        terminals = [
            {key: str(value) for key, value in each.items() if key in names}
            for each in model["terminals"]
        ]
        return cls(
            **{
                **model,
                "replaces": tuple(map(str, model["replaces"])),
                "files": {path: _size_and_time(*each) for path, each in model["files"].items()},
                "terminals": tuple(TerminalRecord(**each) for each in terminals),
                "dotfiles": tuple(map(str, model.get("dotfiles", ()))),
                "executables": tuple(map(str, model.get("executables", ()))),
            }
        )


def _size_and_time(size: Any, at: Any) -> tuple[int, float]:
    if not (size >= 0 and 0 <= at < _END_OF_TIME):
        raise ValueError(f"{size} {at}")
    return int(size), float(at)


@dataclass(frozen=True)
class Piece:
    """Bytes of a file at an offset."""

    path: str
    offset: int
    data: bytes


def build(manifest: Manifest, pieces: Iterable[Piece]) -> bytes:
    """Return a segment."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as tar:
        _add(tar, _MANIFEST, manifest.to_bytes(), {})
        for piece in pieces:
            _add(tar, f"home/{piece.path}", piece.data, {_OFFSET: str(piece.offset)})
    return stream.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, headers: dict[str, str]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.pax_headers = len(data), 0o600, headers
    tar.addfile(member, io.BytesIO(data))


def parse(data: bytes) -> tuple[Manifest, list[Piece]]:
    """Return what a segment has.  Raises ContinuityError, and NewerVersionError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
            pieces, manifest = list[Piece](), None
            for member in tar:
                stream = tar.extractfile(member)
                content = stream.read() if stream is not None else b""
                if member.name == _MANIFEST:
                    manifest = Manifest.from_bytes(content)
                elif member.name.startswith("home/"):
                    offset = int(member.pax_headers.get(_OFFSET, 0))
                    pieces.append(Piece(member.name.removeprefix("home/"), offset, content))
    except (tarfile.TarError, EOFError, zlib.error, *_ODD) as error:
        raise ContinuityError(
            f"A part of what is kept is damaged ({type(error).__name__}).",
            "What was complete before it comes back.",
        ) from error
    if manifest is None:
        raise ContinuityError("A part of what is kept has no manifest.", "It is left out.")
    return manifest, pieces


def split(pieces: Iterable[Piece], most_bytes: int = MOST_SEGMENT_BYTES) -> list[list[Piece]]:
    """Return pieces in groups that fit into a segment each, at least one."""
    groups, size = [list[Piece]()], 0
    for piece in pieces:
        if groups[-1] and size + len(piece.data) > most_bytes:
            groups.append([])
            size = 0
        groups[-1].append(piece)
        size += len(piece.data)
    return groups
