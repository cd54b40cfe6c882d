"""Files from the browser: each under a safe and unused name, complete or not at all."""

import asyncio
import contextlib
import errno
import json
import os
import re
import unicodedata
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Self

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from ..errors import DbxAgentsError, RequestError, UploadError

# What agents accept: Claude Code's images and PDFs have up to 32 MB.
MOST_UPLOAD_BYTES = 32 * 1024 * 1024
# File systems allow 255 bytes; a number is added where a name is taken.
MOST_NAME_BYTES = 180
MOST_SAME_NAMES = 1000
_UNFINISHED = ".unfinished"
# What file systems without hard links answer: FUSE, Windows' drives in WSL, some volumes.
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


def safe_name(name: str) -> str:
    """Return a name close to the given one that needs no quoting anywhere."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem, dot, suffix = re.sub(r"[^\w.+-]+", "_", base).strip("._-").rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    suffix = suffix[:16]
    room = MOST_NAME_BYTES - len(suffix.encode())
    stem = stem.encode()[:room].decode(errors="ignore").strip("._-") or "upload"
    return f"{stem}.{suffix}" if suffix else stem


class Upload:
    """One upload in progress; leaving the context without ``finish`` removes it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, safe_name(name)
        self._file: BinaryIO | None = None
        self._bytes = 0

    def __enter__(self) -> Self:
        """Open the unfinished file.  Raises UploadError when the folder cannot be written to."""
        try:
            _make(self._folder)
            unfinished = self._folder / f"{_UNFINISHED}-{os.urandom(8).hex()}"
            self._file = os.fdopen(
                os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            )
        except OSError as error:
            raise self._unwritable(error) from error
        self._unfinished = unfinished
        return self

    def write(self, chunk: bytes) -> None:
        """Append a chunk; nothing if the client has left meanwhile.

        Raises RequestError above the limit, UploadError if it cannot write.
        """
        assert self._file is not None  # noqa: S101 the context is open
        self._bytes += len(chunk)
        if self._bytes > MOST_UPLOAD_BYTES:
            raise too_large(self._bytes)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise self._unwritable(error) from error
        except ValueError:  # the event loop has closed the file while this thread was writing
            return

    def finish(self) -> Path:
        """Give the file its name, or a numbered one where that is taken; return its path."""
        assert self._file is not None  # noqa: S101 the context is open
        try:
            self._file.close()
            return self._named()
        except OSError as error:
            raise self._unwritable(error) from error

    def __exit__(self, *_error: object) -> None:
        """Remove the unfinished file."""
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
                _give_name(self._unfinished, path)
                return path
        raise UploadError(
            f"{self._folder} has {MOST_SAME_NAMES} files named like {self._name} already.",
            "Delete some of them.",
        )

    def _unwritable(self, error: OSError) -> UploadError:
        return UploadError(
            f"Cannot write to {self._folder}: {error.strerror}.",
            "If the disk is full, delete some files and try again.",
        )


def _make(folder: Path) -> None:
    """Make the folder if it is not there; git ignores it, where the home is a repository."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x") as rule:
            rule.write("*\n")


def _give_name(unfinished: Path, path: Path) -> None:
    """Make a file available under another name.  Raises FileExistsError, and any other OSError."""
    try:
        os.link(unfinished, path)  # unlike a rename, it replaces nothing
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.touch(mode=0o600, exist_ok=False)  # what the rename replaces is this
        unfinished.replace(path)


def too_large(size: int) -> RequestError:
    """Return the error for an upload of so many bytes."""
    return RequestError(
        f"The file has over {size / 1e6:.1f} MB; {MOST_UPLOAD_BYTES / 1e6:.1f} MB are allowed.",
        "Upload it in the file browser, which has no such limit.",
        status=413,
    )


def content_length(header: str) -> int:
    """Return the announced size of a body.  Raises RequestError (RFC 9110 has digits only)."""
    if not (header.isascii() and header.isdecimal()):
        raise RequestError("The request has an invalid Content-Length.", "Send its size in bytes.")
    return int(header)


@web.stream_request_body
class UploadHandler(ExtensionHandlerMixin, APIHandler):
    """``POST …/uploads?name=…``: writes the body, chunk by chunk, to a new file."""

    auth_resource = "dbx_agents"

    def initialize(self, folder: Path, name: str) -> None:  # type: ignore[override]
        """Keep the route's arguments."""
        super().initialize(name)
        self._folder = folder
        self._kept = contextlib.ExitStack()
        self._upload: Upload | None = None
        self._has_left = False

    async def prepare(self) -> None:  # type: ignore[override]  # as APIHandler's
        """Refuse a body that is too large before reading it; else open the file."""
        await super().prepare()
        if self.request.method != "POST" or self._finished:
            return
        try:
            length = content_length(self.request.headers.get("Content-Length", "0"))
            if length > MOST_UPLOAD_BYTES:
                raise too_large(length)
            upload = Upload(self._folder, self.get_query_argument("name", "upload"))
            self._upload = self._kept.enter_context(upload)
        except DbxAgentsError as error:
            self._refuse(error)

    async def data_received(self, chunk: bytes) -> None:
        """Write a chunk; the next one is read after that."""
        if self._upload is None:
            return
        try:
            await asyncio.to_thread(self._upload.write, chunk)
        except DbxAgentsError as error:
            self._refuse(error)

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Give the file its final name."""
        if self._upload is None:
            return
        try:
            path = await asyncio.to_thread(self._upload.finish)
        except DbxAgentsError as error:
            self._refuse(error)
            return
        self.set_status(HTTPStatus.CREATED)
        self.finish(json.dumps({"path": str(path)}))

    def on_finish(self) -> None:
        """Remove an unfinished file."""
        self._kept.close()
        super().on_finish()

    def on_connection_close(self) -> None:
        """Remove the unfinished file."""
        self._has_left = True
        self._upload = None
        self._kept.close()
        super().on_connection_close()

    def _refuse(self, error: DbxAgentsError) -> None:
        if self._has_left:
            return
        self._upload = None
        self.set_status(error.http_status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Connection", "close")  # the rest of the body is not read
        self.finish(json.dumps({"message": error.message, "hint": error.hint}))
