"""The picture of a screen draws what xterm.js has drawn, whatever a program writes."""

import random
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.terminals.replay import Replay
from jupyter_dbx_agents.terminals.screen import renderer as renderer_module
from jupyter_dbx_agents.terminals.screen.escapes import safe_end
from jupyter_dbx_agents.terminals.screen.renderer import SCRIPT, ScreenRenderer, Step
from tests.support.effort import some
from tests.support.screens import Screens, differences, keep

WORDS = ["hello world ", "x", "The quick brown fox ", "word " * 20, "12345"]
WIDE = ["漢字", "テスト", "e\u0301", "🙂 ok", "✅", "\u0915\u094d\u0937", "👩\u200d💻", "한글"]
PENS = ["0", "1", "2", "3", "4", "7", "9", "22", "24", "27", "31", "39", "42", "49", "95", "103"]
PENS += ["38;5;200", "48;2;1;2;3", "38:5:9", "4:3"]
MODES = ["1", "7", "12", "25", "1000", "1002", "1004", "1006", "2004"]


def a_step(dice: random.Random, rows: int, columns: int) -> str:
    """Return something that a program might write."""

    def number(most: int) -> str:
        return str(dice.choice(["", 0, 1, 2, 3, dice.randrange(1, most + 1), most, most + 3]))

    return dice.choice(
        [
            lambda: dice.choice(WORDS) * dice.randrange(1, 4),
            lambda: dice.choice(WORDS),
            lambda: dice.choice(WIDE) * dice.randrange(1, 6),
            lambda: "\r\n" * dice.randrange(1, 4),
            lambda: dice.choice("\b\t\r\n") * dice.randrange(1, 4),
            lambda: f"\x1b[{number(rows)};{number(columns)}H",
            lambda: f"\x1b[{number(rows)}{dice.choice('ABCDEFG`adeIZ')}",
            lambda: f"\x1b[{dice.choice(['', '0', '1', '2'])}K",
            lambda: f"\x1b[{dice.choice(['', '0', '2', '3'])}J",
            lambda: f"\x1b[{';'.join(dice.sample(PENS, dice.randrange(1, 4)))}m",
            lambda: f"\x1b[{number(5)}{dice.choice('LMSTP@X')}",
            lambda: dice.choice([f"\x1b[{number(rows)};{number(rows)}r", "\x1b[r", "\x1b[r"]),
            lambda: dice.choice(["\x1b7", "\x1bM", "\x1bD", "\x1bE", "\x1b=", "\x1b>"]),
            lambda: f"\x1b[?{dice.choice(MODES)}{dice.choice('hl')}",
            lambda: dice.choice(["\x1b[?1049h", "\x1b[?1049l", "\x1b[?1049h\x1b[H\x1b[2J"]),
            lambda: "\x1b(0lqqk\x1b(B",
            lambda: f"\x1b]2;title {dice.randrange(9)}\x07",
            lambda: dice.choice(["\x1b[4h", "\x1b[4l", "\x1b[4l"]),
            lambda: dice.choice(["\x1bP+q544e\x1b\\", "\x1b_Gi=1;AAAA\x1b\\", "\x1b[9b"]),
        ]
    )()


def strip_scrollback(*screens: dict[str, Any]) -> None:
    """Blanks at the end of a line that has scrolled off cannot be seen."""
    for screen in screens:
        screen["scrollback"] = [line.rstrip() for line in screen["scrollback"]]


async def drawn(
    renderer: ScreenRenderer, steps: list[str], size: tuple[int, int], every: int
) -> str:
    """Return what draws the steps, after a picture of each so many of them."""
    picture, output = b"", b""
    for number, step in enumerate(steps, 1):
        output += step.encode()
        if number % every == 0:
            end = safe_end(output)
            picture = await renderer.render([size, picture + output[:end]])
            output = output[end:]
    return (picture + output).decode()


@pytest.mark.parametrize("seed", some(16, range(40)))
async def test_random_programs_leave_the_same_screen(
    screens: Screens, renderer: ScreenRenderer, seed: int
):
    dice = random.Random(seed)
    for _ in range(5):
        rows, columns = dice.choice([(24, 80), (10, 20), (5, 9)])
        count = dice.choice([3, 10, 40, 150])
        program = [a_step(dice, rows, columns) for _ in range(count)]
        for every in (1, count):
            # A cursor saved before the scrollback was cleared may be on no row of the screen.
            saves = any(step == "\x1b7" or "?1049h" in step for step in program)
            is_kept = every == count or not saves
            steps = [step for step in program if is_kept or step != "\x1b[3J"]
            true = screens.draw(*steps, rows=rows, columns=columns)
            picture = await drawn(renderer, steps, (rows, columns), min(every, len(steps)))
            seen = screens.draw(picture, rows=rows, columns=columns)
            strip_scrollback(true, seen)
            assert not differences(true, seen), steps


