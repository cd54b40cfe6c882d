"""What happens at the wrong moment: none of it loses a living PAT or leaves one behind."""

import asyncio
import contextlib

import pytest

from dbx_workspace.faults import Fault
from jupyter_dbx_agents.errors import DbxAgentsError, PatError, WorkspaceUnavailableError

ME = "/api/2.0/preview/scim"
CREATE = "/api/2.0/token/create"
LIST = "/api/2.0/token/list"
DELETE = "/api/2.0/token/delete"
DEAD = "Invalid access token."


def ours(scene) -> list[str]:
    return [comment for comment in scene.living() if comment.startswith("jupyter_dbx_agents")]


def slow(scene, path: str, seconds: float = 0.4) -> None:
    scene.workspace.faults.add(Fault(path, "latency", seconds=seconds, times=1))


async def test_a_pat_pasted_while_the_old_one_ends_is_not_thrown_away_with_it(scene):
    await scene.pats.adopt(scene.sample())
    scene.in_use[0] = False
    slow(scene, ME)  # the first step: whatever is minted is minted after the old one's end
    adopting = asyncio.ensure_future(scene.pats.adopt(scene.sample()))
    await scene.until(lambda: scene.pats.state == "adopting")
    scene.clock.advance(901)
    await adopting
    await scene.api.me(scene.pats.current())
    assert scene.pats.state == "active"


async def test_a_session_that_nobody_told_of_keeps_the_pat_alive(scene):
    await scene.pats.adopt(scene.sample())
    scene.in_use[0] = False
    scene.clock.advance(700)
    await scene.api.me(scene.pats.current())
    scene.in_use[0] = True  # a kernel started, silently
    scene.clock.advance(6)
    await scene.until(lambda: scene.pats.rotations == 1)


async def test_one_refusal_by_a_lagging_replica_loses_nothing(scene):
    await scene.pats.adopt(scene.sample())
    pat = scene.pats.current()
    scene.workspace.faults.add(Fault(ME, "status", status=403, message=DEAD, times=1))
    assert await scene.pats.replace_refused(pat) == pat
    scene.workspace.faults.add(Fault(CREATE, "status", status=401, message="?", times=1))
    with pytest.raises(DbxAgentsError):
        await scene.pats.rotate()
    assert scene.pats.state == "retrying"
    assert scene.pats.current() == pat
    await scene.pats.rotate()


async def test_a_wish_to_wait_beyond_the_pats_end_is_not_obeyed(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(CREATE, "429", retry_after="600", times=1))
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.state == "retrying")
    scene.clock.advance(101)
    await scene.until(lambda: scene.pats.state == "active")


@pytest.mark.parametrize("reply", [b"{}", b'{"token_value": "x"}', b"[]", b"<html>"])
async def test_an_odd_reply_does_not_end_the_rotation(scene, reply: bytes):
    await scene.pats.adopt(scene.sample())
    with contextlib.ExitStack() as stack:
        stack.enter_context(scene.odd_reply(CREATE, reply))
        scene.clock.advance(600)
        await scene.until(lambda: scene.pats.state == "retrying")
    await scene.pass_time_until(lambda: scene.pats.state == "active", 40)


async def test_a_listener_that_fails_does_not_end_the_rotation(scene):
    await scene.pats.adopt(scene.sample())

    def fail() -> None:
        raise RuntimeError("a listener's own trouble")

    scene.pats.on_change.insert(0, fail)
    for rotation in (1, 2):
        scene.clock.advance(601)
        await scene.until(lambda wanted=rotation: scene.pats.rotations == wanted)


async def test_a_short_lifetime_granted_by_the_workspace_is_rotated_in_time(scene):
    scene.pats.mint.lifetime_seconds = 300
    await scene.pats.adopt(scene.sample())
    scene.clock.advance(201)
    await scene.until(lambda: scene.pats.rotations == 1)


async def test_a_list_that_fails_once_does_not_leave_the_pasted_token_alive(scene):
    pasted = scene.sample()
    scene.workspace.faults.add(Fault(LIST, "status", status=500, times=1))
    await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "revoked"


async def test_a_list_that_fails_longer_is_tried_again_until_the_pasted_token_is_dead(scene):
    pasted = scene.sample()
    scene.workspace.tokens.id_scheme = "random"  # so that it is listed again after the exchange
    outage = Fault(LIST, "status", status=500, times=3)
    scene.when("active", lambda: scene.workspace.faults.add(outage))
    await scene.pats.adopt(pasted)
    assert scene.pats.status()["pasted"]["state"] == "retrying"
    await scene.pass_time_until(lambda: scene.status_of(pasted) == "revoked", 31)


async def test_a_second_paste_does_not_forget_the_first_one(scene):
    first, second = scene.sample(), scene.sample()
    scene.workspace.faults.add(Fault(DELETE, "status", status=503, times=1))
    await scene.pats.adopt(first)
    assert scene.status_of(first) == "live"
    await scene.pats.adopt(second)
    await scene.pass_time_until(
        lambda: scene.status_of(first) == scene.status_of(second) == "revoked", 31
    )


async def test_logging_out_also_ends_a_pasted_token_that_could_not_be_revoked_before(scene):
    pasted = scene.sample()
    scene.workspace.faults.add(Fault(DELETE, "status", status=503, times=1))
    await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "live"
    await scene.pats.log_out()
    assert scene.status_of(pasted) == "revoked"
    assert scene.living() == []


async def test_logging_out_in_an_outage_says_that_tokens_are_left(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(DELETE, "status", status=503))
    await scene.pats.log_out()
    assert "1 of its tokens could not be revoked" in scene.pats.status()["message"]


async def test_a_stop_in_the_middle_of_a_rotation_leaves_nothing_alive(scene):
    await scene.pats.adopt(scene.sample())
    slow(scene, ME)  # the verification of the fresh one
    rotating = asyncio.ensure_future(scene.pats.rotate())
    await scene.until(lambda: len(ours(scene)) == 2)
    rotating.cancel()
    await asyncio.gather(rotating, return_exceptions=True)
    await scene.pats.stop()
    assert ours(scene) == []


async def test_a_stop_in_the_middle_of_an_adoption_leaves_nothing_alive(scene):
    slow(scene, CREATE)
    adopting = asyncio.ensure_future(scene.pats.adopt(scene.sample()))
    await scene.until(lambda: scene.pats.state == "adopting")
    await scene.pats.stop()
    with pytest.raises(PatError, match="stopping"):
        await adopting
    assert ours(scene) == []


async def test_after_a_stop_nothing_is_adopted_any_more(scene):
    await scene.pats.stop()
    with pytest.raises(PatError, match="stopping"):
        await scene.pats.adopt(scene.sample())
    assert ours(scene) == []


async def test_verifications_that_fail_do_not_pile_up_tokens(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(ME, "status", status=503))
    for _ in range(4):
        with pytest.raises(WorkspaceUnavailableError):
            await scene.pats.rotate()
    await scene.until(lambda: len(ours(scene)) == 1)


async def test_tokens_of_this_process_are_no_candidates_for_the_pasted_one(scene):
    scene.workspace.tokens.id_scheme = "random"
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault(CREATE, "drop_after", times=1))
    with pytest.raises(WorkspaceUnavailableError):
        await scene.pats.rotate()
    pasted = scene.sample()
    await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "revoked"
