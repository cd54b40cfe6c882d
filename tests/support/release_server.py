"""A release of the Databricks CLI on the loopback interface, and what may go wrong with one."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jupyter_dbx_agents.agents.install.release import release_platform

STAND_IN = Path(__file__).with_name("databricks_stand_in.py")
VERSION = "1.9.0"


def archive_of(program: str, name: str = "databricks") -> bytes:
    """Return a release's archive, with more beside the program, as the real one has."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("LICENSE", "a licence " * 20_000)
        archive.writestr(name, program)
    return content.getvalue()


@dataclass
class ReleaseServer:
    """Serves one archive below ``/releases``.

    ``cut_after`` are the bytes after which downloads break off, one for each request; ``resumes``
    if it answers ranges; ``status`` is what it answers instead.
    """

    archive: bytes = field(default_factory=lambda: archive_of(STAND_IN.read_text()))
    cut_after: list[int] = field(default_factory=list)
    resumes: bool = True
    status: int = 200
    ranges: list[str] = field(default_factory=list)

    @property
    def sha256(self) -> dict[str, str]:
        """The trait of this archive."""
        return {release_platform(): hashlib.sha256(self.archive).hexdigest()}

    @property
    def path(self) -> str:
        """Where the archive is."""
        return f"/releases/v{VERSION}/databricks_cli_{VERSION}_{release_platform()}.zip"

    def __enter__(self) -> ReleaseServer:
        release = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                release.answer(self)

            def log_message(self, *arguments: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/releases"
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        if request.path == f"/moved{self.path}":
            request.send_response(302)
            request.send_header("Location", self.path)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        status = 404 if request.path != self.path else self.status
        body = self.archive if status == 200 else b"no"
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        if status == 200 and self.resumes and match:
            status, body = 206, self.archive[int(match[1]) :]
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        cut = self.cut_after.pop(0) if self.cut_after else len(body)
        request.wfile.write(body[:cut])
        request.close_connection = cut < len(body)