async def test_cuts_between_any_two_characters_change_nothing(
    screens: Screens, renderer: ScreenRenderer
):
    dice = random.Random(7)
    text = "".join(a_step(dice, 10, 20) for _ in range(200))
    true = screens.draw(text, rows=10, columns=20)
    cut = await drawn(renderer, list(text), (10, 20), 1)
    seen = screens.draw(cut, rows=10, columns=20)
    strip_scrollback(true, seen)
    assert not differences(true, seen)


SEQUENCES = [
    "\x1b[12;5H",
    "\x1b[?25l",
    "\x1b[1;31m",
    "\x1b[2 q",
    "\x1b(0",
    "\x1b#8",
    "\x1b7",
    "\x1bM",
]
SEQUENCES += [
    "\x1b]2;title\x07",
    "\x1b]8;;http://a/\x1b\\",
    "\x1b_Gi=1;AA\x1b\\",
    "\x1b[38:2::1:2:3m",
]
AFTERWARDS = ["\x1b[0mhello", "\x18hello", "\x1ahello", "\r\nhello", "\x7f\x00H\bello", "漢hello"]
AFTERWARDS += ["\x07hello", "\x1b[3;3Hhello", "\x1b", "5mhello", "é\x1b[31mhello"]


@pytest.mark.parametrize("sequence", SEQUENCES)
async def test_a_sequence_that_is_broken_off_anywhere_ends_as_in_the_browser(
    screens: Screens, renderer: ScreenRenderer, sequence: str
):
    found = {}
    for end in range(1, len(sequence) + 1):
        for after in AFTERWARDS:
            text = f"before {sequence[:end]}{after} and \x1b[1mmore\r\n$ "
            picture = await renderer.render([(10, 40), text.encode()])
            true = screens.draw(text, rows=10, columns=40)
            seen = screens.draw(picture.decode(), rows=10, columns=40)
            strip_scrollback(true, seen)
            if wrong := differences(true, seen):
                found[text] = wrong
    assert not found


@pytest.mark.parametrize("seed", range(10))
async def test_garbage_does_no_harm(screens: Screens, renderer: ScreenRenderer, seed: int):
    dice = random.Random(seed)
    garbage = dice.randbytes(20_000).decode(errors="replace")
    garbage += "".join("\x1b" + dice.randbytes(3).decode("latin-1") for _ in range(2_000))
    steps: list[Step] = [(24, 80)]
    for start in range(0, len(garbage), 999):
        steps.append(garbage[start : start + 999].encode())
        steps.append(random.Random(start).choice([(1, 1), (2, 3), (24, 80), (50, 200)]))
    picture = await renderer.render([*steps, (24, 80)])
    assert screens.draw(picture.decode())["typed"] == ""
    picture = await renderer.render([(24, 80), picture + b"\x18\x1bcstill here"])
    assert screens.draw(picture.decode())["text"][0] == "still here"


async def test_a_replay_is_bounded_however_colourful_the_lines_are(
    screens: Screens, renderer: ScreenRenderer
):
    link = f"\x1b]8;;http://a/{'x' * 1500}\x1b\\"
    cells = [f"\x1b[38;2;{n % 256};{n % 7};9;48;2;1;{n % 99};2m{n % 10}" for n in range(80)]
    line = link + "".join(cells) + "\x1b[m\x1b]8;;\x1b\\"
    text = "\r\n".join(f"{n} {line}" for n in range(1100))
    replay = (await renderer.render([(24, 80), text.encode()])).decode()
    assert len(replay) < 1024 * 1024
    true, seen = screens.draw(text), screens.draw(replay)
    assert not differences(true, seen, "scrollback")
    strip_scrollback(true, seen)
    kept = len(seen["scrollback"])
    assert kept > 50 and seen["scrollback"] == true["scrollback"][-kept:]


async def test_lines_reflow_when_the_terminal_becomes_narrower_and_wider(
    screens: Screens, renderer: ScreenRenderer
):
    text = "".join(f"line {n} " + "word " * (n % 23) + "\r\n" for n in range(60)) + "$ "
    picture, size = text.encode(), (24, 80)
    steps: list[str | tuple[int, int]] = [text]
    for other in ((24, 60), (30, 60), (30, 100), (20, 50), (24, 80)):
        picture = await renderer.render([size, picture, other])
        size = other
        steps.append(size)
        true = screens.draw(*steps)
        seen = screens.draw(picture.decode(), rows=size[0], columns=size[1])
        assert true["text"] == seen["text"], size
        assert true["cursor"] == seen["cursor"], size


