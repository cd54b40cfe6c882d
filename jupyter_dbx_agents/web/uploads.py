"""Files from the browser: each under a safe name of its own, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ..errors import DbxAgentsError, RequestError

# What agents take: Claude Code's images and PDFs have up to 32 MB.
MOST_UPLOAD_BYTES = 32 * 1024 * 1024
# File systems allow 255 bytes; a number and the name of an unfinished file need some.
MOST_NAME_BYTES = 180
MOST_SAME_NAMES = 1000
_UNFINISHED = ".unfinished"


class UploadError(DbxAgentsError):
    """An upload cannot be kept."""

    http_status = 507


def safe_name(name: str) -> str:
    """Return a name close to the given one that no shell, agent or file system takes apart."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem, dot, suffix = re.sub(r"[^\w.+-]+", "_", base).strip("._-").rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    suffix = suffix[:16]
    room = MOST_NAME_BYTES - len(suffix.encode())
    stem = stem.encode()[:room].decode(errors="ignore").strip("._-") or "upload"
    return f"{stem}.{suffix}" if suffix else stem


class Upload:
    """One file on its way; leaving the context without ``finish`` leaves nothing behind."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, safe_name(name)
        self._file: BinaryIO | None = None
        self._bytes = 0

    def __enter__(self) -> Self:
        """Open the unfinished file.  Raises UploadError when the folder cannot be written to."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = self._folder / f"{_UNFINISHED}-{os.urandom(8).hex()}"
            self._file = os.fdopen(
                os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            )
        except OSError as error:
            raise self._unwritable(error) from error
        self._unfinished = unfinished
        return self

    def write(self, chunk: bytes) -> None:
        """Add a piece.  Raises RequestError when it is too much, UploadError when it cannot be."""
        assert self._file is not None  # noqa: S101 the context is open
        self._bytes += len(chunk)
        if self._bytes > MOST_UPLOAD_BYTES:
            raise too_large(self._bytes)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> Path:
        """Give the file its name, or a numbered one where that is taken; return its path."""
        assert self._file is not None  # noqa: S101 the context is open
        try:
            self._file.close()
            return self._named()
        except OSError as error:
            raise self._unwritable(error) from error

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Remove what is unfinished."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._unfinished.unlink(missing_ok=True)

    def _named(self) -> Path:
        stem, dot, suffix = (
            self._name.rpartition(".") if "." in self._name else (self._name, "", "")
        )
        for number in range(MOST_SAME_NAMES):
            extra = f"-{number}" if number else ""
            path = self._folder / f"{stem}{extra}{dot}{suffix}"
            with contextlib.suppress(FileExistsError):
                os.link(self._unfinished, path)  # unlike a rename, it replaces nothing
                return path
        raise UploadError(
            f"There are {MOST_SAME_NAMES} files named like {self._name} in {self._folder}.",
            "Remove some.",
        )

    def _unwritable(self, error: OSError) -> UploadError:
        return UploadError(
            f"{self._folder} cannot be written to: {error.strerror}.",
            "Is the disk full? Remove something and try again.",
        )


def too_large(size: int) -> RequestError:
    """Return the error for an upload of so many bytes."""
    return RequestError(
        f"The file has over {size / 1e6:.1f} MB; at most {MOST_UPLOAD_BYTES / 1e6:.1f} are taken.",
        "Upload it in the file browser, which has no such limit.",
        status=413,
    )
