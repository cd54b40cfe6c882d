"""Time to a usable terminal in a browser, against stock JupyterLab, in turn.

A fresh headless Chromium opens a new terminal's page, types as soon as there is a prompt, and stops
the clock when the answer is on the screen.  Both servers run all the time; each page loads cold.
Needs Chromium (Debian: ``apt-get install chromium``).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from dbx_workspace.server import port_of, reserve_port

ROUNDS = 7
OWNER = "owner@example.com"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
EXPOSED = "--LabApp.expose_app_in_browser=True"
TIMEOUT_MILLISECONDS = 120_000
TEXT = """() => {
  const widgets = [...(window.jupyterapp?.shell.widgets('main') ?? [])];
  const terminal = widgets.map(widget => widget.content?._term).find(Boolean);
  const buffer = terminal?.buffer.active;
  let text = '';
  for (let i = 0; i < (buffer?.length ?? 0); i++) {
    text += buffer.getLine(i)?.translateToString(true) + '\\n';
  }
  return text;
}"""


def main() -> None:
    """Print medians and the ratio."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("No Chromium is installed (Debian: apt-get install chromium).")
    seconds: dict[str, list[float]] = {"stock": [], "ours": []}
    with ExitStack() as stack:
        urls = {name: stack.enter_context(server(name)) for name in seconds}
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        stack.callback(browser.close)
        for number in range(ROUNDS + 1):
            for name, url in urls.items():
                taken = usable_terminal_seconds(browser, url)
                if number:  # the first of each warms the servers up
                    seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"usable terminal, s: stock {medians['stock']:.2f}, ours {medians['ours']:.2f}")
    print(f"ratio {medians['ours'] / medians['stock']:.2f} (of medians of {ROUNDS})")
    pairs = sorted(b / a for a, b in zip(seconds["stock"], seconds["ours"], strict=True))
    print(f"pair by pair: {', '.join(f'{pair:.2f}' for pair in pairs)}")


def usable_terminal_seconds(browser: Browser, url: str) -> float:
    """Return the seconds from the address to the answer of a command that was typed."""
    context = browser.new_context(extra_http_headers={"X-Forwarded-Email": OWNER})
    page = context.new_page()
    began = time.perf_counter()
    page.goto(f"{url}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.commands.hasCommand('terminal:create-new')")
    page.evaluate(
        "async () => { await window.jupyterapp.commands.execute('terminal:create-new'); }"
    )
    page.wait_for_function(f"() => /[$#] *\\s*$/.test(({TEXT})())", timeout=TIMEOUT_MILLISECONDS)
    page.locator(".jp-Terminal .xterm-screen").click()
    page.keyboard.insert_text("echo us''able")
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => /^usable$/m.test(({TEXT})())", timeout=TIMEOUT_MILLISECONDS)
    taken = time.perf_counter() - began
    context.close()
    return taken


@contextmanager
def server(name: str) -> Iterator[str]:
    """Run a server without a workspace, so that no dialog stands in the way; yield its address."""
    with tempfile.TemporaryDirectory() as home, reserve_port() as reserved:
        port = port_of(reserved)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DATABRICKS_")}
        process = subprocess.Popen(
            [*COMMANDS[name], f"--ServerApp.port={port}", EXPOSED, *allow_root()],
            env=environment | {"HOME": home},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until_page(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


LOCAL = ["--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.open_browser=False"]
DISABLED = "--ServerApp.jpserver_extensions={'jupyter_dbx_agents': False, 'jupyterlab': True}"
# Stock without its news, which would ask a server outside.
QUIET = [
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
]
COMMANDS = {
    "stock": [sys.executable, "-m", "jupyterlab", *LOCAL, DISABLED, *QUIET],
    "ours": [
        *[sys.executable, "-m", "jupyter_dbx_agents", "serve", *LOCAL, *QUIET],
        "--DbxAgentsApp.install_agents=False",
    ],
}


def allow_root() -> list[str]:
    """Jupyter refuses to run as root unless told."""
    return [] if os.geteuid() else ["--allow-root"]


def until_page(url: str) -> None:
    """Ask until the page comes."""
    deadline = time.monotonic() + 120
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(f"{url}/api").is_success:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
    raise TimeoutError(f"no page at {url}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
