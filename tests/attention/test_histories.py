"""Whatever agents report and however they end, none is left working, and each need is told once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents.attention import Attention
from jupyter_dbx_agents.agents.attention import attention as module
from jupyter_dbx_agents.agents.attention.hook import SOCKET_VARIABLE
from jupyter_dbx_agents.agents.attention.processes import AgentProcess, Processes
from jupyter_dbx_agents.agents.attention.session import Place, SessionState
from jupyter_dbx_agents.agents.attention.states import LIVE, State
from jupyter_dbx_agents.errors import RequestError

HISTORIES = 200
STEPS = 25
REPORTS = [
    b"state=working",
    b"state=working:id=sub",
    b"state=working:id=sub/sub",
    b"state=blocked:kind=permission",
    b"state=blocked:kind=question:id=sub",
    b"state=done",
    b"state=error",
    b"state=idle",
    b"state=clear",
    b"state=clear:id=sub",
    b"state=nonsense",
]


class Terminals:
    """Terminals with a shell and at most one agent each, without a pty."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.agents: dict[str, subprocess.Popen[bytes]] = {}

    def open(self, id: str) -> None:
        self.places[id] = Place(id, id, leader=1, group=1)

    def start(self, id: str, folder: str | None = None) -> None:
        """Start an agent in the foreground, in a group of its own as a shell does it."""
        agent = subprocess.Popen(["sleep", "60"], process_group=0, cwd=folder)
        self.agents[id] = agent
        while not PROCESSES.identify(agent.pid).agent:
            pass  # amid its start it has no command line
        self.places[id] = Place(id, id, leader=1, group=agent.pid)

    def start_script(self, id: str, script: str) -> list[int]:
        """Start a script in the foreground; return the processes whose numbers it prints."""
        bash = ["bash", "-c", f"{script}; echo .; wait"]
        started = subprocess.Popen(bash, process_group=0, stdout=subprocess.PIPE)
        self.agents[id] = started
        self.places[id] = Place(id, id, leader=1, group=started.pid)
        assert started.stdout is not None
        with started.stdout as said:
            pids = [int(line) for line in iter(said.readline, b".\n")]
        while any(PROCESSES.identify(pid).program == "bash" for pid in pids):
            pass
        return pids

    def kill(self, id: str) -> None:
        """End the agent as nothing could handle; the shell is in front again."""
        if (agent := self.agents.pop(id, None)) is not None:
            os.killpg(agent.pid, signal.SIGKILL)
            agent.wait()
            self.places[id] = Place(id, id, leader=1, group=1)

    def close(self, id: str) -> None:
        self.kill(id)
        del self.places[id]

    def stop(self) -> None:
        for id in list(self.agents):
            self.kill(id)


# A program that does nothing stands for an agent.
PROCESSES = Processes({"sleep": "claude-code"}, {})


@contextlib.asynccontextmanager
async def running(
    processes: Processes = PROCESSES,
) -> AsyncIterator[tuple[Attention, Terminals]]:
    terminals = Terminals()
    attention = Attention(processes, {}, lambda: terminals.places)
    try:
        yield attention, terminals
    finally:
        terminals.stop()
        await attention.stop()


async def until(attention: Attention, state: State | None) -> None:
    """Wait for the only session to have a state; None for no session."""
    async with asyncio.timeout(5):
        while [s["state"] for s in attention.status()] != ([state] if state else []):
            await asyncio.sleep(0.005)


def step(random_: random.Random, attention: Attention, terminals: Terminals, id: str) -> None:
    """Do one thing that may happen to a terminal."""
    match random_.randrange(10):
        case 0:
            terminals.kill(id)
        case 1:
            if id not in terminals.agents:
                terminals.start(id)
            attention.follow()
        case 2:
            with contextlib.suppress(RequestError):
                attention.see(id, random_.randrange(50))
        case 3:
            place, given = terminals.places[id], random_.choice(list(State))
            pid = terminals.agents[id].pid if id in terminals.agents else 1
            body = {"state": given, "terminal": place.id, "pid": pid, "at": random_.random()}
            attention.hooked("claude-code", body)
        case 4:
            attention.notified(terminals.places[id], b"a notification", has_title=False)
        case 5:
            attention.rang(terminals.places[id], is_reply=False)
        case _:
            attention.reported(terminals.places[id], random_.choice(REPORTS))


