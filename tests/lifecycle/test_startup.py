"""Start-up tasks: order, progress, and that one which fails harms no other."""

import asyncio
import logging

import pytest

from jupyter_dbx_agents.errors import InstallError
from jupyter_dbx_agents.lifecycle.startup import StartupTasks


@pytest.fixture
def tasks():
    return StartupTasks()


def model(tasks, name):
    return next(task for task in tasks.status() if task["name"] == name)


async def nothing(_progress):
    pass


def test_a_task_starts_when_those_before_it_have_ended_and_the_others_run_beside(tasks):
    order = []
    begun = asyncio.Event()

    async def first(_progress):
        await begun.wait()
        order.append("first")

    async def beside(_progress):
        begun.set()
        order.append("beside")

    async def second(_progress):
        order.append("second")

    tasks.add("first", "First", first)
    tasks.add("second", "Second", second, after=("first",))
    tasks.add("beside", "Beside", beside)
    asyncio.run(tasks.run())
    assert order == ["beside", "first", "second"]
    assert [task["state"] for task in tasks.status()] == ["done"] * 3
    assert [task["name"] for task in tasks.status()] == ["first", "second", "beside"]


def test_one_failing_task_stops_no_other_and_says_what_to_do(tasks, caplog):
    async def broken(_progress):
        raise InstallError("npm is missing.", "Install it.")

    tasks.add("broken", "Install X", broken)
    tasks.add("later", "Later", nothing, after=("broken",))
    tasks.add("other", "Other", nothing)
    tasks.log = logging.getLogger("startup-test")
    with caplog.at_level(logging.DEBUG):
        asyncio.run(tasks.run())
    assert model(tasks, "broken") == {
        "name": "broken",
        "title": "Install X",
        "state": "failed",
        "progress": None,
        "message": "npm is missing.",
        "hint": "Install it.",
    }
    assert model(tasks, "later")["state"] == model(tasks, "other")["state"] == "done"
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["Install X failed: npm is missing. Install it."]
    assert any("Traceback" in r.getMessage() for r in caplog.records if r.levelno == logging.DEBUG)


def test_each_change_is_told_and_a_listener_that_fails_harms_nothing(tasks):
    seen = []

    async def work(progress):
        progress(None, "Others first.")
        await tasks.run_again("work")  # it has begun: a waiting task is not run beside itself
        progress(0.5, "half")
        progress(0.5, "half")

    def broken_listener():
        raise RuntimeError("no")

    tasks.on_change.append(broken_listener)
    tasks.on_change.append(lambda: seen.append(model(tasks, "work")))
    tasks.add("work", "Work", work)
    assert model(tasks, "work")["state"] == "pending"
    asyncio.run(tasks.run())
    assert [(t["state"], t["progress"], t["message"]) for t in seen] == [
        ("running", None, ""),
        ("pending", None, "Others first."),
        ("running", 0.5, "half"),
        ("done", 1.0, "half"),
    ]


def test_a_failed_task_can_be_run_again(tasks):
    results = [InstallError("no network"), None]

    async def work(_progress):
        result = results.pop(0)
        if result:
            raise result

    async def scenario():
        tasks.add("work", "Work", work)
        await tasks.run()
        assert model(tasks, "work")["state"] == "failed"
        await tasks.run_again("work")

    asyncio.run(scenario())
    assert model(tasks, "work")["state"] == "done"
    assert model(tasks, "work")["message"] == ""


def test_cancelling_ends_the_tasks_and_says_so(tasks):
    started, cleaned_up = asyncio.Event(), []

    async def work(_progress):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    async def scenario():
        tasks.add("work", "Work", work)
        running = asyncio.create_task(tasks.run())
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scenario())
    assert cleaned_up == [True]
    assert model(tasks, "work")["state"] == "failed"


def test_a_task_cannot_wait_for_one_that_is_not_there(tasks):
    tasks.add("a", "A", nothing)
    with pytest.raises(ValueError, match="already"):
        tasks.add("a", "A", nothing)
    with pytest.raises(ValueError, match="'b'"):
        tasks.add("c", "C", nothing, after=("b",))


def test_a_task_whose_cause_may_pass_is_run_again_until_it_works(tasks):
    tasks.first_pause_seconds = 0.01
    tries = []

    async def flaky(_progress):
        tries.append(model(tasks, "flaky")["state"])
        if len(tries) < 3:
            raise InstallError("No network.", "Check it.", is_temporary=True)

    seen = []
    tasks.on_change.append(lambda: seen.append(model(tasks, "flaky")["hint"]))
    tasks.add("flaky", "Flaky", flaky)
    asyncio.run(tasks.run())
    assert len(tries) == 3
    assert model(tasks, "flaky")["state"] == "done"
    assert any("Retrying in 0 s. Check it." in hint for hint in seen)


def test_a_task_that_fails_for_good_is_not_run_again(tasks):
    tries = []

    async def broken(_progress):
        tries.append(1)
        raise InstallError("Other content.", "Ask.")

    tasks.add("broken", "Broken", broken)
    asyncio.run(tasks.run())
    assert len(tries) == 1


def test_an_owner_who_runs_a_task_need_not_wait_for_its_next_turn(tasks):
    tasks.first_pause_seconds = 0.2
    tries = []

    async def flaky(_progress):
        tries.append(1)
        if len(tries) == 1:
            raise InstallError("No network.", is_temporary=True)

    async def scenario():
        running = asyncio.create_task(tasks.run())
        while model(tasks, "flaky")["state"] != "failed":
            await asyncio.sleep(0)
        await tasks.run_again("flaky")
        await running

    tasks.add("flaky", "Flaky", flaky)
    asyncio.run(scenario())
    assert len(tries) == 2
