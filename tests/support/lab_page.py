"""JupyterLab in a real browser, as its user sees it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from .running_app import eventually

START_MILLISECONDS = 60_000
DIALOG = ".jp-DbxAgents-PatDialog"
# The terminal draws on a canvas: its text is in xterm's buffer, where long lines are wrapped.
SCREEN = """() => {
  const terminal = window.jupyterapp.shell.currentWidget?.content?._term;
  if (!terminal) return null;
  const buffer = terminal.buffer.active;
  const lines = [];
  for (let i = 0; i < buffer.length; i++) {
    const goesOn = buffer.getLine(i + 1)?.isWrapped;
    const text = buffer.getLine(i).translateToString(!goesOn);
    if (buffer.getLine(i).isWrapped && lines.length) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  return {type: buffer.type, text: lines.join('\\n').trimEnd()};
}"""
# What may be the reason that something is not on it.
AROUND_SCREEN = """() => {
  const {connectionStatus, _ws} = window.jupyterapp.shell.currentWidget?.content?.session ?? {};
  const events = window.jupyterapp.serviceManager.events._socket;
  const seen = document.querySelectorAll('.jp-Dialog, .jp-DbxAgents-banner');
  return {
    focus: document.activeElement.className, told: [...seen].map(node => node.innerText),
    connectionStatus, sockets: [_ws?.readyState, events?.readyState],
  };
}"""
# The registry has no command; JupyterLab keeps each plug-in's service with it.
SET_SETTING = """async ([key, value]) => {
  const plugins = window.jupyterapp.pluginRegistry._plugins;
  const registry = plugins.get('@jupyterlab/apputils-extension:settings').service;
  await registry.set('jupyter-dbx-agents:plugin', key, value);
}"""
ROTATIONS = """() => {
  const status = window.jupyterapp.pluginRegistry._plugins.get('jupyter-dbx-agents:status');
  return status.service.status.pat?.rotations ?? -1;
}"""
# JupyterLab stores the layout a while after it has changed.
LAYOUT_HAS_TERMINAL = """async () => {
  const {workspace} = JSON.parse(document.getElementById('jupyter-config-data').textContent);
  const {data} = await (await fetch(`/lab/api/workspaces/${workspace}`)).json();
  const {session} = window.jupyterapp.shell.currentWidget.content;
  return data['layout-restorer:data']?.main?.current === `terminal:${session.name}`;
}"""
PASTE = """([name, type, encoded]) => {
  const bytes = Uint8Array.from(atob(encoded), c => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, {type}));
  const init = {bubbles: true, cancelable: true, clipboardData: data};
  document.activeElement.dispatchEvent(new ClipboardEvent('paste', init));
}"""
DROP = """files => {
  const data = new DataTransfer();
  for (const [name, size] of files) data.items.add(new File([new Uint8Array(size)], name));
  const screens = [...document.querySelectorAll('.jp-Terminal .xterm-screen')];
  const target = screens.find(screen => screen.offsetParent);
  const init = {bubbles: true, cancelable: true, dataTransfer: data};
  target.dispatchEvent(new DragEvent('drop', init));
}"""


class LabPage:
    """One tab with JupyterLab."""

    def __init__(self, page: Page, url: str, path: str = "/lab") -> None:
        self.page, self.url, self._path = page, url, path
        self.dialog: Locator = page.locator(DIALOG)
        self.status: Locator = page.locator(".jp-DbxAgents-StatusItem button")
        self.panel: Locator = page.locator("#jp-DbxAgents-panel")
        self.launcher: Locator = page.locator(".jp-DbxAgents-Launcher:visible")
        self.hint: Locator = page.locator(".jp-DbxAgents-hint")
        self.notice: Locator = page.locator(".jp-DbxAgents-banner")

    def open(self) -> None:
        """Load the page until the status is known."""
        self.page.goto(self.url + self._path)
        self.until_known()

    def reload(self) -> None:
        """Load it again; return when the terminal in front takes what is typed.

        The terminal has a name that no other has had, by which the stored layout tells it.
        """
        self.until(LAYOUT_HAS_TERMINAL)
        self.page.reload()
        self.until_known()
        self.page.locator(".jp-Terminal:visible .xterm-screen").click()

    def until_known(self) -> None:
        """Wait for the status bar to say something."""
        expect(self.status).not_to_have_text("Databricks…", timeout=START_MILLISECONDS)

    def ask_for_token(self) -> None:
        """Open the dialog, by its command."""
        self.until("() => jupyterapp.commands.isEnabled('dbx-agents:enter-token')")
        self.page.evaluate("() => { void jupyterapp.commands.execute('dbx-agents:enter-token'); }")
        expect(self.dialog.locator("input")).to_be_focused()

    def give_token(self, token: str) -> None:
        """Type into the dialog, as somebody who sees it, and press Enter."""
        expect(self.dialog.locator("input")).to_be_focused(timeout=START_MILLISECONDS)
        self.page.keyboard.insert_text(token)
        self.page.keyboard.press("Enter")

    def use_theme(self, theme: str) -> None:
        """Switch JupyterLab's theme."""
        self.command("apputils:change-theme", theme=theme)
        selector = f'body[data-jp-theme-name="{theme}"]'
        expect(self.page.locator(selector)).to_have_count(1, timeout=START_MILLISECONDS)

    def show_panel(self) -> None:
        """Click the status bar."""
        self.status.click()
        expect(self.panel.get_by_role("heading", name="Token")).to_be_visible()

    def until_connected(self, user: str) -> None:
        """Wait for the status bar to say, to who points at it, that the token is this user's."""
        connected = re.compile(f"^Connected as {re.escape(user)}")
        expect(self.status).to_have_attribute("title", connected)

    def until_rotated(self, rotate: Callable[[], object] = lambda: None) -> None:
        """Wait for another rotation of the token, such as one asked for, to reach the page."""
        before: int = self.page.evaluate(ROTATIONS)
        rotate()
        eventually(
            lambda: self.page.evaluate(ROTATIONS) > before, what="another rotation in the page"
        )

    def section(self, title: str) -> Locator:
        """A section of the panel."""
        return self.panel.get_by_role("region", name=title)

    def open_terminal(self) -> None:
        """Click the card of a plain terminal and wait for its shell."""
        self.open_launcher()
        self.terminal_card().click()
        self.until_screen(r"[$#]$")

    def open_terminal_named(self, name: str) -> None:
        """Open a plain terminal with a name of its own and wait for its shell."""
        self.command("terminal:create-new", name=name)
        self.until_screen(r"[$#]$")

    def command(self, name: str, /, **arguments: str) -> None:
        """Run one of JupyterLab's commands to its end."""
        run = "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }"
        self.page.evaluate(run, [name, arguments])

    def set_setting(self, name: str, value: bool) -> None:
        """Change one of our settings, as its editor does."""
        self.page.evaluate(SET_SETTING, [name, value])

    def toast(self, text: str) -> Locator:
        """A notification that is shown for a while."""
        return self.page.locator(".Toastify__toast", has_text=text)

    def open_launcher(self) -> None:
        """Bring a launcher to the front."""
        self.command("launcher:create")

    def terminal_card(self) -> Locator:
        """The card of a plain terminal in the launcher in front."""
        cards = self.page.locator('.jp-LauncherCard[data-category="Other"]:visible')
        return cards.filter(has_text="Terminal")

    def running(self, title: str) -> Locator:
        """The card of a session in the launcher in front."""
        return self.launcher.locator(".jp-DbxAgents-running button").filter(has_text=title)

    def card(self, title: str) -> Locator:
        """An agent's card in the launcher in front."""
        cards = self.page.locator('.jp-LauncherCard[data-category="Agents"]:visible')
        return cards.filter(has_text=title)

    def screen(self) -> dict[str, Any]:
        """The text of the terminal in front, scrollback and all, and which of its two screens."""
        return self.page.evaluate(SCREEN) or {"type": "none", "text": ""}

    def until_screen(self, pattern: str, seconds: float = 60) -> str:
        """Wait for the terminal in front to show a pattern; return its text."""
        for _ in range(int(seconds * 10)):
            text: str = self.screen()["text"]
            if re.search(pattern, text):
                return text
            self.page.wait_for_timeout(100)
        around = self.page.evaluate(AROUND_SCREEN)
        raise AssertionError(
            f"{pattern!r} is not on the screen:\n{self.screen()['text']}\n{around}"
        )

    def until(self, function: str) -> None:
        """Wait for a function of the page, also an async one, to return something true."""
        for _ in range(600):
            if self.page.evaluate(function):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"not in a minute: {function}")

    def type(self, line: str) -> None:
        """Type a line into whatever has the focus."""
        self.page.keyboard.insert_text(line)
        self.page.keyboard.press("Enter")

    def paste_file(self, path: Path, name: str, kind: str) -> None:
        """Paste a file as the clipboard would hold it."""
        self.page.evaluate(PASTE, [name, kind, base64.b64encode(path.read_bytes()).decode()])

    def drop_files(self, *files: tuple[str, int]) -> None:
        """Drop files of zeros, each by its name and size in bytes, at once."""
        self.page.evaluate(DROP, [list(file) for file in files])

    def drag_from_desktop(self, path: Path) -> None:
        """Drop a file or folder of this machine into the terminal in front, as a desktop does."""
        x, y = self._middle(self.page.locator(".jp-Terminal:visible .xterm-screen"))
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        devtools = self.page.context.new_cdp_session(self.page)
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": x, "y": y, "data": data}
            devtools.send("Input.dispatchDragEvent", event)
        devtools.detach()

    def drag_to_terminal(self, *names: str) -> None:
        """Drag items of the file browser, with the mouse, into the terminal in front."""
        items = [self.page.locator(".jp-DirListing-item", has_text=name) for name in names]
        for item in items:
            item.click(modifiers=["Control"])
        self._hover(items[-1])
        self.page.mouse.down()
        self._hover(self.page.locator(".jp-Terminal:visible .xterm-screen"))
        self.page.mouse.up()

    def _hover(self, place: Locator) -> None:
        self.page.mouse.move(*self._middle(place), steps=8)

    def _middle(self, place: Locator) -> tuple[float, float]:
        box = place.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def tab(self) -> Locator:
        """The tab in front."""
        return self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab.lm-mod-current")
