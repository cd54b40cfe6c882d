"""Terminals in the browser: images, copying, names, search, and ways back to the same screen."""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.system.running_app import RunningApp, eventually

from .installed import install
from .lab_page import LabPage
from .relay import Relay

FULL_SCREEN = r"""
printf '\033[?1049h\033[2J\033[3;5Hfirst\033[10;20H\033[7mmiddle\033[m\033[20;1Hlast line\033[12;3H'
read -r _
printf '\033[?1049l'
"""


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
    logged_in: LabPage, app: RunningApp, tmp_path: Path
):
    picture = tmp_path / "picture"
    picture.write_bytes(png())
    logged_in.open_terminal()
    logged_in.page.keyboard.insert_text("wc -c ")
    for name in ("my_picture", "my_picture-1"):
        logged_in.paste_file(picture, "my $(picture).png", "image/png")
        logged_in.until_screen(rf"/uploads/{name}\.png")
    logged_in.page.keyboard.press("Enter")
    size = len(png())
    logged_in.until_screen(rf"{size} \S+/uploads/my_picture.png\s+{size} \S+my_picture-1.png")
    assert (app.home / "uploads" / "my_picture.png").read_bytes() == png()


def test_text_on_the_clipboard_is_pasted_as_text(logged_in: LabPage):
    logged_in.open_terminal()
    logged_in.page.evaluate("() => navigator.clipboard.writeText('echo pas' + 'ted text')")
    logged_in.page.keyboard.press("Control+v")
    logged_in.page.keyboard.press("Enter")
    logged_in.until_screen("(?m)^pasted text$")


def test_a_dropped_file_that_is_too_large_or_breaks_off_says_so_and_types_nothing(
    logged_in: LabPage, app: RunningApp, relay: Relay
):
    logged_in.open_terminal()
    before = logged_in.screen()["text"]
    logged_in.drop_file("huge.bin", 33 * 1024 * 1024)
    expect(logged_in.notice).to_contain_text("huge.bin was not uploaded: it has 35 MB")
    logged_in.notice.get_by_role("button", name="Close").click()
    relay.cut_after(8 * 1024 * 1024)
    logged_in.drop_file("half.bin", 20 * 1024 * 1024)
    expect(logged_in.notice).to_contain_text("half.bin was not uploaded", timeout=60_000)
    relay.mend()
    assert logged_in.screen()["text"] == before
    assert not list((app.home / "uploads").glob("*half*"))
    uploads = app.home / "uploads"
    eventually(lambda: not list(uploads.glob(".unfinished*")), 20, "nothing unfinished is left")
    logged_in.drop_file("whole.bin", 20 * 1024 * 1024)
    logged_in.until_screen("/uploads/whole.bin")


def test_files_dragged_from_the_file_browser_have_their_paths_typed(
    logged_in: LabPage, app: RunningApp
):
    folder = app.home / "dragged"
    folder.mkdir()
    for name in ("it's one", "two"):
        (folder / name).write_text(f"content of {name}\n")
    logged_in.open_terminal()
    logged_in.command("filebrowser:open-path", path="dragged")
    logged_in.page.locator(".jp-Terminal:visible").click()
    logged_in.page.keyboard.insert_text("cat ")
    logged_in.drag_to_terminal("it's one", "two")
    logged_in.until_screen("dragged/two")
    logged_in.page.keyboard.press("Enter")
    logged_in.until_screen(r"(?m)^content of it's one\n(?=content of two$)")
    expect(logged_in.page.locator(".jp-FileEditor")).to_have_count(0)


def test_a_program_copies_and_never_reads(logged_in: LabPage):
    logged_in.open_terminal()
    logged_in.page.wait_for_timeout(1100)  # what comes with a connection may be a replay
    logged_in.type(r"printf '\033]52;c;%s\007' $(printf 'copied by OSC 52' | base64)")
    logged_in.page.wait_for_function(
        "async () => await navigator.clipboard.readText() === 'copied by OSC 52'"
    )
    logged_in.type(r"printf '\033]52;c;?\007'; echo as''ked")
    text = logged_in.until_screen("(?m)^asked$")
    assert "Y29waWVk" not in text


