"""A program that is a file in a release's archive: downloaded, compared with its hash, unpacked.

Decided
- The hash decides, so any address may serve the archive: a mirror, a company's file server.
- What was downloaded is kept when the connection is lost, and the download is resumed there, now
  or by the next attempt (RFC 9110, 14.2); a server that cannot resume sends it all again.
- By httpx, whose settings for proxies and certificates are the environment's, as of the workspace's
  API.
"""

import asyncio
import hashlib
import itertools
import platform
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx

from ...background import backoff_seconds
from ...errors import InstallError

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
# Between two bytes.
TIMEOUT_SECONDS = 30.0
# No release is that large: what is may be an endless page.
MOST_BYTES = 400_000_000
_TEMPORARY = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
# What a status means, and what to do; others are the server's.
_STATUSES = {
    HTTPStatus.UNAUTHORIZED: ("requires a login", "Put user and password into its address."),
    HTTPStatus.FORBIDDEN: ("refuses the file", "Ask its owner to allow it."),
    HTTPStatus.NOT_FOUND: ("does not have the file", "Ask its owner to mirror it."),
}


@dataclass(frozen=True)
class ReleaseArchive:
    """A zip archive for each platform, and the program in it.

    ``url`` and ``program`` are for this machine; ``sha256`` has a hash by platform, such as
    ``linux_amd64``.  ``{platform}`` stands for that in ``url``.  ``mirror`` is what to set for
    another address, for messages.
    """

    release: str
    url: str
    sha256: Mapping[str, str]
    program: str
    mirror: str
    installed_bytes: int

    def version(self) -> str:
        """Return the pinned version."""
        return self.release

    def fingerprint(self) -> str:
        """Return the hash of this machine's archive, that of nothing if there is none."""
        return self.sha256.get(release_platform(), hashlib.sha256().hexdigest())

    async def build(self, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Download and unpack into an empty folder; return the program.

        Raises InstallError and OSError.
        """
        del environment  # httpx reads the process's, which has the same proxies
        wanted = self.sha256.get(release_platform())
        if wanted is None:
            raise InstallError(
                f"There is no pinned release {self.release} for {release_platform()}.",
                "Install the program yourself; one on the PATH is used.",
            )
        archive, kept = folder / "archive.zip", folder.parent / f"{wanted[:16]}.part"
        if kept.exists():
            kept.replace(archive)
        try:
            await self._download(archive)
        except BaseException:  # also when cancelled
            if archive.exists():
                archive.replace(kept)
            raise
        await asyncio.to_thread(self._unpack, archive, wanted)
        return (self.program,)

    async def _download(self, archive: Path) -> None:
        """Complete a file that may have a part of it already."""
        tls = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(
            timeout=TIMEOUT_SECONDS, follow_redirects=True, verify=tls
        ) as client:
            for attempt in itertools.count():
                before = _size_bytes(archive)
                try:
                    await self._receive(client, archive)
                except InstallError as error:
                    # Whoever calls may try again later; here only what moves on.
                    if not error.is_temporary or _size_bytes(archive) <= before:
                        raise
                else:
                    return
                pause = backoff_seconds(attempt, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
                await asyncio.sleep(pause)

    async def _receive(self, client: httpx.AsyncClient, archive: Path) -> None:
        present = _size_bytes(archive)
        headers = {"Accept-Encoding": "identity"}
        if present:
            headers["Range"] = f"bytes={present}-"
        url = self.url.replace("{platform}", release_platform())
        try:
            async with client.stream("GET", url, headers=headers) as response:
                if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return  # it is complete, or the hash will say otherwise
                self._check_status(response)
                is_rest = response.status_code == HTTPStatus.PARTIAL_CONTENT
                await _write(response, archive, present if is_rest else 0)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._error(
                url,
                f"cannot be reached ({type(error).__name__})",
                "Check the network and the proxy settings; what was downloaded is kept.",
                is_temporary=isinstance(error, httpx.TransportError)
                and not isinstance(error, httpx.UnsupportedProtocol),
            ) from None

    def _check_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        status = response.status_code
        what, hint = _STATUSES.get(
            HTTPStatus(status) if status in set(HTTPStatus) else HTTPStatus.BAD_GATEWAY,
            (f"answers with HTTP {status}", "Try again later."),
        )
        is_temporary = status in _TEMPORARY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise self._error(str(response.url), what, hint, is_temporary=is_temporary)

    def _unpack(self, archive: Path, wanted: str) -> None:
        """Compare the archive with its hash, and take the program out of it."""
        with archive.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != wanted:
            archive.unlink()
            raise self._error(
                self.url,
                f"sent something other than release {self.release}",
                f"Do not use it: its SHA-256 is {found}, not {wanted}. It may be a proxy's page, "
                "or a mirror with other content.",
            )
        try:
            with zipfile.ZipFile(archive) as opened:
                opened.extract(self.program, archive.parent)
        except (KeyError, zipfile.BadZipFile) as error:
            raise InstallError(
                f"The archive of release {self.release} has no program “{self.program}”.",
                f"Check the pinned version and hash. Python said: {error}",
            ) from None
        (archive.parent / self.program).chmod(0o755)
        archive.unlink()

    def _error(self, url: str, what: str, hint: str, *, is_temporary: bool = False) -> InstallError:
        """Return an error that names the host: an address may hold a password."""
        host = _host_of(url)
        hint = f"{hint} Another address: {self.mirror}."
        return InstallError(f"{host} {what}.", hint, is_temporary=is_temporary)


def release_platform() -> str:
    """Return the name of this machine in releases' file names, such as ``linux_amd64``."""
    machine = platform.machine().lower()
    return f"{sys.platform}_{MACHINES.get(machine, machine)}"


async def _write(response: httpx.Response, archive: Path, offset: int) -> None:
    """Write a response's body to a file from an offset on."""
    with archive.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        async for block in response.aiter_bytes():
            if stream.tell() + len(block) > MOST_BYTES:
                raise httpx.DecodingError("endless")
            # To the page cache: what has arrived takes less than a millisecond.
            stream.write(block)


def _size_bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _host_of(url: str) -> str:
    try:
        return httpx.URL(url).host or "The address"
    except httpx.InvalidURL:
        return "The address"
