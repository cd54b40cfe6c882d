"""The pages for a phone, 390 px wide: an agent is started, followed and answered on a bad line."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, ViewportSize, expect

from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from tests.support.as_installed import as_installed
from tests.support.relay import Relay
from tests.support.running_app import RunningApp

from .test_looks import WIDTHS, shoot, violations

MOST_BYTES = 50_000
PHONE: ViewportSize = {"width": 390, "height": 844}
# Asks before it works, as an agent does, in a window that is wider than a phone.
AGENT = """
import os, sys, tty
tty.setraw(0)
def say(state, *lines):
    os.write(1, f"\\x1b]7501;state={state}\\x1b\\\\".encode())
    os.write(1, "".join(f"{line}\\r\\n" for line in lines).encode())
say("working", "╭" + "─" * 78 + "╮", f"> {sys.argv[-1]}")
say("blocked:kind=permission:msg=cm0gLXJmIGJ1aWxk", "Run rm -rf build?", "> 1. Yes", "  2. No")
count = 0
while True:
    typed = os.read(0, 4096)
    count += 1
    state = "done" if typed == b"\\r" else "idle"
    say(state, f"{count}: {typed!r}")
"""


@pytest.fixture(params=["light", "dark"])
def phone(
    chromium: Browser, app: RunningApp, relay: Relay, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A phone's browser before the relay, with an agent installed."""
    app.log_in()
    relay.mend()
    context = chromium.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=request.param
    )
    end_terminals(app)
    with as_installed(app.home, CLAUDE_CODE, AGENT):
        yield context.new_page()
    context.close()
    end_terminals(app)


def end_terminals(app: RunningApp) -> None:
    for terminal in app.owner.json("GET", "/api/terminals"):
        app.owner.json("DELETE", f"/api/terminals/{terminal['name']}")


def is_as_wide_as_the_phone(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def start(phone: Page, relay: Relay, prompt: str) -> None:
    """Start the agent by the form of the list."""
    phone.goto(f"{relay.url}/dbx-agents/")
    phone.get_by_label("First prompt").fill(prompt)
    phone.get_by_role("button", name="Start").click()
    expect(phone.get_by_role("heading", name="projects · Claude Code")).to_be_visible()


def test_an_agent_is_started_followed_and_answered_on_a_bad_line(
    phone: Page, app: RunningApp, relay: Relay, axe: str
):
    sizes: list[int] = []

    def note(request: Request) -> None:
        response = request.response()
        if response is not None and response.status == 200 and request.method == "GET":
            sizes.append(len(response.body()))

    phone.on("requestfinished", note)
    theme = "dark" if phone.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else ""
    start(phone, relay, "remove what was built")
    screen = phone.get_by_role("region", name="Screen")
    expect(screen).to_contain_text("> remove what was built")
    expect(phone.locator("#doing")).to_have_text("asks for permission")
    expect(phone.locator("#what")).to_have_text("rm -rf build")
    expect(phone.get_by_role("button", name="Allow")).to_be_enabled()
    print(f"all of both pages: {sum(sizes):,} bytes")
    assert sum(sizes) <= MOST_BYTES, sizes
    assert is_as_wide_as_the_phone(phone)
    assert violations(phone, axe, None) == []
    shoot(phone, f"phone-session-{theme or 'light'}")

    # The answer to the first try is lost on its way: it has arrived, and is sent again.
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(str(route.request.post_data))
            route.fetch()
            route.abort()
        else:
            route.continue_()

    phone.route("**/sessions/*", lose)
    phone.get_by_role("button", name="Allow").click()
    fates = phone.get_by_role("list", name="What you did")
    expect(fates).to_contain_text("Allowed.")
    assert lost
    expect(phone.locator("#doing")).to_have_text("is done")
    expect(phone.get_by_role("button", name="Allow")).to_be_hidden()
    expect(screen).to_contain_text("1: b'\\r'")

    # Without a line what is tapped waits, and arrives in its order.
    relay.cut()
    expect(phone.locator("#line")).to_contain_text("Offline. The screen is of")
    phone.get_by_label("Type into the terminal").fill("and then?")
    phone.get_by_role("button", name="Without Enter").click()
    phone.get_by_role("button", name="Esc").click()
    expect(fates).to_contain_text("trying again")
    relay.mend()
    expect(fates).to_contain_text("Typed 9 characters.")
    expect(fates).to_contain_text("Pressed Esc.")
    expect(screen).to_contain_text("2: b'and then?'")
    expect(screen).to_contain_text("3: b'\\x1b'")
    expect(screen).not_to_contain_text("4:")
    expect(phone.locator("#line")).to_be_empty()

    # What its owner calls it in JupyterLab is its name here, too.
    (terminal,) = app.owner.json("GET", "/api/terminals")
    path = f"/dbx-agents/api/terminals/{terminal['name']}"
    app.owner.json("PATCH", path, {"title": "of its owner"})
    expect(phone.get_by_role("heading", name="of its owner")).to_be_visible()
    phone.get_by_role("link", name="All sessions").click()
    expect(phone.get_by_role("link", name="of its owner")).to_be_visible()
    expect(phone.get_by_text(f"terminal {terminal['name']} in projects")).to_be_visible()
    assert is_as_wide_as_the_phone(phone)
    shoot(phone, f"phone-list-{theme or 'light'}")
    for width in WIDTHS:
        phone.set_viewport_size({"width": width, "height": 844})
        assert violations(phone, axe, None) == [], width
