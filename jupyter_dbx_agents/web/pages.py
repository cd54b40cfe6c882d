"""What the pages without JupyterLab share: who may see them, what they may load, their headers."""

from pathlib import Path

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from .operations import Services
from .phone.once import OnceOnly

# A page loads its own style sheet, sends its own forms, and is in no other page.
PAGE_SOURCES = (
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
# The script is a file of ours, and so is whatever it asks.
SCRIPT_SOURCES = ("script-src 'self'", "connect-src 'self'")
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}


class PageHandler(ExtensionHandlerMixin, JupyterHandler):
    """A page of HTML, whose forms are answered once each; for subclasses."""

    auth_resource = "dbx_agents"
    has_script = False

    def initialize(self, services: Services, once: OnceOnly, name: str) -> None:  # type: ignore[override]
        """Keep the route's arguments."""
        super().initialize(name)
        self.services, self.once = services, once

    @property
    def content_security_policy(self) -> str:
        """Return what the page may load."""
        return "; ".join((*PAGE_SOURCES, *(SCRIPT_SOURCES if self.has_script else ())))

    def finish_page(self, page: str) -> None:
        """Answer with a page, which no cache keeps."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")
        self.finish(page)


class PageFileHandler(ExtensionHandlerMixin, JupyterHandler):
    """A style sheet or a script of a page."""

    auth_resource = "dbx_agents"

    def initialize(self, file: Path, name: str) -> None:  # type: ignore[override]
        """Keep the route's arguments."""
        super().initialize(name)
        self._file = file

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return it."""
        self.set_header("Content-Type", f"{MEDIA_TYPES[self._file.suffix]}; charset=utf-8")
        self.finish(self._file.read_bytes())