async def test_after_200_random_histories_nothing_is_left_working():
    async with running() as (attention, terminals):
        seen_working = 0
        for number in range(HISTORIES):
            random_, id = random.Random(number), f"t{number}"
            terminals.open(id)
            for _ in range(random_.randrange(STEPS)):
                step(random_, attention, terminals, id)
                await asyncio.sleep(0)
            seen_working += any(s["state"] in LIVE for s in attention.status() if s["id"] == id)
            if number % 2:
                terminals.kill(id)
            else:
                attention.terminal_ended(id)
                terminals.close(id)
        async with asyncio.timeout(5):
            while left := [s for s in attention.status() if s["state"] in LIVE]:
                await asyncio.sleep(0.01)
        assert not left
        assert seen_working > HISTORIES / 10  # or the histories would show nothing


async def test_a_killed_agent_has_failed_at_once_and_one_that_has_ended_in_peace_is_gone():
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=working")
        before = asyncio.get_running_loop().time()
        terminals.kill("t")
        await until(attention, State.FAILED)
        assert asyncio.get_running_loop().time() - before < 1
        attention.see("t", attention.status()[0]["revision"])
        assert attention.status() == []
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=idle")
        terminals.kill("t")
        await until(attention, None)


async def test_a_turn_of_thirty_steps_is_told_once_and_each_question_once():
    told: list[SessionState] = []
    async with running() as (attention, terminals):
        attention.on_need.append(told.append)
        terminals.open("t")
        terminals.start("t")
        place = terminals.places["t"]
        for _ in range(30):
            attention.reported(place, b"state=working")
            attention.reported(place, b"state=done")
        attention.reported(place, b"state=done")
        await asyncio.sleep(1.3 * module.SETTLE_SECONDS)
        assert [need["state"] for need in told] == [State.DONE]
        for _ in range(3):
            attention.reported(place, b"state=blocked:kind=permission:msg=cm0=")
        await asyncio.sleep(1.3 * module.SETTLE_SECONDS)
        assert [need["state"] for need in told[1:]] == [State.PERMISSION]


async def test_a_program_that_needs_its_owner_all_the_time_is_told_of_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.01)
    monkeypatch.setattr(module, "TOLD_AGAIN_SECONDS", 0.5)
    told: list[SessionState] = []
    loop = asyncio.get_running_loop()
    async with running() as (attention, terminals):
        attention.on_need.append(told.append)
        terminals.open("t")
        terminals.start("t")
        began = loop.time()
        while loop.time() - began < 1.2:
            attention.reported(terminals.places["t"], b"state=working")
            attention.reported(terminals.places["t"], b"state=done")
            await asyncio.sleep(0.03)
        expected = module.MOST_TOLD_AT_ONCE + (loop.time() - began) / 0.5
        assert module.MOST_TOLD_AT_ONCE <= len(told) <= expected
        async with asyncio.timeout(5):  # the last need is told as well
            while told[-1]["revision"] < attention.status()[0]["revision"]:
                await asyncio.sleep(0.01)


async def test_what_the_owner_has_seen_in_time_is_not_told():
    told: list[SessionState] = []
    async with running() as (attention, terminals):
        attention.on_need.append(told.append)
        terminals.open("t")
        terminals.start("t")
        attention.reported(terminals.places["t"], b"state=done")
        (need,) = attention.status()
        attention.see("t", need["revision"])
        assert attention.status()[0]["state"] is State.IDLE
        await asyncio.sleep(1.3 * module.SETTLE_SECONDS)
        assert told == []


async def test_an_agent_of_another_server_on_this_machine_is_not_listed(monkeypatch):
    monkeypatch.setenv(SOCKET_VARIABLE, "/this/server")
    shells, pids = [], []
    try:
        for socket in ("/this/server", "/another/server"):
            shells.append(
                await asyncio.create_subprocess_exec(
                    "bash",
                    "-c",
                    "sleep 62.7 & echo $!; wait",
                    env=dict(os.environ) | {SOCKET_VARIABLE: socket},
                    stdout=asyncio.subprocess.PIPE,
                )
            )
            assert shells[-1].stdout is not None
            pids.append(int(await shells[-1].stdout.readline()))
        async with asyncio.timeout(5):
            while not all(PROCESSES.identify(pid).agent for pid in pids):
                await asyncio.sleep(0.01)
        listed = {process.pid for process in PROCESSES.outermost()}
        assert listed & set(pids) == {pids[0]}
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for shell in shells:
            await shell.wait()