def test_a_tab_is_named_after_the_program_in_front(logged_in: LabPage):
    logged_in.open_terminal()
    tab = logged_in.tab()
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))
    logged_in.type("sleep 500")
    expect(tab).to_have_text(re.compile(r"^sleep \(\d+\)$"))
    logged_in.page.keyboard.press("Control+c")
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))
    logged_in.type(r"printf '\033]0;own title\007'; sleep 500")
    expect(tab).to_have_text("own title")
    logged_in.page.keyboard.press("Control+c")
    expect(tab).to_have_text(re.compile(r"^Terminal \d+$"))


def test_a_terminal_is_searched_with_the_keyboard(logged_in: LabPage):
    logged_in.open_terminal()
    logged_in.type("for i in 1 2 3; do echo needle $i; done")
    logged_in.until_screen("needle 3")
    logged_in.page.keyboard.press("Control+Shift+F")
    overlay = logged_in.page.locator(".jp-DocumentSearch-overlay")
    expect(overlay).to_be_visible()
    logged_in.page.keyboard.insert_text("needle")
    expect(overlay).to_contain_text(re.compile(r"\d/\d"))


def test_a_reload_in_the_middle_of_a_full_screen_program_shows_the_same_screen(
    logged_in: LabPage, app: RunningApp
):
    (app.home / "full.sh").write_text(FULL_SCREEN)
    logged_in.open_terminal()
    logged_in.type("bash ~/full.sh")
    logged_in.until_screen("last line")
    before = logged_in.screen()
    assert before["type"] == "alternate"
    logged_in.reload()
    logged_in.until_screen("last line")
    assert logged_in.screen() == before
    logged_in.page.locator(".jp-Terminal:visible").click()
    logged_in.page.keyboard.press("Enter")
    logged_in.until_screen(r"[$#]$")
    assert logged_in.screen()["type"] == "normal"


def test_a_lost_connection_is_said_and_comes_back_to_the_same_screen(
    logged_in: LabPage, relay: Relay
):
    logged_in.open_terminal()
    logged_in.type("echo before the cu''t")
    before = logged_in.until_screen(r"before the cut\n.*[$#]$")
    relay.cut()
    expect(logged_in.notice).to_contain_text("Reconnecting")
    logged_in.type("echo typed mean''while")
    expect(logged_in.status).to_contain_text("reconnecting")
    relay.mend()
    expect(logged_in.notice).to_have_count(0, timeout=60_000)
    text = logged_in.until_screen("(?m)^typed meanwhile$")
    assert text.count("before the cut") == before.count("before the cut")
    expect(logged_in.status).not_to_contain_text("reconnecting", timeout=30_000)


@pytest.fixture
def stand_in(app: RunningApp) -> Iterator[None]:
    """A Claude Code that only says where it is."""
    install(app, "claude-code")
    program = app.home / ".local" / "bin" / "claude"
    aside = program.with_name("claude-aside")
    program.rename(aside)
    program.write_text('#!/bin/sh\necho "in $PWD"\n')
    program.chmod(0o755)
    yield
    aside.replace(program)


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("stand_in")
def test_an_agent_starts_in_the_folder_that_is_open(logged_in: LabPage, app: RunningApp):
    folder = app.home / "projects" / "a folder"
    folder.mkdir(parents=True, exist_ok=True)
    logged_in.command("filebrowser:open-path", path="projects/a folder")
    logged_in.open_launcher()
    logged_in.card("Claude Code").click()
    logged_in.until_screen(r"(?m)^in .*/projects/a folder$")
    logged_in.until_screen(r"[$#]$")
