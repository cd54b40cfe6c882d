"""Terminals in the browser: images, files, copying, names and search."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Dialog, expect

from tests.support.agent_store import AgentStore
from tests.support.lab_page import LabPage
from tests.support.relay import Relay
from tests.support.running_app import RunningApp, eventually

MIB = 1024 * 1024
CLOSE_TAB = ".lm-TabBar-tabCloseIcon"

# The middle of a text's first cells on the page; the terminal draws on a canvas.
CELL = """text => {
  const {_term: terminal, node} = window.jupyterapp.shell.currentWidget.content;
  const box = node.querySelector('.xterm-screen').getBoundingClientRect();
  const buffer = terminal.buffer.active;
  for (let y = terminal.rows - 1; y >= 0; y--) {
    const x = buffer.getLine(buffer.viewportY + y).translateToString().indexOf(text);
    if (x >= 0) {
      const [width, height] = [box.width / terminal.cols, box.height / terminal.rows];
      return [box.left + (x + 2.5) * width, box.top + (y + 0.5) * height];
    }
  }
}"""
CURSOR = """() => {
  const {line, column} = window.jupyterapp.shell.currentWidget.content.editor.getCursorPosition();
  return [line, column];
}"""


def png(width: int = 64) -> bytes:
    """A picture: a red square."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    rows = (b"\0" + b"\xff\0\0" * width) * width
    head = struct.pack(">IIBBBBB", width, width, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_a_pasted_image_is_uploaded_and_its_path_typed(
    lab: LabPage, app: RunningApp, tmp_path: Path
):
    picture = tmp_path / "picture"
    picture.write_bytes(png())
    lab.open_terminal()
    lab.page.keyboard.insert_text("wc -c ")
    for name in ("my_picture", "my_picture-1"):
        lab.paste_file(picture, "my $(picture).png", "image/png")
        lab.until_screen(rf"/uploads/{name}\.png")
    lab.page.keyboard.press("Enter")
    size = len(png())
    lab.until_screen(rf"{size} \S+/uploads/my_picture.png\s+{size} \S+my_picture-1.png")
    assert (app.home / "uploads" / "my_picture.png").read_bytes() == png()


def test_text_on_the_clipboard_is_pasted_as_text(lab: LabPage):
    lab.open_terminal()
    lab.page.evaluate("() => navigator.clipboard.writeText('echo pas' + 'ted text')")
    lab.page.keyboard.press("Control+v")
    lab.page.keyboard.press("Enter")
    lab.until_screen("(?m)^pasted text$")


def test_of_several_dropped_files_each_that_fails_says_why_and_the_others_are_typed(
    lab: LabPage, app: RunningApp, relay: Relay
):
    lab.open_terminal()
    relay.cut_after(8 * MIB)
    lab.drop_files(("huge.bin", 33 * MIB), ("half.bin", 20 * MIB), ("whole.bin", 4 * MIB))
    lab.until_screen("/uploads/whole.bin")
    expect(lab.notice).to_contain_text(
        "huge.bin was not uploaded: it has 35 MB, and the limit is 34 MB"
    )
    expect(lab.notice).to_contain_text("half.bin was not uploaded: the connection was lost")
    assert not re.search("huge|half", lab.screen()["text"])
    assert uploaded(app, "whole.bin")
    eventually(lambda: not uploaded(app, "*half*", ".unfinished*"), what="nothing is left of it")
    lab.notice.get_by_role("button", name="Close").click()
    expect(lab.notice).to_have_count(0)


def test_a_dropped_folder_is_refused_in_words(lab: LabPage, tmp_path: Path):
    lab.open_terminal()
    lab.drag_from_desktop(tmp_path)
    said = lab.notice.filter(has_text=f"{tmp_path.name} was not uploaded: it is a folder")
    expect(said).to_contain_text("Pack it into an archive.")


@pytest.mark.parametrize("refusal", [["200 OK"], ["302 Found", "Location: http://127.0.0.1:9/"]])
def test_an_upload_after_the_sign_in_has_ended_says_so(
    lab: LabPage, relay: Relay, refusal: list[str]
):
    lab.open_terminal()
    relay.answer(*refusal)
    lab.drop_files(("late.bin", 10))
    said = lab.notice.filter(has_text="late.bin was not uploaded: Your sign-in has expired.")
    expect(said).to_contain_text("Reload the page to sign in again.")


def test_an_upload_shows_how_far_it_is_and_is_cancelled_by_a_click_or_with_its_tab(
    lab: LabPage, app: RunningApp, relay: Relay
):
    # What is larger than all buffers on the way cannot have left the browser before it is told.
    files = [(f"never-{number}.bin", 32 * MIB) for number in range(2)]
    lab.open_terminal()
    for end in (lab.notice.get_by_role("button", name="Cancel"), lab.tab().locator(CLOSE_TAB)):
        relay.hold_after(2 * MIB)
        lab.drop_files(*files)
        expect(lab.notice).to_have_text(re.compile(r"^Uploading never-0.bin: [1-9]\d %"))
        eventually(lambda: uploaded(app, ".unfinished*"), what="it is on its way")
        end.click()
        expect(lab.notice).to_have_count(0)
        relay.mend()
        eventually(lambda: not uploaded(app, ".unfinished*"), what="it is no longer")
    # Its name comes after any of those, were one of them still on its way.
    lab.open_terminal()
    lab.drop_files(("later.bin", 1))
    lab.until_screen("/uploads/later.bin")
    assert not uploaded(app, "never*")


def test_an_upload_may_take_its_time_but_not_stand_still(
    new_lab: LabPage, app: RunningApp, relay: Relay
):
    lab = new_lab
    app.log_in()
    lab.page.clock.install()
    lab.open()
    lab.open_terminal()
    relay.hold_after(2 * MIB)
    lab.drop_files(("slow.bin", 30 * MIB))
    for most in (8, 14, 20):
        before = lab.notice.inner_text()
        relay.hold_after(most * MIB)
        expect(lab.notice).not_to_have_text(before)
        lab.page.clock.fast_forward("01:30")
    relay.mend()
    lab.until_screen("/uploads/slow.bin")
    relay.hold_after(2 * MIB)
    lab.drop_files(("stuck.bin", 30 * MIB))

    def has_ended() -> bool:
        lab.page.clock.fast_forward("02:30")  # again, after the last of what the way has room for
        return "stuck.bin was not uploaded: there was no progress" in lab.notice.inner_text()

    eventually(has_ended, what="an upload that stands still has ended")


def uploaded(app: RunningApp, *patterns: str) -> list[Path]:
    """What is in the folder for uploads, by patterns."""
    folder = app.home / "uploads"
    return [path for pattern in patterns for path in folder.glob(pattern)]


def test_files_dragged_from_the_file_browser_have_their_paths_typed(lab: LabPage, app: RunningApp):
    folder = app.home / "dragged"
    folder.mkdir()
    for name, content in (("it's one", "one"), ("two", "two"), ("new\nline\x1b[8m", "odd")):
        (folder / name).write_text(f"content of {content}\n")
    lab.open_terminal()
    lab.command("filebrowser:open-path", path="dragged")
    lab.page.locator(".jp-Terminal:visible").click()
    lab.type("bind 'set enable-bracketed-paste off'")  # as in a program that takes keys as they are
    lab.page.keyboard.insert_text("cat ")
    lab.drag_to_terminal("it's one", "line", "two")
    lab.until_screen("dragged/two")
    lab.page.keyboard.press("Enter")  # only now: a line's end in a name is none that was typed
    text = lab.until_screen("(?m)^content of two$")
    assert set(re.findall(r"(?m)^content of (\w+)$", text)) == {"one", "odd", "two"}
    expect(lab.page.locator(".jp-FileEditor")).to_have_count(0)


def test_a_program_copies_and_never_reads(lab: LabPage):
    lab.open_terminal()
    lab.page.wait_for_timeout(1100)  # what comes with a connection may be a replay
    lab.type(r"printf '\033]52;c;%s\007' $(printf 'copied by OSC 52' | base64)")
    lab.until("async () => await navigator.clipboard.readText() === 'copied by OSC 52'")
    lab.type(r"printf '\033]52;c;?\007'; echo as''ked")
    text = lab.until_screen("(?m)^asked$")
    assert "Y29waWVk" not in text


def test_a_tab_is_named_after_the_program_in_front(lab: LabPage):
    lab.open_terminal()
    tab = lab.tab()
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))
    lab.type("sleep 500")
    expect(tab).to_have_text(re.compile(r"^sleep \(\d+\)$"))
    lab.page.keyboard.press("Control+c")
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))
    # As fast as they come, each of these was shown everywhere: the page was busy for a minute.
    many = r"for i in $(seq 5000); do printf '\033]0;title %d\007' $i; done"
    lab.type(rf"{many}; printf '\033]0;\u202eown title\u202c\007'; sleep 500")
    expect(tab).to_have_text("own title", timeout=20_000)
    lab.show_panel()
    expect(lab.section("Sessions")).to_contain_text("own title")  # the same name everywhere
    lab.page.locator(".jp-Terminal:visible").click()
    lab.page.keyboard.press("Control+c")
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))


