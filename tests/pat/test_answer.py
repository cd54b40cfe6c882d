"""Whatever is pasted after signing in is understood, or refused in words that help."""

import pytest

from jupyter_dbx_agents.errors import SignInError
from jupyter_dbx_agents.pat.sign_in.answer import parse_answer

REDIRECT = "http://localhost:8020"
CODE, STATE = "dcod1234567890abcdef", "st-ate_1"
QUERY = f"code={CODE}&state={STATE}&iss=https%3A%2F%2Fw.example%2Foidc"


@pytest.mark.parametrize(
    "text",
    [
        f"http://localhost:8020/?{QUERY}",
        f"http://localhost:8020?{QUERY}",
        f"  http://localhost:8020/?{QUERY}\n",
        f'"http://localhost:8020/?{QUERY}"',
        f"<http://localhost:8020/?{QUERY}>",
        f"“http://localhost:8020/?{QUERY}”",
        f"http://localhost:8020/?code={CODE[:9]}\r\n  {CODE[9:]}&state={STATE}&iss=https://w.example/oidc",
        f"HTTP://LOCALHOST:8020/?{QUERY}",
        f"localhost:8020/?{QUERY}",
        f"localhost:8020?{QUERY}",
        f"http://localhost:8020/#{QUERY}",
        QUERY,
        f"?{QUERY}",
        f"/?{QUERY}",
        f"state={STATE}&code={CODE}&iss=https://w.example/oidc",
    ],
)
def test_an_address_or_its_query_is_understood(text: str):
    answer = parse_answer(text, REDIRECT)
    assert answer.code is not None
    assert answer.state is not None
    assert (answer.code.reveal(), answer.state.reveal()) == (CODE, STATE)
    assert answer.issuer == "https://w.example/oidc"
    assert answer.error == ""
    assert CODE not in repr(answer)
    assert STATE not in repr(answer)


@pytest.mark.parametrize("text", [CODE, f" {CODE}\n", f"'{CODE}'", f"{CODE}=="])
def test_a_code_alone_is_understood_and_has_no_state(text: str):
    answer = parse_answer(text, REDIRECT)
    assert answer.code is not None
    assert answer.code.reveal().rstrip("=") == CODE
    assert answer.state is None


def test_a_refusal_is_kept_in_its_own_words():
    text = f"http://localhost:8020/?error=access_denied&error_description=not+now&state={STATE}"
    answer = parse_answer(text, REDIRECT)
    assert answer.code is None
    assert (answer.error, answer.description) == ("access_denied", "not now")


def test_a_refusal_with_a_code_has_no_code():
    assert parse_answer(f"error=access_denied&code={CODE}", REDIRECT).code is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Nothing was pasted"),
        (" \n ", "Nothing was pasted"),
        ("dapi" + "0" * 32, "personal access token"),
        ("eyJhbGciOiJSUzI1NiJ9.x.y", "an OAuth or user session token"),
        ("ghp_" + "0" * 36, "a GitHub token"),
        ("doau" + "0" * 40, "a refresh token"),
        (f"https://evil.example/?{QUERY}", "an address of evil.example"),
        (f"http://localhost:8021/?{QUERY}", "an address of localhost"),
        (f"https://localhost:8020/?{QUERY}", "an address of localhost"),
        (f"http://localhost:8020@evil.example/?{QUERY}", "an address of evil.example"),
        (f"http://localhost:8020.evil.example/?{QUERY}", "not an address"),
        (f"http://localhost:99999999/?{QUERY}", "not an address"),
        ("https://w.example/oidc/v1/authorize?client_id=databricks-cli", "w.example"),
        ("http://localhost:8020/", "no code"),
        ("http://localhost:8020/?state=x", "no code"),
        (f"{QUERY}&code=other", "twice"),
        ("what?", "neither the address"),
        ("jupyter dbx-agents login", "neither the address"),
        ("../../etc/passwd\x00", "neither the address"),
    ],
)
def test_what_is_something_else_is_refused_in_words_without_repeating_it(text: str, said: str):
    with pytest.raises(SignInError) as refused:
        parse_answer(text, REDIRECT)
    words = f"{refused.value.message} {refused.value.hint}"
    assert said in words
    assert refused.value.hint
    assert CODE not in words
    assert "0000000000" not in words


def test_the_callback_of_the_app_itself_is_an_address_like_any_other():
    redirect = "https://app.example/base/dbx-agents/sign-in/callback"
    assert parse_answer(f"{redirect}?{QUERY}", redirect).code is not None
    with pytest.raises(SignInError, match=r"app\.example"):
        parse_answer(f"https://app.example/other?{QUERY}", redirect)
