"""The browser's tabs: one with JupyterLab that tests share, since loading it takes five seconds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from .lab_page import START_MILLISECONDS, LabPage
from .relay import Relay
from .running_app import Browser as Owner
from .running_app import RunningApp

SIZE = ViewportSize(width=1280, height=800)
OURS = "/extensions/jupyter-dbx-agents/"
# Where a sign-in ends; nothing listens there.
SIGN_IN_END = "http://localhost:8020/"
LIGHT = "JupyterLab Light"
# A workspace of its own: what the tab stores late is not what another tab is opened with.
SHARED = "shared"
PATH = f"/lab/workspaces/{SHARED}"
# Or closing the tabs asks whether to save.
DISCARD = """() => {
  for (const { context } of jupyterapp.shell.widgets('main')) {
    if (context) context.model.dirty = false;
  }
}"""
DISMISS_TOASTS = """async () => {
  for (const {id} of document.querySelectorAll('.Toastify__toast')) {
    await jupyterapp.commands.execute('apputils:dismiss-notification', {id});
  }
}"""


class Tabs:
    """Opens tabs, and remembers what none of them may do."""

    def __init__(self, browser: Browser, app: RunningApp, relay: Relay) -> None:
        self.browser, self.app, self.relay = browser, app, relay
        self.faults: list[str] = []
        self._shared: LabPage | None = None
        self._contexts: list[BrowserContext] = []

    def new_context(self) -> BrowserContext:
        """Return a browser that has never been here; it is closed at the end of the test."""
        self._contexts.append(self._context())
        return self._contexts[-1]

    def shared(self) -> LabPage:
        """Return the tab that tests share: loaded, with a token, and nothing open in it."""
        self.relay.mend()
        self.app.log_in()
        if self._shared is None:
            self._shared = LabPage(self._context().new_page(), self.relay.url, PATH)
            forget_sessions(self.app.owner)
            self._shared.open()
        else:
            forget_sessions(self.app.owner)
            tidy(self._shared)
        self._shared.until_connected(self.app.lines["owner"])
        expect(self._shared.page.locator(".jp-Dialog, .jp-Terminal")).to_have_count(0)
        return self._shared

    def close_new(self) -> None:
        """Close what the test has opened for itself."""
        self.relay.mend()
        while self._contexts:
            close(self._contexts.pop())

    def close_shared(self) -> None:
        """Close the shared tab, such as one in which a test has failed; the next gets another."""
        if self._shared is not None:
            close(self._shared.page.context)
            self._shared = None

    def _context(self) -> BrowserContext:
        context = self.browser.new_context(viewport=SIZE, locale="en-US")
        context.set_default_timeout(START_MILLISECONDS)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.relay.url)
        context.on("request", self._look_at_request)
        context.on("weberror", self._look_at_error)
        return context

    def _look_at_request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if request.url.startswith(SIGN_IN_END):
            return
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
            self.faults.append(f"a request to elsewhere: {request.url}")

    def _look_at_error(self, error: Any) -> None:
        stack = error.error.stack or ""
        if OURS in stack:
            self.faults.append(f"in the page: {stack}")


def close(context: BrowserContext) -> None:
    """Close a browser; a request may be on its way through a test's own route."""
    for page in context.pages:
        page.unroute_all(behavior="ignoreErrors")
    context.close()


def forget_sessions(owner: Owner) -> None:
    """End the terminals of earlier tests, forget their layout, and show no hint."""
    for terminal in owner.json("GET", "/api/terminals"):
        owner.http.delete(f"/api/terminals/{terminal['name']}")
    for workspace in ("default", SHARED):
        owner.http.delete(f"/lab/api/workspaces/{workspace}")
    path = "/lab/api/settings/jupyter-dbx-agents:plugin"
    owner.http.put(path, json={"raw": '{"firstHint": false}'})


def tidy(lab: LabPage) -> None:
    """Bring a loaded tab back to what it was at first."""
    page: Page = lab.page
    page.unroute_all(behavior="ignoreErrors")
    page.set_viewport_size(SIZE)
    for _ in range(page.locator(".jp-Dialog").count()):
        page.keyboard.press("Escape")
    page.evaluate(DISMISS_TOASTS)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    page.evaluate(DISCARD)
    lab.command("application:close-all")
    lab.command("filebrowser:open-path", path="/")
    lab.command("filebrowser:activate")
    lab.use_theme(LIGHT)
