"""Is the pasted text a PAT?"""

import pytest

from jupyter_dbx_agents.errors import PatShapeError
from jupyter_dbx_agents.pat.pasted import parse_pat

A = "dapi" + "a1" * 16
B = "dapi" + "b2" * 16 + "-3"


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
