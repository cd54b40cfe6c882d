"""No failure without a pause, none that loses a token, and none that holds the others up."""

import asyncio
import json
import time

import pytest

from dbx_workspace.faults import Fault
from jupyter_dbx_agents.errors import PatError, WorkspaceUnavailableError
from jupyter_dbx_agents.pat import SignIn
from jupyter_dbx_agents.pat import clock as clocks
from jupyter_dbx_agents.pat import rotator as rotators
from jupyter_dbx_agents.pat.clock import SystemClock
from jupyter_dbx_agents.pat.rotation import operations
from tests.pat.conftest import scene as make_scene
from tests.support import consent
from tests.support.constants import OWNER

ME = "/api/2.0/preview/scim"
CREATE = "/api/2.0/token/create"
LIST = "/api/2.0/token/list"
DELETE = "/api/2.0/token/delete"


def ours(scene) -> list[str]:
    return [comment for comment in scene.living() if comment.startswith("jupyter_dbx_agents")]


def calls(scene, path: str) -> int:
    return len(scene.workspace.requests.since(0, path))


async def test_a_refusal_that_cannot_be_checked_is_followed_by_a_pause(scene):
    await scene.pats.adopt(scene.sample())
    dead = Fault(CREATE, "status", status=403, message="Invalid access token.")
    scene.workspace.faults.add(dead)
    scene.workspace.faults.add(Fault(ME, "status", status=503))
    before = calls(scene, CREATE)
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.state == "retrying")
    await asyncio.sleep(0.3)  # in which a loop without a pause calls a hundred times
    assert calls(scene, CREATE) == before + 1
    assert scene.pats.status()["next_rotation_at"] is not None


async def test_an_unexpected_failure_is_followed_by_a_pause_too(scene):
    await scene.pats.adopt(scene.sample())
    attempts = []

    async def fail(_current):
        attempts.append(1)
        raise ZeroDivisionError

    scene.pats._held.source.next = fail
    scene.clock.advance(600)
    await scene.until(lambda: bool(attempts))
    await asyncio.sleep(0.3)
    assert len(attempts) == 1
    assert scene.pats.state == "retrying"


async def test_what_fell_due_while_the_machine_slept_is_noticed_soon(monkeypatch):
    slept = [0.0]
    elapsed = clocks._elapsed_seconds
    monkeypatch.setattr(clocks, "_elapsed_seconds", lambda: elapsed() + slept[0])
    monkeypatch.setattr("jupyter_dbx_agents.pat.plan.LONGEST_WAIT_SECONDS", 0.05)
    async with make_scene(clock=SystemClock()) as made:
        await made.pats.adopt(made.sample())
        slept[0] += 700  # beyond the interval, within the life
        made.workspace.clock.advance(700)
        await made.until(lambda: made.pats.rotations == 1)
        slept[0] += 1000  # beyond the life
        made.workspace.clock.advance(1000)
        await made.until(lambda: made.pats.state == "expired")
        assert "alive" not in made.pats.message
        assert "not renewed in time" in made.pats.message


async def test_the_wall_clock_that_is_set_later_is_the_one_that_is_shown(monkeypatch):
    async with make_scene(clock=SystemClock()) as made:
        await made.pats.adopt(made.sample())
        before = made.pats.status()["expires_at"]
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + 7200)
        after = made.pats.status()["expires_at"]
        assert before
        assert after
        assert int(after[11:13]) == (int(before[11:13]) + 2) % 24


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_a_token_that_cannot_be_verified_is_not_left_behind(scene, status: int):
    await scene.pats.adopt(scene.sample())
    blocked = "IP address is blocked by the access list."
    scene.workspace.faults.add(Fault(ME, "status", status=status, message=blocked))
    for _ in range(4):
        with pytest.raises(Exception):  # noqa: B017 whichever
            await scene.pats.rotate()
    await scene.until(lambda: len(ours(scene)) == 1)


