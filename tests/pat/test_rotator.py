"""The credential's life against the local workspace."""

import asyncio

import pytest

from dbx_workspace.faults import Fault
from jupyter_dbx_agents.errors import (
    PatCannotMintError,
    PatError,
    PatForeignUserError,
    PatNeededError,
    PatRefusedError,
    TokenRefusedError,
    WorkspaceUnavailableError,
)
from jupyter_dbx_agents.secret import Secret


async def test_adoption_mints_a_short_pat_and_revokes_exactly_the_pasted_one(scene):
    other, pasted = scene.sample(comment="my CI token"), scene.sample()
    await scene.pats.adopt(pasted)
    current = scene.pats.current()
    token = scene.token(current)
    assert (token.expires_at - token.created_at).total_seconds() == 900
    assert token.comment.startswith("jupyter_dbx_agents my-app ")
    assert scene.status_of(pasted) == "revoked"
    assert scene.status_of(other) == "live"
    status = scene.pats.status()
    assert (status["state"], status["user"]) == ("active", "owner@example.com")
    assert status["pasted"]["state"] == "revoked"
    assert scene.states[:2] == ["adopting", "active"]


async def test_with_unknown_ids_the_only_other_token_is_provably_the_pasted_one(scene):
    scene.workspace.tokens.id_scheme = "random"
    pasted = scene.sample()
    await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "revoked"


async def test_with_unknown_ids_and_several_tokens_none_is_revoked_until_the_owner_picks(scene):
    scene.workspace.tokens.id_scheme = "random"
    other, pasted = scene.sample(comment="other"), scene.sample(comment="mine")
    await scene.pats.adopt(pasted)
    assert (scene.status_of(pasted), scene.status_of(other)) == ("live", "live")
    shown = scene.pats.status()["pasted"]
    assert shown["state"] == "kept"
    assert {c["comment"] for c in shown["candidates"]} == {"other", "mine"}
    with pytest.raises(PatError, match="not one of the tokens"):
        await scene.pats.revoke_pasted(scene.token(scene.pats.current()).token_id)
    await scene.pats.revoke_pasted(scene.token(pasted).token_id)
    assert (scene.status_of(pasted), scene.status_of(other)) == ("revoked", "live")


async def test_a_token_of_another_user_is_refused_and_nothing_is_minted(scene):
    scene.workspace.add_user("eve@example.com")
    with pytest.raises(PatForeignUserError):
        await scene.pats.adopt(scene.sample(user="eve@example.com"))
    assert len(scene.workspace.tokens.all()) == 1
    assert scene.pats.status()["state"] == "needed"


async def test_an_unknown_or_expired_token_is_refused_with_advice(scene):
    with pytest.raises(PatRefusedError) as caught:
        await scene.pats.adopt(Secret("dapi" + "0" * 32))
    assert "Create a new one" in caught.value.hint
    expired = scene.sample(lifetime_seconds=10)
    scene.clock.advance(11)
    with pytest.raises(PatRefusedError):
        await scene.pats.adopt(expired)


async def test_a_token_without_the_scope_to_mint_is_refused_and_stays_alive(scene):
    pasted = scene.sample(scopes=("scim", "serving"))
    with pytest.raises(PatCannotMintError, match="too narrow to renew it"):
        await scene.pats.adopt(pasted)
    assert scene.status_of(pasted) == "live"


async def test_quota_and_disabled_tokens_are_named_with_their_cure(scene):
    pasted = scene.sample()
    scene.workspace.tokens.quota = 1
    with pytest.raises(PatCannotMintError, match="limit of 600 tokens"):
        await scene.pats.adopt(pasted)
    scene.workspace.tokens.quota = 600
    scene.workspace.tokens.are_disabled = True
    with pytest.raises(PatCannotMintError, match="disabled"):
        await scene.pats.adopt(pasted)


async def test_a_failed_adoption_leaves_the_working_credential_alone(scene):
    await scene.pats.adopt(scene.sample())
    before = scene.pats.current()
    with pytest.raises(PatRefusedError):
        await scene.pats.adopt(Secret("dapi" + "0" * 32))
    assert scene.pats.current() == before
    assert scene.pats.status()["state"] == "active"


