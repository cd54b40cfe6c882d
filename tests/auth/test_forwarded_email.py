"""The one header that says who is there, in all the ways in which it can lie."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders

from jupyter_dbx_agents.auth import OwnerIdentityProvider
from jupyter_dbx_agents.auth.gate import forwarded_host
from jupyter_dbx_agents.auth.identity import Verdict, parse_forwarded_email
from jupyter_dbx_agents.auth.owner import OwnerResolver
from jupyter_dbx_agents.errors import ConfigurationError

from .guarded_server import OWNER


class RawHeaders(HTTPHeaders):
    """Headers past tornado's own checks, so that ours are tested and not its."""

    def __init__(self, name: str, values: tuple[str, ...]) -> None:
        super().__init__()
        self._raw = {name.lower(): list(values)}

    def get_list(self, name: str) -> list[str]:
        return self._raw.get(name.lower(), [])


def headers(*values: str, name: str = "X-Forwarded-Email") -> HTTPHeaders:
    return RawHeaders(name, values)


async def never_asked() -> str:
    raise AssertionError("the owner was configured and still looked up")


def provider(owner: str | None = OWNER) -> OwnerIdentityProvider:
    made = OwnerIdentityProvider()
    made.resolver = OwnerResolver(never_asked, override=owner or "")
    return made


@pytest.mark.parametrize(
    "value",
    [OWNER, "Kim.Owner@Example.COM", f"  {OWNER}\t", "KIM.OWNER@EXAMPLE.COM"],
)
def test_the_owner_is_recognised_whatever_the_case_and_the_space_around(value: str) -> None:
    assert provider().verdict(headers(value)) is Verdict.OWNER


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((), id="none"),
        pytest.param(("",), id="empty"),
        pytest.param(("   ",), id="blank"),
        pytest.param(("stranger@example.com",), id="somebody else"),
        pytest.param((OWNER, OWNER), id="twice the same"),
        pytest.param((OWNER, "stranger@example.com"), id="owner, then stranger"),
        pytest.param(("stranger@example.com", OWNER), id="stranger, then owner"),
        pytest.param((f"{OWNER},stranger@example.com",), id="joined"),
        pytest.param((f"stranger@example.com, {OWNER}",), id="joined with a space"),
        pytest.param((f"{OWNER},",), id="trailing comma"),
        pytest.param(("\u212aim.owner@example.com",), id="KELVIN SIGN"),
        pytest.param(("\uff4bim.owner@example.com",), id="fullwidth"),
        pytest.param(("kim.\u043ewner@example.com",), id="Cyrillic"),
        pytest.param(("k\u0131m.owner@example.com",), id="dotless i"),
        pytest.param((f"\u00a0{OWNER}",), id="no-break space"),
        pytest.param((f"{OWNER}\u200b",), id="zero width space"),
        pytest.param((f"{OWNER}\x00",), id="NUL"),
        pytest.param((f"{OWNER}\x0b",), id="vertical tab"),
        pytest.param(("kim. owner@example.com",), id="inner space"),
        pytest.param(("kim.owner@example.com@example.com",), id="two at signs"),
        pytest.param(("kim.owner",), id="no at sign"),
        pytest.param(("kim.owner@example.co",), id="prefix"),
        pytest.param((f"{OWNER}.example.com",), id="suffix"),
        pytest.param(("kim.owner+x@example.com",), id="plus tag"),
        pytest.param((f'"{OWNER}"',), id="quoted"),
        pytest.param((f"Kim <{OWNER}>",), id="display name"),
        pytest.param((f"mailto:{OWNER}",), id="mailto"),
        pytest.param(("kim.owner%40example.com",), id="percent-encoded"),
    ],
)
def test_nobody_else_is_the_owner(values: tuple[str, ...]) -> None:
    assert provider().verdict(headers(*values)) is Verdict.STRANGER


@pytest.mark.parametrize(
    "name", ["X_Forwarded_Email", "X-Forwarded-User", "X-Forwarded-Preferred-Username", "From"]
)
def test_no_other_header_speaks_for_the_owner(name: str) -> None:
    assert parse_forwarded_email(headers(OWNER, name=name)) is None
    assert provider().verdict(headers(OWNER, name=name)) is Verdict.STRANGER


@pytest.mark.parametrize("values", [(), ("",), (OWNER,), ("None",)])
def test_while_the_owner_is_unknown_nobody_is(values: tuple[str, ...]) -> None:
    assert provider(owner=None).verdict(headers(*values)) is Verdict.UNRESOLVED
    assert OwnerIdentityProvider().verdict(headers(*values)) is Verdict.UNRESOLVED


@pytest.mark.parametrize("text", ["jane", "jane@", "@example.com", "jane@exämple.com", "a@b, c@d"])
def test_a_configured_owner_that_nobody_can_be_is_an_error_at_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="APP_OWNER_EMAIL"):
        provider(owner=text)


@pytest.mark.parametrize(
    ("values", "host"),
    [
        (("agents-1.aws.databricksapps.com",), "agents-1.aws.databricksapps.com"),
        (("Agents.Example.com:8443",), "agents.example.com:8443"),
        (("127.0.0.1:8900",), "127.0.0.1:8900"),
        (("[::1]:8900",), "[::1]:8900"),
        ((), None),
        (("",), None),
        (("a.example.com", "a.example.com"), None),
        (("a.example.com, b.example.com",), None),
        (("https://a.example.com",), None),
        (("a.example.com/path",), None),
        (("user@a.example.com",), None),
        (("a.example.com\u212a",), None),
        (("a example.com",), None),
        (("*",), None),
    ],
)
def test_the_host_comes_from_one_plain_header_only(
    values: tuple[str, ...], host: str | None
) -> None:
    assert forwarded_host(headers(*values, name="X-Forwarded-Host")) == host