async def test_an_agent_without_a_terminal_is_listed_until_it_ends():
    one_turn = Processes({"sleep": "claude-code"}, {"claude-code": {"61.7"}})
    terminals = Terminals()
    attention = Attention(one_turn, {}, lambda: terminals.places)
    # Started by a shell, as those that this process starts are none either.
    shell = await asyncio.create_subprocess_exec("bash", "-c", "sleep 61.7; true")
    try:
        async with asyncio.timeout(5):
            while not attention.status():
                attention.found(p for p in one_turn.outermost() if p.does_one_turn)
                await asyncio.sleep(0.01)
        (found,) = attention.status()
        assert (found["terminal"], found["agent"]) == (None, "claude-code")
        assert found["state"] is State.WORKING
        os.kill(int(found["id"].removeprefix("process-")), signal.SIGKILL)
        await until(attention, State.DONE)
        attention.see(found["id"], attention.status()[0]["revision"])
        assert attention.status() == []
    finally:
        terminals.stop()
        await shell.wait()
        await attention.stop()


@pytest.mark.parametrize(("arguments", "is_one_turn"), [(["61.4"], True), (["--", "61.4"], False)])
def test_a_first_prompt_is_no_word_for_a_single_turn(arguments: list[str], is_one_turn: bool):
    processes = Processes({"sleep": "codex"}, {"codex": {"61.4"}})
    with subprocess.Popen(["sleep", *arguments]) as agent:
        while not (found := processes.identify(agent.pid)).agent:
            pass
        agent.kill()
    assert found.does_one_turn is is_one_turn


async def test_a_bell_ends_the_turn_of_an_agent_that_rings_then_and_is_nothing_new_after_it():
    terminals = Terminals()
    marks = {"claude-code": {"\a": State.DONE, "+": State.WORKING, "*": State.WORKING}}
    attention = Attention(PROCESSES, marks, lambda: terminals.places)
    terminals.open("t")
    terminals.start("t")
    place = terminals.places["t"]
    try:
        attention.follow()
        attention.titled(place, b"+ at work")
        assert attention.status()[0]["state"] is State.WORKING
        attention.rang(place, is_reply=True)
        (done,) = attention.status()
        assert done["state"] is State.DONE
        attention.see(done["id"], done["revision"])
        attention.rang(place, is_reply=False)
        assert attention.status()[0]["state"] is State.IDLE

        attention.titled(place, b"* at work")
        other = subprocess.Popen(["cat"], stdin=subprocess.PIPE, process_group=0)
        terminals.places["t"] = Place("t", "t", leader=1, group=other.pid)
        attention.rang(terminals.places["t"], is_reply=True)  # by another program
        attention.titled(terminals.places["t"], b"+ of cat")
        other.communicate()
        await until(attention, State.WORKING)
        terminals.kill("t")
        await until(attention, State.FAILED)
        attention.titled(terminals.places["t"], b"+ of the shell")
        assert attention.status()[0]["state"] is State.FAILED
    finally:
        terminals.stop()
        await attention.stop()


async def test_of_two_hooks_that_overtake_each_other_the_later_one_counts():
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        for state, at in ((State.WORKING, 1.0), (State.DONE, 3.0), (State.WORKING, 2.0)):
            pid = terminals.agents["t"].pid
            body = {"state": state, "terminal": "t", "pid": pid, "at": at}
            attention.hooked("claude-code", body)
        assert attention.status()[0]["state"] is State.DONE


async def test_a_report_is_not_overtaken_by_one_of_another_sub_agent():
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        for state, id, at in (
            (State.WORKING, "", 1.0),
            (State.WORKING, "a", 1.1),
            (State.IDLE, "a", 1.4),
            (State.WORKING, "b", 1.5),
            (State.DONE, "", 1.3),
            (State.IDLE, "b", 1.6),
            (State.WORKING, "a", 1.2),
        ):
            pid = terminals.agents["t"].pid
            body = {"state": state, "id": id, "terminal": "t", "pid": pid, "at": at}
            attention.hooked("claude-code", body)
        assert attention.status()[0]["state"] is State.DONE


@pytest.mark.parametrize("at", [1_000_000, 1_000_000 - 3600.0])
async def test_no_report_is_lost_in_a_whole_second_or_after_the_clock_was_set_back(at: float):
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        for state, moment in ((State.WORKING, 999_999.9), (State.DONE, at)):
            pid = terminals.agents["t"].pid
            body = {"state": state, "terminal": "t", "pid": pid, "at": moment}
            attention.hooked("claude-code", body)
        assert attention.status()[0]["state"] is State.DONE


async def test_a_program_without_a_known_process_does_not_work_after_it_was_in_front():
    async with running() as (attention, terminals):
        terminals.open("t")
        gone = subprocess.Popen(["true"], process_group=0)
        gone.wait()
        terminals.places["t"] = Place("t", "t", leader=1, group=gone.pid)
        attention.reported(terminals.places["t"], b"state=working")
        attention.follow()
        await until(attention, State.WORKING)
        terminals.places["t"] = Place("t", "t", leader=1, group=1)
        attention.follow()
        await until(attention, State.FAILED)