async def test_the_apps_own_token_is_not_adopted(scene):
    await scene.pats.adopt(scene.sample())
    with pytest.raises(PatRefusedError, match="that this app created"):
        await scene.pats.adopt(scene.pats.current())


async def test_rotation_happens_at_the_interval_and_the_old_one_dies_after_its_promises(scene):
    await scene.pats.adopt(scene.sample())
    first = scene.pats.current()
    scene.clock.advance(590)
    promised_until = scene.pats.promise().expires_on
    scene.clock.advance(10)
    await scene.until(lambda: scene.pats.rotations == 1)
    second = scene.pats.current()
    assert second != first
    scene.clock.advance(promised_until - scene.clock.now().timestamp() + 55)
    await scene.api.me(first)
    scene.clock.advance(10)
    await scene.until(lambda: scene.status_of(first) == "revoked")
    assert scene.status_of(second) == "live"


async def test_no_rotation_while_no_session_is_open_and_then_the_pat_runs_out(scene):
    await scene.pats.adopt(scene.sample())
    pat = scene.pats.current()
    scene.in_use[0] = False
    scene.clock.advance(899)
    await scene.api.me(pat)
    assert scene.pats.rotations == 0
    scene.clock.advance(2)
    await scene.until(lambda: scene.pats.state == "expired")
    assert scene.pats.current() is None
    assert scene.pats.promise() is None
    assert "expired" in scene.pats.message


async def test_a_session_that_opens_in_time_rotates_at_once(scene):
    await scene.pats.adopt(scene.sample())
    scene.in_use[0] = False
    scene.clock.advance(800)
    await scene.api.me(scene.pats.current())
    assert scene.pats.rotations == 0
    scene.in_use[0] = True
    scene.pats.session_opened()
    await scene.until(lambda: scene.pats.rotations == 1)


async def test_a_failing_rotation_is_retried_and_the_old_pat_is_served_to_its_end(scene):
    await scene.pats.adopt(scene.sample())
    first = scene.pats.current()
    scene.workspace.faults.add(Fault("/api/2.0/token/create", "status", status=503))
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.state == "retrying")
    assert scene.pats.current() == first
    scene.workspace.faults.clear()
    await scene.pass_time_until(lambda: scene.pats.state == "active", 40)
    assert scene.pats.current() != first


async def test_a_rotation_that_never_succeeds_ends_in_expired_with_the_reason(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault("/api/2.0/token/create", "status", status=503))
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.state == "retrying")
    scene.clock.advance(301)
    await scene.until(lambda: scene.pats.state == "expired")
    assert "503" in scene.pats.message


async def test_a_wish_to_wait_longer_is_respected(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.faults.add(Fault("/api/2.0/token/create", "429", retry_after="100", times=1))
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.state == "retrying")
    seen = len(scene.workspace.requests.since(0, "/api/2.0/token/create"))
    scene.clock.advance(90)
    await scene.api.me(scene.pats.current())
    assert len(scene.workspace.requests.since(0, "/api/2.0/token/create")) == seen
    scene.clock.advance(11)
    await scene.until(lambda: scene.pats.state == "active")


async def test_a_token_whose_creation_was_never_answered_is_swept_up(scene):
    await scene.pats.adopt(scene.sample())
    first = scene.pats.current()
    scene.workspace.faults.add(Fault("/api/2.0/token/create", "drop_after", times=1))
    with pytest.raises(WorkspaceUnavailableError):
        await scene.pats.rotate()
    await scene.pats.rotate()
    kept = {scene.pats.current(), first}
    await scene.until(lambda: len(scene.living()) == len(kept) == 2)
    assert all(scene.status_of(secret) == "live" for secret in kept)


async def test_a_pat_revoked_from_outside_ends_in_needed_at_the_next_rotation(scene):
    await scene.pats.adopt(scene.sample())
    scene.workspace.tokens.revoke(scene.token(scene.pats.current()).token_id)
    with pytest.raises(TokenRefusedError):
        await scene.pats.rotate()
    assert scene.pats.state == "needed"
    with pytest.raises(PatNeededError):
        await scene.pats.rotate()