def test_the_name_of_a_tab_costs_no_request_however_much_happens(lab: LabPage, app: RunningApp):
    asked: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url))
    lab.open_terminal()
    (terminal,) = app.owner.json("GET", "/api/terminals")
    lab.type("for n in $(seq 40); do echo $n; sleep 0.1; done; ec''ho all; sleep 500")
    lab.until_screen("(?m)^all$")
    expect(lab.tab()).to_have_text(re.compile(r"^sleep"))
    assert [url for url in asked if f"/api/terminals/{terminal['name']}" in url] == []


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_a_shell_that_is_left_closes_its_tab(lab: LabPage, is_signed_in: bool):
    lab.open_terminal()
    if not is_signed_in:
        lab.page.route("**/api/status?*", lambda route: route.fulfill(status=401, body=""))
    lab.type("exit")
    expect(lab.page.locator(".jp-Terminal")).to_have_count(0)


def test_a_terminal_is_searched_with_the_keyboard(lab: LabPage):
    lab.open_terminal()
    lab.type("for i in 1 2 3; do echo needle $i; done")
    lab.until_screen("needle 3")
    lab.page.keyboard.press("Control+Shift+F")
    overlay = lab.page.locator(".jp-DocumentSearch-overlay")
    expect(overlay).to_be_visible()
    lab.page.keyboard.insert_text("needle")
    expect(overlay).to_contain_text(re.compile(r"\d/\d"))


