"""The model of a screen draws what xterm.js draws, whatever a program writes."""

import random
from typing import Any

import pytest

from jupyter_dbx_agents.terminals.screen.model import ScreenModel
from tests.support.screens import Screens, differences

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


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_leave_the_same_screen(screens: Screens, seed: int):
    dice = random.Random(seed)
    for _ in range(5):
        rows, columns = dice.choice([(24, 80), (10, 20), (5, 9)])
        count = dice.choice([3, 10, 40, 150])
        steps = [a_step(dice, rows, columns) for _ in range(count)]
        model = ScreenModel(rows, columns)
        for step in steps:
            model.feed(step)
        true = screens.draw(*steps, rows=rows, columns=columns)
        seen = screens.draw(model.render(), rows=rows, columns=columns)
        strip_scrollback(true, seen)
        assert not differences(true, seen), steps


def test_cuts_between_any_two_characters_change_nothing(screens: Screens):
    dice = random.Random(7)
    text = "".join(a_step(dice, 10, 20) for _ in range(200))
    whole, cut = ScreenModel(10, 20), ScreenModel(10, 20)
    whole.feed(text)
    for character in text:
        cut.feed(character)
    assert cut.render() == whole.render()


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
def test_a_sequence_that_is_broken_off_anywhere_ends_as_in_the_browser(
    screens: Screens, sequence: str
):
    found = {}
    for end in range(1, len(sequence) + 1):
        for after in AFTERWARDS:
            text = f"before {sequence[:end]}{after} and \x1b[1mmore\r\n$ "
            model = ScreenModel(10, 40)
            model.feed(text)
            true = screens.draw(text, rows=10, columns=40)
            seen = screens.draw(model.render(), rows=10, columns=40)
            strip_scrollback(true, seen)
            if wrong := differences(true, seen):
                found[text] = wrong
    assert not found


def test_a_look_at_the_clock_in_between_changes_nothing(screens: Screens):
    dice = random.Random(11)
    text = "".join(a_step(dice, 10, 20) for _ in range(400))
    model, rest = ScreenModel(10, 20), text
    true = screens.draw(text, rows=10, columns=20)
    while rest:
        rest = model.feed(rest, deadline=0)
        seen = screens.draw(model.render() + rest, rows=10, columns=20)
        assert not differences(true, seen, "scrollback"), text[: len(text) - len(rest)]


@pytest.mark.parametrize("seed", range(10))
def test_garbage_does_no_harm(screens: Screens, seed: int):
    dice = random.Random(seed)
    garbage = dice.randbytes(20_000).decode(errors="replace")
    garbage += "".join("\x1b" + dice.randbytes(3).decode("latin-1") for _ in range(2_000))
    model = ScreenModel(24, 80)
    for start in range(0, len(garbage), 999):
        model.feed(garbage[start : start + 999])
        model.resize(*random.Random(start).choice([(1, 1), (2, 3), (24, 80), (50, 200)]))
    model.resize(24, 80)
    assert screens.draw(model.render())["typed"] == ""
    model.feed("\x18\x1bcstill here")
    assert screens.draw(model.render())["text"][0] == "still here"


def test_a_replay_is_bounded_however_colourful_the_lines_are(screens: Screens):
    link = f"\x1b]8;;http://a/{'x' * 1500}\x1b\\"
    cells = [f"\x1b[38;2;{n % 256};{n % 7};9;48;2;1;{n % 99};2m{n % 10}" for n in range(80)]
    line = link + "".join(cells) + "\x1b[m\x1b]8;;\x1b\\"
    text = "\r\n".join(f"{n} {line}" for n in range(1100))
    model = ScreenModel(24, 80)
    model.feed(text)
    replay = model.render()
    assert len(replay) < 1024 * 1024
    true, seen = screens.draw(text), screens.draw(replay)
    assert not differences(true, seen, "scrollback")
    strip_scrollback(true, seen)
    kept = len(seen["scrollback"])
    assert kept > 50 and seen["scrollback"] == true["scrollback"][-kept:]


def test_lines_reflow_when_the_terminal_becomes_narrower_and_wider(screens: Screens):
    text = "".join(f"line {n} " + "word " * (n % 23) + "\r\n" for n in range(60)) + "$ "
    model = ScreenModel(24, 80)
    model.feed(text)
    steps: list[object] = [text]
    for size in ((24, 60), (30, 60), (30, 100), (20, 50), (24, 80)):
        model.resize(*size)
        steps.append(size)
        true = screens.draw(*steps)  # type: ignore[arg-type]
        seen = screens.draw(model.render(), rows=size[0], columns=size[1])
        assert true["text"] == seen["text"], size
        assert true["cursor"] == seen["cursor"], size
