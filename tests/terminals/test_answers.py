"""What a terminal answers by itself, and what it never types into a program."""

from __future__ import annotations

import json
import sys

import pytest

from jupyter_dbx_agents.terminals.answers.colours import ColourQueries
from jupyter_dbx_agents.terminals.answers.late import is_typed
from jupyter_dbx_agents.terminals.answers.theme import CurrentTheme, Theme

from .clients import Server

# Sets the terminal raw, writes what it is told to, and shows what it then reads, until a "q".
ASKING = """
import os, sys, termios, tty
before = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, sys.argv[1].encode().decode("unicode_escape").encode("latin-1"))
read = b""
while not read.endswith(b"q"):
    os.write(1, b"read " + repr(read).encode() + b";")
    read += os.read(0, 1000)
termios.tcsetattr(0, termios.TCSANOW, before)
"""
WHITE, BLACK = r"rgb:ffff/ffff/ffff", r"rgb:0000/0000/0000"
COLOURS = {
    r"\x1b]11;?\x07": rf"\x1b]11;{WHITE}\x07",
    r"\x1b]11;?\x1b\\": rf"\x1b]11;{WHITE}\x1b\\",
    r"\x1b]10;?;?\x07": rf"\x1b]10;{BLACK}\x07\x1b]11;{WHITE}\x07",
    r"\x1b]12;?\x07": rf"\x1b]12;{BLACK}\x07",
    r"\x1b]4;1;?;231;?\x07": rf"\x1b]4;1;rgb:cccc/0000/0000\x07\x1b]4;231;{WHITE}\x07",
    r"\x1b[?996n": r"\x1b[?997;2n",
    r"\x1b[?2031$p": r"\x1b[?2031;2$y",
    r"\x1b[?2031h\x1b[?2031$p": r"\x1b[?2031;1$y",
    r"\x1b]11;#102030\x07\x1b]11;?\x07": r"\x1b]11;rgb:1010/2020/3030\x07",
    r"\x1b]11;#102030\x07\x1b]111\x07\x1b]11;?\x07": rf"\x1b]11;{WHITE}\x07",
}


@pytest.mark.parametrize("asked", COLOURS)
def test_colours_are_answered_without_any_browser(server: Server, asked: str):
    name = server.new(sys.executable, "-c", ASKING, asked)
    answer = COLOURS[asked].encode().decode("unicode_escape").encode("latin-1")
    with server.client(name) as client:
        client.wait_for(f"read {answer!r};")
        client.type("q")
    assert "?\x07" not in client.output and "?\x1b\\" not in client.output  # no browser was asked


def test_a_browsers_answer_about_colours_is_never_typed(server: Server):
    with server.client(server.new(sys.executable, "-c", ASKING, "")) as client:
        client.wait_for("read b''")
        for late in (
            "\x1b]11;rgb:ffff/ffff/ffff\x1b\\",
            "\x1b]10;rgb:0000/0000/0000\x07",
            "\x1b]4;7;rgb:aaaa/aaaa/aaaa\x07\x1b[?997;1n",
        ):
            client.type(late)
        client.type("key")
        client.wait_for("read b'key'")
        client.type("q")


def test_an_answer_reaches_who_asked_and_nobody_after_it(server: Server):
    with server.client(server.new()) as client:
        client.until_shell()
        client.type(f"{sys.executable} -c '{ASKING}' '\\x1b[c\\x1b[6n'\r")
        client.wait_for("read b''")
        client.type("\x1b[?1;2c")
        client.type("\x1b[5;1R")
        client.wait_for(r"\x1b[5;1R';")
        client.type("q")
        client.until_shell()
        client.type("\x1b[?1;2c")
        client.type("\x1b[5;1R")
        client.type("echo clean\r")
        client.wait_for("echo clean\r\n\x1b[?2004l\rclean\r\n")  # at once after the prompt
        assert "$ echo clean" in client.output


def test_terminals_name_the_colours_in_their_environment(server: Server):
    with server.client(server.new("sh", "-c", "echo theme $COLORFGBG; read x")) as client:
        client.wait_for("theme 0;15\r\n")


def taken(output: bytes, size: int) -> tuple[bytes, bytes]:
    """What is passed on of output that comes in pieces of a size, and what is answered."""
    answers = bytearray()
    queries = ColourQueries(CurrentTheme(), answers.extend, lambda: 1)
    pieces = [output[at : at + size] for at in range(0, len(output), size)]
    return b"".join(map(queries.take, pieces)), bytes(answers)


@pytest.mark.parametrize("size", range(1, 20))
def test_questions_are_found_wherever_output_is_cut(size: int):
    output = (
        b"a\x1b[31mb\x1b]11;?\x1b\\c\x1b[?25ld\x1b]10;?\x07e\x1b[?996nf\x1b]0;title\x07g\x1b[Hh"
    )
    kept = b"a\x1b[31mbc\x1b[?25ldef\x1b]0;title\x07g\x1b[Hh"
    whole = taken(output, len(output))
    assert whole[0] == kept
    assert taken(output, size) == whole


def test_only_the_program_that_asked_hears_of_a_change():
    answers, front, theme = bytearray(), [7], CurrentTheme()
    queries = ColourQueries(theme, answers.extend, lambda: front[0])
    theme.follow(queries)
    dark, light = Theme((255, 255, 255), (17, 17, 17)), Theme()
    theme.change(dark)
    assert not answers
    queries.take(b"\x1b[?2031h")
    theme.change(light)
    theme.change(light)
    assert answers == b"\x1b[?997;2n"
    front[0] = 8  # it has crashed, and a shell is there
    theme.change(dark)
    assert answers == b"\x1b[?997;2n"
    front[0] = 7
    queries.take(b"\x1b[?2031l")
    theme.change(light)
    assert answers == b"\x1b[?997;2n"


def test_everything_else_passes_unchanged():
    text = json.dumps(
        ["\x1b]8;;https://x\x1b\\", "\x1b[?2026h", "\x1b]52;c;?\x07", "\x1b[6n"]
    ).encode()
    for size in (1, 3, len(text)):
        assert taken(text, size) == (text, b"")


def test_what_a_terminal_sends_by_itself_is_not_what_somebody_has_typed():
    by_itself = (
        *(b"\x1b[I", b"\x1b[O\x1b[I"),  # the focus
        *(b"\x1b[<35;1;1M", b"\x1b[<64;80;24M\x1b[<65;80;24M"),  # the pointer moves, the wheel
        *(b"\x1b[?1;2c", b"\x1b[24;1R", b"\x1bP>|xterm.js(5.5.0)\x1b\\"),  # answers
    )
    typed = (b"", b"a", b"\r", b"\x1b", b"\x1b[A", b"\x1b[<0;1;1M", b"\x1b[Iy", b"\x1b[1;2R")
    assert [data for data in by_itself if is_typed(data)] == []
    assert [data for data in typed if not is_typed(data)] == []
