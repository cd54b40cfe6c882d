"""Whose token is adopted: the owner's, by whichever of their names; and whose tokens end."""

import pytest

from dbx_workspace.rest.tokens import IdScheme
from jupyter_dbx_agents.errors import PatForeignUserError
from jupyter_dbx_agents.secret import Secret
from tests.pat.conftest import Scene, scene

GUEST = "jane_corp.com#ext#@tenant.example"
MAIL = "jane@corp.com"


@pytest.mark.parametrize("owner", [GUEST, MAIL, "Jane@Corp.com"])
async def test_a_guest_is_the_owner_by_login_name_or_by_address(owner: str):
    async with scene(expected_user=owner) as made:
        made.workspace.add_user(GUEST).email = MAIL
        await made.pats.adopt(made.sample(user=GUEST))
        assert made.pats.status()["user"] == GUEST


async def test_a_guest_is_nobody_else():
    async with scene(expected_user="john@corp.com") as made:
        made.workspace.add_user(GUEST).email = MAIL
        with pytest.raises(PatForeignUserError):
            await made.pats.adopt(made.sample(user=GUEST))


def current(made: Scene) -> Secret:
    pat = made.pats.current()
    assert pat is not None
    return pat


async def test_after_another_users_token_the_first_ones_are_revoked_as_their_own():
    async with scene(expected_user=None) as made:
        made.workspace.add_user("eve@example.com")
        await made.pats.adopt(made.sample())
        first = current(made)
        await made.pats.adopt(made.sample(user="eve@example.com"))
        await made.pass_time_until(lambda: made.status_of(first) == "revoked", 31)
        assert made.status_of(current(made)) == "live"


@pytest.mark.parametrize("id_scheme", ["sha256", "random"])
async def test_minted_tokens_have_the_scopes_of_the_pasted_one_over_20_rotations(
    id_scheme: IdScheme,
):
    scopes = ("authentication", "scim", "serving")
    async with scene() as made:
        made.workspace.tokens.id_scheme = id_scheme
        await made.pats.adopt(made.sample(scopes=scopes))
        for _ in range(20):
            made.clock.advance(200)  # so that the replaced ones go
            await made.pats.rotate()
        minted = made.workspace.tokens.all()[1:]
        assert len(minted) == 21
        assert {frozenset(token.scopes) for token in minted} == {frozenset(scopes)}
        assert made.pats.scopes == frozenset(scopes)
        assert made.pats.status()["scopes"] == sorted(scopes)


async def test_scopes_that_cannot_be_known_are_not_widened_and_this_is_said():
    async with scene() as made:
        made.workspace.tokens.id_scheme = "random"
        made.sample(scopes=("authentication", "scim", "sql"))
        await made.pats.adopt(made.sample(scopes=("authentication", "scim", "serving")))
        assert made.pats.scopes == frozenset({"authentication", "scim"})
        assert "scopes could not be determined" in made.pats.message


async def test_a_token_without_restriction_makes_ones_without():
    async with scene() as made:
        await made.pats.adopt(made.sample())
        assert made.pats.scopes is None
        assert made.token(current(made)).scopes == ("all-apis",)
