"""An agent that Ctrl-Z stops, or that runs behind its shell, is neither lost nor left at work."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import signal
import subprocess

import pytest

from jupyter_dbx_agents.agents.attention import Attention
from jupyter_dbx_agents.agents.attention import attention as module
from jupyter_dbx_agents.agents.attention.attention import STOPPED
from jupyter_dbx_agents.agents.attention.session import Place, SessionState
from jupyter_dbx_agents.agents.attention.states import State

from .test_histories import Terminals, running, until


@pytest.fixture(autouse=True)
def settled_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.3)


def set_front(terminals: Terminals, group: int) -> None:
    terminals.places["t"] = dataclasses.replace(terminals.places["t"], group=group)


def stop(terminals: Terminals, attention: Attention) -> int:
    """Stop the agent as Ctrl-Z does; return its process once it has stopped."""
    pid = terminals.agents["t"].pid
    os.killpg(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    set_front(terminals, 1)
    return pid


def only(attention: Attention) -> SessionState:
    (session,) = attention.status()
    return session


@pytest.mark.parametrize("has_marks", [True, False])
@pytest.mark.parametrize("state", [b"working", b"blocked:kind=permission"])
async def test_an_agent_that_is_stopped_is_idle_and_goes_on_where_it_was(
    has_marks: bool, state: bytes
):
    """``has_marks`` if the shell marks its prompts (OSC 133)."""
    told: list[SessionState] = []
    async with running() as (attention, terminals):
        attention.on_need.append(told.append)
        terminals.open("t")
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=" + state)
        was = only(attention)["state"]
        pid = stop(terminals, attention)
        if has_marks:
            attention.prompted(terminals.places["t"])
        else:
            attention.follow()
        stopped = only(attention)
        assert (stopped["state"], stopped["text"]) == (State.IDLE, STOPPED)
        assert stopped["agent"] == "claude-code"
        await asyncio.sleep(1.3 * module.SETTLE_SECONDS)
        assert told == []

        os.killpg(pid, signal.SIGCONT)
        set_front(terminals, pid)
        attention.follow()
        assert only(attention)["state"] is was
        terminals.kill("t")
        await until(attention, State.FAILED if was is State.WORKING else None)


async def test_an_agent_that_runs_on_behind_the_shell_works_and_reports_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    async with running() as (attention, terminals):
        looking = asyncio.create_task(attention.run(lambda: False))
        terminals.open("t")
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=working")
        pid = stop(terminals, attention)
        await until(attention, State.IDLE)
        os.killpg(pid, signal.SIGCONT)  # bg: the shell stays in front, and nothing says so
        await until(attention, State.WORKING)
        os.killpg(pid, signal.SIGSTOP)  # it has read from its terminal
        await until(attention, State.IDLE)
        os.killpg(pid, signal.SIGCONT)
        attention.reported(terminals.places["t"], b"state=done")
        assert (only(attention)["state"], only(attention)["agent"]) == (State.DONE, "claude-code")
        looking.cancel()


async def test_an_agent_that_was_put_aside_is_in_the_background_of_another_program():
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=working")
        pid = stop(terminals, attention)
        os.killpg(pid, signal.SIGCONT)
        other = subprocess.Popen(["cat"], stdin=subprocess.PIPE, process_group=0)
        set_front(terminals, other.pid)
        attention.notified(terminals.places["t"], b"Build done", has_title=False)
        found = {s["id"]: s["state"] for s in attention.status()}
        assert found == {f"process-{pid}": State.WORKING, "t": State.DONE}
        other.communicate()
        attention.hooked("claude-code", {"state": "question", "pid": pid, "at": 1.0})
        assert len(attention.status()) == 2

        set_front(terminals, pid)
        attention.follow()
        assert (only(attention)["id"], only(attention)["state"]) == ("t", State.QUESTION)


async def test_a_request_is_told_once_however_often_its_words_change_and_each_other_one_too():
    told: list[SessionState] = []
    async with running() as (attention, terminals):
        attention.on_need.append(told.append)
        terminals.open("t")
        terminals.start("t")

        def ask(text: str, more: bytes = b"") -> None:
            place = terminals.places["t"]
            said = base64.b64encode(text.encode())
            attention.reported(place, b"state=blocked:kind=permission:msg=" + said + more)

        loop = asyncio.get_running_loop()
        began = loop.time()
        number = 0
        while loop.time() - began < 2.5 * module.SETTLE_SECONDS:
            number += 1
            ask(f"ask {number}")
            await asyncio.sleep(0.05)
        assert len(told) == 1
        assert only(attention)["text"] == f"ask {number}"

        terminals.places["t"] = answered(terminals.places["t"])
        ask("the next one")
        await until_told(told, 2)
        attention.reported(terminals.places["t"], b"state=clear")
        ask("of a sub-agent", b":id=a")
        await until_told(told, 3)
        ask("of another", b":id=b")
        attention.reported(terminals.places["t"], b"state=clear:id=a")
        await until_told(told, 4)
        assert len({need["revision"] for need in told}) == 4


def answered(place: Place) -> Place:
    """A terminal in which somebody has just typed."""
    return dataclasses.replace(place, typed_at=asyncio.get_running_loop().time())


async def until_told(told: list[SessionState], count: int) -> None:
    async with asyncio.timeout(5):
        while len(told) < count:
            await asyncio.sleep(0.01)
    assert len(told) == count