@pytest.fixture
def stand_in(app: RunningApp, agent_store: AgentStore) -> Iterator[None]:
    """A Claude Code that only says where it is."""
    agent_store.install(app, "claude-code")
    program = app.home / ".local" / "bin" / "claude"
    aside = program.with_name("claude-aside")
    program.rename(aside)
    program.write_text('#!/bin/sh\necho "in $PWD"\n')
    program.chmod(0o755)
    yield
    aside.replace(program)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("stand_in")
def test_an_agent_starts_in_the_folder_that_is_open(lab: LabPage, app: RunningApp):
    folder = app.home / "projects" / "a folder"
    folder.mkdir(parents=True, exist_ok=True)
    lab.command("filebrowser:open-path", path="projects/a folder")
    lab.open_launcher()
    card = lab.card("Claude Code")
    expect(card).to_have_attribute("title", re.compile("^Start Claude Code in ~/projects/a folder"))
    card.click()
    lab.until_screen(r"(?m)^in .*/projects/a folder$")
    lab.until_screen(r"[$#]$")


XTERM = "window.jupyterapp.shell.currentWidget.content._term"


def test_a_selection_is_copied_by_ctrl_shift_c_and_pasted_by_ctrl_shift_v(lab: LabPage):
    lab.open_terminal()
    lab.page.evaluate("() => navigator.clipboard.writeText('before')")
    lab.page.keyboard.insert_text("echo from a 'selection'")
    lab.page.keyboard.press("Enter")
    lab.until_screen("(?m)^from a selection$")
    row = lab.page.evaluate(
        f"""() => {{
            const {{ active }} = {XTERM}.buffer;
            const rows = [...Array(active.length).keys()];
            const text = y => active.getLine(y).translateToString(true);
            return rows.find(y => text(y) === 'from a selection');
        }}"""
    )
    lab.page.evaluate(f"row => {XTERM}.select(0, row, 16)", row)
    lab.page.keyboard.press("Control+Shift+C")
    lab.until("async () => await navigator.clipboard.readText() === 'from a selection'")
    lab.page.keyboard.insert_text("echo again ")
    lab.page.keyboard.press("Control+Shift+V")
    lab.page.keyboard.press("Enter")
    lab.until_screen("(?m)^again from a selection$")


def test_without_a_selection_ctrl_shift_c_opens_the_command_palette(lab: LabPage):
    lab.open_terminal()
    lab.page.keyboard.press("Control+Shift+C")
    expect(lab.page.locator(".lm-CommandPalette-input:visible")).to_be_focused()
    lab.page.keyboard.press("Escape")