async def test_a_reply_that_cannot_be_read_does_not_leave_its_token_behind(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(CREATE, "drop_after", times=3))
    for _ in range(3):
        with pytest.raises(WorkspaceUnavailableError):
            await scene.pats.rotate()
    await scene.until(lambda: len(ours(scene)) == 1)


async def test_a_token_that_cannot_be_deleted_is_remembered_beyond_a_log_out(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(DELETE, "status", status=503))
    await scene.pats.log_out()
    assert len(ours(scene)) == 1
    scene.workspace.faults.clear()
    await scene.pass_time_until(lambda: not ours(scene), 5)


async def test_a_revocation_waits_as_long_as_the_workspace_asks_for(scene):
    await scene.pats.adopt(scene.sample())
    await scene.pats.rotate()
    scene.workspace.faults.add(Fault(DELETE, "429", retry_after="40", times=1))
    before = calls(scene, DELETE)
    scene.clock.advance(61)
    await scene.until(lambda: calls(scene, DELETE) == before + 1)
    scene.clock.advance(35)
    await asyncio.sleep(0.2)
    assert calls(scene, DELETE) == before + 1
    await scene.pass_time_until(lambda: len(ours(scene)) == 1, 6)


async def test_a_revocation_that_hangs_holds_neither_agents_nor_rotations_up(scene):
    await scene.pats.adopt(scene.sample())
    await scene.pats.rotate()
    hang = scene.workspace.faults.add(Fault(DELETE, "latency", seconds=600))
    scene.clock.advance(61)
    await scene.until(lambda: hang.used_count == 1)
    async with asyncio.timeout(20):
        await scene.pats.replace_refused(scene.pats.current())
        await scene.pats.rotate()


async def test_a_stop_while_a_call_hangs_revokes_the_pat_that_is_in_use(scene):
    await scene.pats.adopt(scene.sample())
    hang = scene.workspace.faults.add(Fault(CREATE, "latency", seconds=600, times=1))
    rotating = asyncio.ensure_future(scene.pats.rotate())
    await scene.until(lambda: hang.used_count == 1)
    await scene.pats.stop()
    assert scene.living() == []
    with pytest.raises(PatError, match="stopping"):
        await rotating


async def test_a_log_out_does_not_wait_for_an_adoption_that_hangs(scene):
    hang = scene.workspace.faults.add(Fault(ME, "latency", seconds=600, times=1))
    adopting = asyncio.ensure_future(scene.pats.adopt(scene.sample()))
    await scene.until(lambda: hang.used_count == 1)
    async with asyncio.timeout(20):
        await scene.pats.log_out()
    with pytest.raises(PatError, match="logged out"):
        await adopting


async def test_an_adoption_ends_before_the_platform_gives_its_answer_up(scene, monkeypatch):
    assert operations.COMMAND_SECONDS + operations.EXCHANGED_SECONDS < 120
    monkeypatch.setattr(operations, "COMMAND_SECONDS", 0.3)
    scene.workspace.faults.add(Fault(CREATE, "latency", seconds=600, times=1))
    with pytest.raises(WorkspaceUnavailableError, match="took longer"):
        await scene.pats.adopt(scene.sample())
    assert scene.pats.state == "needed"


async def test_what_the_owner_waits_for_ends_in_time_behind_an_operation_that_hangs(
    scene, monkeypatch
):
    await scene.pats.adopt(scene.sample())
    hang = scene.workspace.faults.add(Fault(CREATE, "latency", seconds=600, times=1))
    scene.clock.advance(600)
    await scene.until(lambda: hang.used_count == 1)  # the rotation holds the lock
    sign_in = SignIn(scene.pats, scene.clock, expected_user=lambda: OWNER)
    address = (await sign_in.begin())["address"]
    monkeypatch.setattr(operations, "COMMAND_SECONDS", 0.3)
    signed_in = sign_in.answer(await asyncio.to_thread(consent.answer, address))
    async with asyncio.timeout(20):
        for command in (scene.pats.adopt(scene.sample()), scene.pats.rotate(), signed_in):
            with pytest.raises(WorkspaceUnavailableError, match="took longer"):
                await command
    assert scene.pats.state == "active"
    assert len(ours(scene)) == 1