def a_flood(dice: random.Random, rows: int, columns: int) -> str:
    """Return output of a program that scrolls much of what it writes out of the scrollback."""
    parts = [
        lambda: "".join(
            f"line {n} {dice.choice(['word ' * dice.randrange(30), '漢字 ' * dice.randrange(8)])}"
            + dice.choice(["\r\n", "\r\n", "\n"])
            for n in range(dice.randrange(120))
        ),
        lambda: f"\x1b[{dice.randrange(rows)};{dice.randrange(columns)}H text \x1b[K",
        lambda: f"\x1b[{dice.choice(['0', '', '1;31', '44', '48;2;1;2;3', '7'])}m",
        lambda: f"\x1b[{dice.randrange(9)}A\x1b[2Kx\r\n",
        lambda: dice.choice(["\x1b[?25l", "\x1b[?2004h", "\x1b[?1002h", "\x1b[?1006h"]),
        lambda: dice.choice(["\x1b[2J\x1b[H", "\x1b[J", "\x1b[J", "\x1b]0;tïtle 漢\x07"]),
    ]
    return "".join(dice.choice(parts)() for _ in range(600))


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_skipped_because_it_scrolls_off_is_not_missed(
    screens: Screens, renderer: ScreenRenderer, seed: int
):
    dice = random.Random(seed)
    for rows, columns in ((24, 80), (10, 20)):
        text = "".join(["\x1b[31m", a_flood(dice, rows, columns)])
        picture = await renderer.render([(rows, columns), text.encode()])
        true = screens.draw(text, rows=rows, columns=columns)
        seen = screens.draw(picture.decode(), rows=rows, columns=columns)
        strip_scrollback(true, seen)
        assert len(text.encode()) > 128 * 1024 and not differences(true, seen)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_died_or_hangs_is_replaced_unnoticed(
    renderer: ScreenRenderer, monkeypatch: pytest.MonkeyPatch, number: int
):
    monkeypatch.setattr(renderer_module, "RENDER_SECONDS", 2.0)
    picture = await renderer.render([(24, 80), b"before"])
    process = renderer.process
    assert process is not None
    process.send_signal(number)
    assert await renderer.render([(24, 80), b"before"]) == picture
    assert renderer.process is not process


async def test_colours_that_are_never_reset_do_not_pile_up(renderer: ScreenRenderer):
    replay = Replay(16 * 1024, 24, 80, renderer)
    for number in range(200):
        pens = (f"\x1b[38;2;{number};{n % 256};{n % 7}mline {n}\r\n" for n in range(1_000))
        await keep(replay, "".join(pens).encode())
    assert len(replay.render()) < 1024 * 1024


async def test_a_huge_repeat_costs_a_screen_of_characters(
    screens: Screens, renderer: ScreenRenderer
):
    moderate = await renderer.render([(24, 80), b"x\x1b[2010b"])
    true = screens.draw("x\x1b[2010b")
    assert not differences(true, screens.draw(moderate.decode()), "scrollback")
    for count in (200_000_010, 2**31 - 1 - 37):  # both as many columns too many as 2010 is
        drawn = await renderer.render([(24, 80), f"x\x1b[{count}b".encode()])
        assert drawn == moderate
    assert renderer.process is not None and peak_bytes(renderer.process.pid) < 100_000_000


async def test_after_a_picture_that_failed_the_ring_alone_is_shown(
    screens: Screens, renderer: ScreenRenderer, monkeypatch: pytest.MonkeyPatch
):
    replay = Replay(4096, 24, 80, renderer)
    await keep(replay, b"\x1b[?1049h" + b"\x1b[Hfull screen" * 1_000)
    monkeypatch.setattr(renderer_module, "ATTEMPTS", 0)
    await keep(replay, b"\x1b[?1049l" + b"\x1b[Hback on the shell's screen" * 1_000)
    assert screens.draw(replay.render().decode())["buffer"] != "alternate"


async def test_who_joins_during_a_flood_is_ready_after_one_fold(renderer: ScreenRenderer):
    replay = Replay(4096, 24, 80, renderer)
    replay.append(b"\x1b[Hdrawn" * 100_000)
    replay.resize(30, 100)
    replay.append(b"\x1b[Hdrawn" * 100_000)
    assert not replay.is_ready
    await replay.fold()
    assert replay.is_ready


def test_xterm_is_the_published_file_of_the_version_that_judges(screens: Screens):
    for published in (screens.headless, screens.widths):
        assert (SCRIPT.parent / published.name).read_bytes() == published.read_bytes()


async def test_the_process_ends_with_the_one_that_started_it(renderer: ScreenRenderer):
    await renderer.render([(24, 80), b"drawn"])
    assert renderer.process is not None and renderer.process.stdin is not None
    renderer.process.stdin.close()  # as the kernel does, however that process ends
    assert await renderer.process.wait() == 0


async def test_without_node_there_is_the_ring(
    renderer: ScreenRenderer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    replay = Replay(4096, 24, 80, renderer)
    for number in range(2_000):
        await keep(replay, f"\x1b[H{number} redrawn".encode())
    replay.resize(30, 100)
    await replay.fold()
    assert replay.is_ready and replay.render().endswith(b"1999 redrawn")
    assert len(replay.render()) < 3 * 4096


async def test_twenty_terminals_cost_less_than_a_hundred_megabytes(renderer: ScreenRenderer):
    replays = [Replay(16 * 1024, 24, 80, renderer) for _ in range(20)]
    for number in range(40):
        for replay in replays:
            lines = (f"\x1b[3{n % 8}mline {n} of {number}\x1b[0m\r\n" for n in range(1_000))
            await keep(replay, "\x1b[H".join(lines).encode())
            assert renderer.process is None or peak_bytes(renderer.process.pid) < 100_000_000


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had; 0 when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0
