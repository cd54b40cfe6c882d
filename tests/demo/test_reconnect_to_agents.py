"""Who reconnects to a real agent's screen sees what one that was there all along sees.

xterm.js draws what each was sent.  Both are sent the same messages from the moment on when the
second has joined, so that these tell at which of the first one's messages that was.
"""

from __future__ import annotations

from typing import Any

import pytest

from jupyter_dbx_agents.terminals.replay import Replay
from jupyter_dbx_agents.terminals.screen.renderer import ScreenRenderer
from tests.support.effort import some
from tests.support.running_app import COLUMNS, ROWS, RunningApp
from tests.support.screens import Screens, differences, keep
from tests.support.terminal_client import TerminalClient

from .test_real_agents import ONCE, READY, command_of, put

# Long enough for a second client to join in the middle, and to be sent some more of it.
QUESTION = "stream: 50 chunks every 50 ms"
FOLLOWED_MESSAGES = 10
SMALL_RING_BYTES = 16 * 1024
# Below a transcript, with scroll regions, and on the whole screen: the ways to draw.
AGENTS_BY_STYLE = ["claude-code", "codex", "opencode"]


@pytest.mark.parametrize("agent", some(1, AGENTS_BY_STYLE))
async def test_a_client_that_joins_at_work_and_at_rest_sees_an_agents_true_screen(
    app: RunningApp, screens: Screens, renderer: ScreenRenderer, agent: str
):
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as true:
        true.run("mkdir -p plain && cd plain")
        true.type(command_of(agent) + "\n")
        true.expect(READY[agent], 120)
        put(true, QUESTION, lambda: is_at_work(app, agent))
        with app.owner.attached(true.name) as late:
            late.until(lambda: len(late.messages) > FOLLOWED_MESSAGES)
            at_work = compare(screens, true, late)
            true.until(lambda: not is_at_work(app, agent))
        with app.owner.attached(true.name) as late:
            late.until(lambda: late.messages)
            for key in "and typing goes on":
                true.type(key)
            late.until(lambda: len(late.messages) > 1)  # what tells where it joined
            late.until_quiet()
            compare(screens, true, late)
    replay = Replay(SMALL_RING_BYTES, ROWS, COLUMNS, renderer)
    for message in true.messages:
        await keep(replay, message.encode())
    expect_the_same(screens, "".join(true.messages), replay.render().decode())
    assert "chunk" in "".join(at_work["text"])


def is_at_work(app: RunningApp, agent: str) -> bool:
    """Whether the workspace is answering a question of the agent."""
    calls = app.calls(path=f"/ai-gateway{ONCE[agent][1]}")
    return any(call["outcome"] == "open" for call in calls)


def compare(screens: Screens, true: TerminalClient, late: TerminalClient) -> dict[str, Any]:
    """Compare what both saw when the second had joined, and what they see now; return the first."""
    followed = late.messages[1:]

    def joined_at() -> int | None:
        starts = reversed(range(len(true.messages) - len(followed) + 1))  # it is among the last
        return next(
            (at for at in starts if true.messages[at : at + len(followed)] == followed), None
        )

    true.until(lambda: joined_at() is not None)
    start = joined_at()
    assert start is not None
    then = expect_the_same(screens, "".join(true.messages[:start]), late.messages[0])
    end = start + len(followed)
    expect_the_same(screens, "".join(true.messages[:end]), "".join(late.messages))
    return then


def expect_the_same(screens: Screens, true: str, replayed: str) -> dict[str, Any]:
    """Compare two screens with their modes and scrollback; return the true one."""
    expected, seen = (
        screens.draw(output, rows=ROWS, columns=COLUMNS) for output in (true, replayed)
    )
    assert not differences(expected, seen)
    assert seen["typed"] == ""
    return expected