async def test_a_log_out_waits_for_nothing_that_waits_itself(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(ME, "latency", seconds=600))
    hang = scene.workspace.faults.add(Fault(CREATE, "latency", seconds=600))
    scene.clock.advance(600)
    await scene.until(lambda: hang.used_count == 1)
    adopting = asyncio.ensure_future(scene.pats.adopt(scene.sample()))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await scene.pats.log_out()
    with pytest.raises(PatError, match="logged out"):
        await adopting
    assert ours(scene) == []


async def test_a_token_that_ran_out_while_the_machine_slept_is_not_called_valid(scene):
    await scene.pats.adopt(scene.sample())
    scene.clock.advance(3600)
    await scene.until(lambda: scene.pats.state == "expired")
    assert "the machine may have been asleep" in scene.pats.message
    assert "valid" not in scene.pats.message
    assert scene.pats.current() is None


async def test_a_loop_of_rotations_leaves_the_users_quota_alone(scene):
    scene.workspace.tokens.quota = 60
    await scene.pats.adopt(scene.sample())
    for _ in range(100):
        await scene.pats.rotate()
    assert len(ours(scene)) <= rotators.MOST_WAITING + 1


async def test_a_revocation_that_spreads_slowly_is_confirmed_in_the_end(scene):
    pasted = scene.sample()
    scene.workspace.tokens.revocation_delay_seconds = 60
    await scene.pats.adopt(pasted)
    assert scene.pats.status()["pasted"]["state"] == "retrying"
    assert "deleted" in scene.pats.status()["pasted"]["message"]
    await scene.pass_time_until(lambda: scene.pats.status()["pasted"]["state"] == "revoked", 10)


async def test_a_revocation_that_never_takes_effect_is_said(scene):
    pasted = scene.sample()
    scene.workspace.tokens.revocation_delay_seconds = 3600
    await scene.pats.adopt(pasted)
    await scene.pass_time_until(lambda: scene.pats.status()["pasted"]["state"] == "kept", 30)
    assert "still accepts it" in scene.pats.status()["pasted"]["message"]


async def test_a_token_that_is_pasted_in_two_places_at_once_is_adopted_once(scene):
    pasted = scene.sample()
    await asyncio.gather(scene.pats.adopt(pasted), scene.pats.adopt(pasted))
    assert scene.pats.state == "active"
    assert len(ours(scene)) == 1


@pytest.mark.parametrize("id_scheme", ["sha256", "random"])
async def test_a_list_that_lags_makes_no_other_token_the_pasted_one(scene, id_scheme: str):
    scene.workspace.tokens.id_scheme = id_scheme
    innocent, pasted = scene.sample(comment="my CI token"), scene.sample()
    entry = scene.token(innocent).public_info()
    with (
        scene.odd_reply(LIST, json.dumps({"token_infos": [entry]}).encode()),
        pytest.raises(WorkspaceUnavailableError, match="does not list this token yet"),
    ):
        await scene.pats.adopt(pasted)
    assert scene.status_of(innocent) == scene.status_of(pasted) == "live"
    await scene.pats.adopt(pasted)
    assert scene.status_of(innocent) == "live"
    expected = {"sha256": "revoked", "random": "kept"}
    assert scene.pats.status()["pasted"]["state"] == expected[id_scheme]


async def test_an_odd_entry_of_the_list_does_not_keep_the_pasted_token_alive(scene):
    pasted = scene.sample()
    odd = {"token_id": "f" * 64, "comment": "odd", "creation_time": 1, "expiry_time": 10**17}
    body = {"token_infos": [odd, scene.token(pasted).public_info()]}
    with scene.odd_reply(LIST, json.dumps(body).encode()):
        await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "revoked"
