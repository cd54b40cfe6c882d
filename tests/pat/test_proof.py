"""Which of the user's tokens is the pasted one?  Never another, whatever the lists say."""

import hashlib
import os
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from jupyter_dbx_agents.pat.proof import Verdict, entry_of, scopes_of_any, verdict
from jupyter_dbx_agents.pat.store import Pat
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import TokenInfo

A = "dapi" + "a1" * 16
B = "dapi" + "b2" * 16 + "-3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINE = "jupyter_dbx_agents this-process "


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bare(value: str) -> str:
    return value.partition("-")[0]


SCHEMES: list[Callable[[str], str]] = [
    sha,
    lambda value: sha(bare(value)),
    lambda value: sha(bare(value).removeprefix("dapi")),
    lambda value: hashlib.sha256(bytes.fromhex(bare(value)[4:])).hexdigest(),
]


def info(token_id: str, comment: str = "", scopes: frozenset[str] | None = None) -> TokenInfo:
    return TokenInfo(token_id, comment, NOW, None, scopes)


def pat(token_id: str, value: str = B) -> Pat:
    return Pat(Secret(value), token_id, NOW, NOW)


def is_ours(token: TokenInfo) -> bool:
    return token.comment.startswith(MINE)


def judged(minted: Pat, *lists: list[TokenInfo], pasted: str = A) -> Verdict:
    return verdict(Secret(pasted), minted, lists, is_ours)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pasted_id_is_found_by_calibration_on_the_minted_one(scheme):
    listed = [info("0" * 64), info(scheme(A))]
    assert judged(pat(scheme(B)), listed).token_id == scheme(A)


def test_a_scheme_that_fits_by_chance_does_not_hide_the_right_one():
    # Without a replica's number, the hash of the whole is that of the part before the number.
    minted, pasted = "dapi" + "1" * 32, "dapi" + "2" * 32 + "-2"
    listed = [info(sha(bare(pasted))), info("0" * 64)]
    assert judged(pat(sha(minted), minted), listed, pasted=pasted).token_id == sha(bare(pasted))


def test_an_id_that_is_computed_but_not_listed_is_no_proof_for_the_only_other_token():
    lagging = [info("0" * 64, "an innocent one")]
    assert judged(pat(sha(B)), lagging) == Verdict(None, is_final=False)
    assert judged(pat(sha(B)), lagging, [*lagging, info(sha(B), MINE)]).token_id is None
    assert judged(pat(sha(B)), lagging, [*lagging, info(sha(A))]).token_id == sha(A)


def test_of_unknown_ids_the_only_other_one_is_proved_by_two_lists_with_the_minted_one():
    other, minted = info("the pasted one"), info("f" * 64, MINE)
    assert judged(pat("f" * 64), [other]).token_id is None
    assert judged(pat("f" * 64), [other], [other]) == Verdict(None, is_final=False)
    assert judged(pat("f" * 64), [other], [minted, other]).token_id == "the pasted one"
    assert judged(pat("f" * 64), [info("innocent")], [minted, other]).token_id is None
    several = [info("innocent"), other, minted]
    assert judged(pat("f" * 64), several, several) == Verdict(None, is_final=True)


def test_an_entry_that_cannot_be_read_may_be_the_pasted_one():
    minted, innocent, odd = info("f" * 64, MINE), info("innocent"), info("")
    lists = [innocent, odd, minted], [minted, odd, innocent]
    assert judged(pat("f" * 64), *lists) == Verdict(None, is_final=True)


def test_scopes_are_those_of_the_entry_or_what_all_have_in_common():
    mine, narrow = info(sha(A), "", frozenset("ab")), info("0", "", frozenset("bc"))
    assert entry_of(Secret(A), [narrow, mine]) is mine
    assert entry_of(Secret(A), [narrow, info("")]) is None
    assert scopes_of_any([narrow, mine]) == frozenset("b")
    assert scopes_of_any([narrow, info("1")]) == narrow.scopes
    assert scopes_of_any([info("1")]) is None


class Replicas:
    """A user's tokens in the order of their creation, as replicas list them."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.scheme = chance.choice([*SCHEMES, None])
        self.pasted, self.minted = self._value(), self._value()
        others = [self._value() for _ in range(chance.randrange(4))]
        self.ids = {value: self._id(value) for value in (*others, self.pasted, self.minted)}
        later = others[: chance.randrange(len(others) + 1)]
        earlier = [value for value in others if value not in later]
        chance.shuffle(earlier)
        self.order = [*earlier, self.pasted, self.minted, *later]

    def _value(self) -> str:
        digits = f"{self.chance.getrandbits(128):032x}"
        return f"dapi{digits}{self.chance.choice(('', '', '-2'))}"

    def _id(self, value: str) -> str:
        return self.scheme(value) if self.scheme else secrets.token_hex(32)

    def listing(self) -> list[TokenInfo]:
        """Return what a replica has by now; where ids are computed, any entries may lack."""
        known = self.order[: self.chance.randrange(len(self.order) + 1)]
        if self.scheme is not None:
            known = [value for value in known if self.chance.random() < 0.7]
        found = [self._entry(value) for value in known]
        self.chance.shuffle(found)
        return found

    def _entry(self, value: str) -> TokenInfo:
        if self.chance.random() < 0.1:
            return info("", "?")  # in an odd form
        return info(self.ids[value], MINE if value == self.minted else "")


def test_no_list_makes_another_token_the_pasted_one():
    """Lagging, reordered, partial and odd lists, and ids of every scheme and of none."""
    seed = os.environ.get("PROOF_SEED") or secrets.token_hex(4)
    print(f"PROOF_SEED={seed}")
    proved = 0
    for number in range(20_000):
        chance = random.Random(f"{seed}-{number}")
        world = Replicas(chance)
        minted = pat(world.ids[world.minted], world.minted)
        lists = [world.listing() for _ in range(chance.randrange(1, 6))]
        for count in range(1, len(lists) + 1):
            found = judged(minted, *lists[:count], pasted=world.pasted).token_id
            assert found in (None, world.ids[world.pasted]), number
            proved += found is not None
    assert proved > 1000
