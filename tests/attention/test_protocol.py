"""What agents report through their terminals: parsed, bounded, and shown as harmless text."""

import base64

import pytest

from jupyter_dbx_agents.agents.attention.states import (
    MOST_RECORDS,
    Records,
    Report,
    State,
    one_line,
)
from jupyter_dbx_agents.agents.attention.status_protocol import notification_text, status_report


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("content", "report"),
    [
        (b"state=idle", Report(State.IDLE)),
        (b"state=working:progress=40", Report(State.WORKING)),
        (b"state=done:app=x", Report(State.DONE)),
        (b"state=error:msg=" + encoded("no model"), Report(State.FAILED, "no model")),
        (b"state=blocked:kind=permission", Report(State.PERMISSION)),
        (
            b"kind=question:state=blocked:title=" + encoded("Which?"),
            Report(State.QUESTION, "Which?"),
        ),
        (b"state=blocked:kind=auth", Report(State.QUESTION)),
        (b"state=blocked", Report(State.QUESTION)),
        (b"state=working:id=a/b", Report(State.WORKING, "", "a/b")),
        (b"state=clear", Report(None)),
        (b"state=working:msg=%%%", Report(State.WORKING)),
        (b"?", None),
        (b"", None),
        (b"state=dancing", None),
        (b"state", None),
        (b"\xff=\xff", None),
    ],
)
def test_a_report_of_the_draft_is_read_and_any_other_is_ignored(
    content: bytes, report: Report | None
):
    assert status_report(content) == report


def test_untrusted_text_becomes_one_short_line_without_controls():
    nasty = "rm \x1b[2J-rf\x9b31m\n\t/ \u202egpj.exe\u2028 \U000f0000" + "x" * 1000
    text = one_line(nasty)
    assert text.startswith("rm [2J-rf 31m / gpj.exe x")
    assert len(text) == 200
    assert text.isprintable()
    report = status_report(b"state=working:msg=" + encoded(nasty))
    assert report is not None
    assert report.text == text
    family, word = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0645\u06cc\u200c\u062e"
    assert one_line(f"{family} {word}") == f"{family} {word}"


@pytest.mark.parametrize(
    ("content", "has_title", "text"),
    [
        (b"Build done", False, "Build done"),
        (b"4;1;50", False, ""),  # ConEmu's progress bar
        (b"notify;Claude Code;needs you", True, "Claude Code: needs you"),
        (b"notify;only a title", True, "only a title"),
        (b"precmd", True, ""),
    ],
)
def test_notifications_are_read(content: bytes, has_title: bool, text: str):
    assert notification_text(content, has_title=has_title) == text


def test_what_an_agent_is_doing_is_the_most_urgent_of_its_sub_agents():
    records = Records()
    records.put(Report(State.DONE))
    records.put(Report(State.WORKING, "sub", "a"))
    assert records.main().state is State.WORKING
    records.put(Report(State.PERMISSION, "rm", "a/b"))
    assert records.main() == Report(State.PERMISSION, "rm", "a/b")
    records.put(Report(None, id="a"))  # and what is below it
    assert records.main().state is State.DONE
    records.put(Report(None))
    assert records.main().state is State.IDLE


def test_records_are_bounded_and_what_needs_the_owner_is_never_one_too_many():
    records = Records()
    for number in range(MOST_RECORDS):
        records.put(Report(State.DONE, id=f"{number}"))
    records.put(Report(State.WORKING, id="one too many"))
    assert records.main().state is State.WORKING
    for number in range(2 * MOST_RECORDS):
        records.put(Report(State.WORKING, id=f"at work {number}"))
    records.put(Report(State.PERMISSION, "rm", id="late"))
    assert records.main() == Report(State.PERMISSION, "rm", "late")
    records.put(Report(None, id="late"))
    assert records.main().state is State.WORKING


def test_sub_agents_that_are_idle_take_no_place():
    records = Records()
    records.put(Report(State.WORKING, id="first"))
    for number in range(2 * MOST_RECORDS):
        records.put(Report(State.WORKING, id=f"{number}"))
        records.put(Report(State.IDLE, id=f"{number}"))
    assert records.main() == Report(State.WORKING, id="first")


def test_the_end_of_a_process_leaves_nothing_at_work_or_asking():
    for state in State:
        records = Records()
        records.put(Report(state))
        records.put(Report(state, id="sub"))
        records.end()
        assert records.main().state in {State.DONE, State.FAILED, State.IDLE}