@pytest.mark.parametrize("agent", ["claude-code", ""], ids=["agent", "ssh"])
async def test_a_prompt_of_a_program_in_front_leaves_nothing_at_work_when_that_ends(agent: str):
    async with running(Processes({"sleep": agent} if agent else {}, {})) as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        place = terminals.places["t"]
        attention.reported(place, b"state=working")
        attention.prompted(place)  # an agent runs what prints one; in ssh it is a shell's
        await until(attention, State.WORKING if agent else State.FAILED)
        attention.reported(place, b"state=working")
        terminals.kill("t")
        await until(attention, State.FAILED)


async def test_an_agent_in_a_script_is_known_and_ends_before_the_script():
    async with running() as (attention, terminals):
        terminals.open("t")
        for _ in range(2):
            (pid,) = terminals.start_script("t", "tail -f /dev/null & sleep 60 & echo $!")
            attention.reported(terminals.places["t"], b"state=working")
            assert attention.status()[0]["agent"] == "claude-code"
            os.kill(pid, signal.SIGKILL)
            await until(attention, State.FAILED)
            terminals.kill("t")


async def test_an_agent_that_another_one_has_started_takes_nothing_from_it():
    processes = Processes({"sleep": "gemini-cli", "bash": "claude-code"}, {})
    async with running(processes) as (attention, terminals):
        terminals.open("t")
        (pid,) = terminals.start_script("t", "sleep 60 & echo $!")
        attention.reported(terminals.places["t"], b"state=working")
        for state in (State.WORKING, State.DONE):
            body = {"state": state, "terminal": "t", "pid": pid, "at": 1.0}
            attention.hooked("gemini-cli", body)
            (session,) = attention.status()
            assert (session["agent"], session["state"]) == ("claude-code", State.WORKING)


async def test_an_agent_with_the_number_of_one_that_has_ended_is_another_one(
    monkeypatch: pytest.MonkeyPatch,
):
    def ended(_pid: int) -> int:
        raise ProcessLookupError

    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t")
        pid = terminals.agents["t"].pid
        with monkeypatch.context() as context:
            context.setattr(os, "pidfd_open", ended)
            attention.background(AgentProcess(pid, "claude-code", "sleep", does_one_turn=True))
            await until(attention, State.DONE)
        attention.hooked("claude-code", {"state": State.WORKING, "pid": pid, "at": 1.0})
        await until(attention, State.WORKING)
        terminals.kill("t")
        await until(attention, State.FAILED)


async def test_what_an_agent_wrote_before_its_end_counts_when_it_is_read_after_it():
    async with running() as (attention, terminals):
        terminals.open("t")
        for last, state in ((b"done", State.DONE), (b"clear", None), (b"working", State.FAILED)):
            terminals.start("t")
            attention.reported(terminals.places["t"], b"state=working")
            terminals.kill("t")
            await until(attention, State.FAILED)
            attention.reported(terminals.places["t"], b"state=" + last)
            await until(attention, state)
            assert all(session["agent"] == "claude-code" for session in attention.status())


async def test_an_agent_in_the_background_takes_the_place_of_one_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "MOST_BACKGROUND", 1)
    async with running() as (attention, terminals):
        for id in ("first", "second"):
            terminals.open(id)
            terminals.start(id)
            body = {"state": State.WORKING, "pid": terminals.agents[id].pid, "at": 1.0}
            attention.hooked("claude-code", body)
            (session,) = attention.status()
            assert session["id"] == f"process-{terminals.agents[id].pid}"
            terminals.kill(id)
            await until(attention, State.FAILED)


async def test_names_of_folders_and_programs_are_shown_without_controls(tmp_path: Path):
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/a\x1b[31m\xffb")
    Path(folder).mkdir()
    async with running() as (attention, terminals):
        terminals.open("t")
        terminals.start("t", folder)
        attention.follow()
        (session,) = attention.status()
        assert session["folder"].endswith("/a\ufffd[31m\ufffdb")
        assert session["folder"].encode()


async def test_a_shell_that_says_it_works_is_not_believed_and_a_bell_is_news():
    async with running() as (attention, terminals):
        terminals.open("t")
        for state in (b"working", b"idle", b"clear"):  # the last words of an agent, too
            attention.reported(terminals.places["t"], b"state=" + state)
            assert attention.status() == []
        attention.rang(terminals.places["t"], is_reply=False)
        assert attention.status()[0]["state"] is State.DONE
