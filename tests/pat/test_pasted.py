"""Is the pasted text a PAT, and which of the user's tokens is it?"""

import hashlib
from datetime import UTC, datetime

import pytest

from jupyter_dbx_agents.errors import PatShapeError
from jupyter_dbx_agents.pat.pasted import parse_pat, pasted_candidates, pasted_token_id
from jupyter_dbx_agents.pat.store import Pat
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import TokenInfo

A = "dapi" + "a1" * 16
B = "dapi" + "b2" * 16 + "-3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def info(token_id: str, comment: str = "") -> TokenInfo:
    return TokenInfo(token_id, comment, NOW, None)


def pat(token_id: str) -> Pat:
    return Pat(Secret(B), token_id, NOW, NOW)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("text", [A, f"  {A}\n", f'"{A}"', f"{A[:10]}\n{A[10:]}", f"“{A}”", B])
def test_white_space_and_quotes_around_a_pat_do_not_matter(text):
    assert parse_pat(text).reveal() in (A, B)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "No token"),
        ("   \n", "No token"),
        ("eyJhbGciOi.x.y", "OAuth"),
        ("dose1234567890", "service principal"),
        ("dkea123", "account"),
        ("hunter2", "not look like a Databricks personal access token"),
        ("dapi12", "not look like a Databricks personal access token"),
        ("dapi" + "x" * 500, "not look like a Databricks personal access token"),
        (A + "é", "not look like a Databricks personal access token"),
    ],
)
def test_what_is_no_pat_is_named_and_never_repeated(text, said):
    with pytest.raises(PatShapeError) as caught:
        parse_pat(text)
    assert said in caught.value.message
    assert "Access tokens" in caught.value.hint
    assert not text.strip() or text.strip() not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "scheme",
    [
        sha,
        lambda value: sha(value.partition("-")[0]),
        lambda value: sha(value.partition("-")[0].removeprefix("dapi")),
        lambda value: hashlib.sha256(bytes.fromhex(value.partition("-")[0][4:])).hexdigest(),
    ],
)
def test_the_pasted_id_is_found_by_calibration_on_the_minted_one(scheme):
    minted = pat(scheme(B))
    listed = [info("0" * 64), info(scheme(A))]
    assert pasted_token_id(Secret(A), minted, listed) == scheme(A)


def test_an_id_that_the_list_does_not_confirm_is_not_trusted():
    minted = pat(sha(B))
    assert pasted_token_id(Secret(A), minted, [info("0" * 64)]) is None


def test_an_unknown_scheme_gives_no_id():
    minted = pat("f" * 64)
    assert pasted_token_id(Secret(A), minted, [info(sha(A))]) is None


def test_candidates_are_all_tokens_but_those_of_this_process_whatever_their_comments():
    listed = [info("1"), info("2", "jupyter_dbx_agents other-app"), info("3")]
    assert [c.token_id for c in pasted_candidates(listed, {"3"})] == ["1", "2"]