async def test_a_refused_pat_is_replaced_by_the_current_one(scene):
    await scene.pats.adopt(scene.sample())
    first = scene.pats.current()
    await scene.pats.rotate()
    assert await scene.pats.replace_refused(first) == scene.pats.current() != first


async def test_a_refusal_of_a_living_pat_is_looked_into_once_for_many_calls(scene):
    await scene.pats.adopt(scene.sample())
    pat = scene.pats.current()
    before = len(scene.workspace.requests.since(0, "/api/2.0/preview/scim"))
    answers = await asyncio.gather(*(scene.pats.replace_refused(pat) for _ in range(20)))
    assert answers == [pat] * 20
    assert len(scene.workspace.requests.since(0, "/api/2.0/preview/scim")) == before + 1


async def test_a_refused_dead_pat_is_needed_for_everybody_at_once(scene):
    await scene.pats.adopt(scene.sample())
    pat = scene.pats.current()
    scene.workspace.tokens.revoke(scene.token(pat).token_id)
    assert await scene.pats.replace_refused(pat) is None
    assert scene.pats.state == "needed"
    assert scene.states[-1] == "needed"


async def test_logging_out_revokes_all_that_we_made_and_nothing_else(scene):
    scene.sample(comment="my CI token")
    await scene.pats.adopt(scene.sample())
    await scene.pats.rotate()
    await scene.pats.log_out()
    assert scene.living() == ["my CI token"]
    assert scene.pats.state == "needed"
    assert scene.pats.status()["expires_at"] is None


async def test_a_clean_stop_revokes_all_that_we_made(scene):
    await scene.pats.adopt(scene.sample())
    await scene.pats.rotate()
    await scene.pats.stop()
    assert scene.living() == []


async def test_each_state_that_is_told_has_a_higher_revision_than_those_before(scene):
    told = []
    scene.pats.on_change.append(lambda: told.append(scene.pats.status()))
    await scene.pats.adopt(scene.sample())
    await scene.pats.rotate()
    await scene.pats.log_out()
    revisions = [status["revision"] for status in told]
    assert revisions == sorted(set(revisions))
    assert {status["state"] for status in told} >= {"adopting", "active", "needed"}
    assert scene.pats.status()["revision"] == revisions[-1]


async def test_rotations_asked_for_at_the_same_time_share_one(scene):
    await scene.pats.adopt(scene.sample())
    await asyncio.gather(*(scene.pats.rotate() for _ in range(5)))
    assert scene.pats.rotations == 1
    makers = [token.created_by_token_id for token in scene.workspace.tokens.all()[1:]]
    assert len(set(makers)) == len(makers)


async def test_a_pasted_token_that_cannot_be_revoked_yet_is_revoked_later(scene):
    pasted = scene.sample()
    scene.workspace.faults.add(Fault("/api/2.0/token/delete", "status", status=503, times=2))
    await scene.pats.adopt(pasted)
    assert scene.pats.status()["pasted"]["state"] == "retrying"
    assert scene.status_of(pasted) == "live"
    await scene.pass_time_until(lambda: scene.pats.status()["pasted"]["state"] == "revoked", 31)
    assert scene.status_of(pasted) == "revoked"


async def test_a_revocation_that_fails_is_tried_again(scene):
    await scene.pats.adopt(scene.sample())
    first = scene.pats.current()
    await scene.pats.rotate()
    scene.workspace.faults.add(Fault("/api/2.0/token/delete", "status", status=500, times=1))
    scene.clock.advance(61)
    await scene.until(lambda: scene.workspace.faults.listing()[0]["used_count"] == 1)
    await scene.pass_time_until(lambda: scene.status_of(first) == "revoked", 3)


async def test_no_secret_is_in_the_status_or_in_any_text(scene):
    pasted = scene.sample()
    await scene.pats.adopt(pasted)
    shown = repr(scene.pats.status()) + repr(scene.pats.current()) + str(scene.pats.promise())
    assert pasted.reveal() not in shown
    assert scene.pats.current().reveal() not in shown


async def test_keep_alive_rotates_without_a_session(scene):
    scene.pats.idle_policy = "keep_alive"
    scene.in_use[0] = False
    await scene.pats.adopt(scene.sample())
    scene.clock.advance(600)
    await scene.until(lambda: scene.pats.rotations == 1)