def test_a_rocket_is_two_cells_wide(lab: LabPage):
    lab.open_terminal()
    lab.page.keyboard.insert_text(r"printf 'roc\u006bets \U1f680\U2705\n'")
    lab.page.keyboard.press("Enter")
    lab.until_screen("(?m)^rockets \U0001f680\u2705$")
    widths = lab.page.evaluate(
        f"""() => {{
            const {{ active }} = {XTERM}.buffer;
            const lines = [...Array(active.length).keys()].map(y => active.getLine(y));
            const line = lines.find(line => line.translateToString().startsWith('rockets'));
            return [8, 10].map(x => line.getCell(x).getWidth());
        }}"""
    )
    assert widths == [2, 2]


def test_a_program_that_asks_is_told_that_frames_are_drawn_whole(lab: LabPage):
    lab.open_terminal()
    ask = r"""printf '\033[?2026$p'; IFS= read -rsd y -t 20 it; printf 'told %q\n' "$it" """
    lab.page.keyboard.insert_text(ask)
    lab.page.keyboard.press("Enter")
    lab.until_screen(r"(?m)^told .*\[\?2026;2\$")


def test_option_selects_on_a_mac_while_a_program_tracks_the_mouse(lab: LabPage):
    lab.open_terminal()
    assert lab.page.evaluate(f"() => {XTERM}.options.macOptionClickForcesSelection")


def cell_of(lab: LabPage, text: str) -> tuple[float, float]:
    """Where the terminal in front shows a text last, on the page."""
    place: list[float] = lab.page.evaluate(CELL, text)
    return place[0], place[1]


def click_link(lab: LabPage, text: str) -> None:
    """Move to a text until it is shown as a link, and click."""
    x, y = cell_of(lab, text)
    lab.page.mouse.move(x - 30, y - 40)
    lab.page.mouse.move(x, y, steps=3)
    expect(lab.page.locator(".jp-Terminal:visible .xterm-cursor-pointer").first).to_be_visible()
    lab.page.mouse.click(x, y)


def test_a_path_with_a_line_opens_the_editor_there(lab: LabPage, app: RunningApp):
    folder = app.home / "projects" / "linked"
    folder.mkdir()
    (folder / "long.py").write_text("".join(f"line_{n} = {n}\n" for n in range(1, 200)))
    lab.open_terminal()
    lab.type("cd linked; clear; echo '  File \"./long.py\", line 150, in x; none.py:3 long.py:7:4'")
    lab.until_screen(r"long\.py:7:4\n")
    click_link(lab, "./long.py")
    expect(lab.tab()).to_have_text("long.py")
    eventually(lambda: lab.page.evaluate(CURSOR) == [149, 0], 20, "the place")
    expect(lab.page.locator(".cm-line", has_text="line_150 = 150")).to_be_visible()
    lab.page.locator(".lm-TabBar-tab", has_text="Terminal").click()
    click_link(lab, "long.py:7:4")
    expect(lab.tab()).to_have_text("long.py")
    eventually(lambda: lab.page.evaluate(CURSOR) == [6, 3], 20, "the place")


def test_a_web_link_of_a_program_opens_without_alarm(lab: LabPage):
    alarms: list[str] = []

    def refuse(dialog: Dialog) -> None:
        alarms.append(dialog.message)
        dialog.dismiss()

    lab.page.on("dialog", refuse)
    lab.open_terminal()
    target = f"{lab.url}/dbx-agents/"
    lab.type(rf"clear; printf '\e]8;;{target}\e\\the site\e]8;;\e\\ \n'")
    lab.until_screen("(?m)^the site")
    with lab.page.context.expect_page() as opened:
        click_link(lab, "the site")
    assert opened.value.url == target
    assert alarms == []
    opened.value.close()


# Claude Code's for the background, its editor, a line's end and its stash; others of JupyterLab's.
AGENTS_KEYS = {"b": 2, "g": 7, "j": 10, "s": 19, "p": 16, "h": 8, "k": 11, "f": 6}
READS_KEYS = (
    "import sys, tty; tty.setraw(0); print('re' + 'ady'); "
    f"print(*sys.stdin.buffer.read({len(AGENTS_KEYS)}), sep='-')"
)


def test_the_keys_that_agents_use_reach_the_program_and_not_the_page(lab: LabPage):
    lab.open_terminal()
    lab.type(f'python3 -c "{READS_KEYS}"; stty sane')
    lab.until_screen("ready")
    for key in AGENTS_KEYS:
        lab.page.keyboard.press(f"Control+{key}")
    lab.until_screen("-".join(map(str, AGENTS_KEYS.values())))
