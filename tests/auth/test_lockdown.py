"""A server that others than the owner could enter does not start on Databricks Apps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from jupyter_server.auth import User
from jupyter_server.serverapp import ServerApp
from tornado.routing import AnyMatches, Rule
from tornado.web import Application, RequestHandler
from traitlets.config import Config

from jupyter_dbx_agents.auth import (
    OwnerAuthorizer,
    OwnerIdentityProvider,
    OwnerResolver,
    install_gate,
    owner_only_config,
    verify_gate,
)
from jupyter_dbx_agents.errors import ConfigurationError
from tests.support.effort import some

from .gated_app import PORT_OPENS
from .guarded_server import GuardedServer, guarded_server, spawn

PASSWORD_PROVIDER = "jupyter_server.auth.PasswordIdentityProvider"


def refused_start(home: Path, *arguments: str, **variables: str) -> str:
    """Start a server that must end by itself, in failure and before its port opens."""
    process, output = spawn(home, "--ServerApp.port=0", *arguments, **variables)
    try:
        code = process.wait(timeout=60)
    finally:
        process.kill()
    log = output.read_text()
    assert code == 1, log
    assert PORT_OPENS not in log
    assert "[C " in log  # it says why
    return log


@pytest.mark.parametrize(
    "argument",
    some(
        2,
        [
            f"--ServerApp.identity_provider_class={PASSWORD_PROVIDER}",
            "--ServerApp.tornado_settings={'disable_check_xsrf': True}",
            "--ServerApp.allow_unauthenticated_access=True",
            "--ServerApp.allow_origin=*",
        ],
    ),
)
def test_an_unsafe_command_line_keeps_the_server_from_starting(
    tmp_path: Path, argument: str
) -> None:
    refused_start(tmp_path, argument)


def test_an_unsafe_configuration_file_keeps_the_server_from_starting(tmp_path: Path) -> None:
    configure(tmp_path, f"c.ServerApp.identity_provider_class = {PASSWORD_PROVIDER!r}")
    assert "identity_provider_class" in refused_start(tmp_path)


def test_an_extension_that_displaces_the_gate_keeps_the_server_from_starting(
    tmp_path: Path,
) -> None:
    log = refused_start(tmp_path, THIRD_PARTY_DISPLACES_THE_GATE="yes")
    assert "not the first rule" in log


def test_an_impossible_owner_keeps_the_server_from_starting(tmp_path: Path) -> None:
    assert "APP_OWNER_EMAIL" in refused_start(tmp_path, APP_OWNER_EMAIL="the boss")


def test_harmless_configuration_is_kept(tmp_path: Path) -> None:
    configure(
        tmp_path,
        "c.ServerApp.identity_provider_class = 'jupyter_dbx_agents.auth.OwnerIdentityProvider'",
        "c.ServerApp.tornado_settings = {'compress_response': True}",
        "c.ServerApp.quit_button = True",
        "c.OwnerIdentityProvider.owner = 'other.owner@example.com'",
    )
    with guarded_server(tmp_path) as server:
        assert (
            status(server, "kim.owner@example.com") == 403
        )  # configuration wins over APP_OWNER_EMAIL
        assert status(server, "other.owner@example.com") == 200


def configure(home: Path, *lines: str) -> None:
    folder = home / "config"
    folder.mkdir()
    (folder / "jupyter_server_config.py").write_text("\n".join(lines))


def status(server: GuardedServer, email: str) -> int:
    import httpx

    return httpx.get(f"{server.url}/lab", headers={"X-Forwarded-Email": email}).status_code


# --- what is verified, one by one, without a server


async def never_asked() -> str:
    raise AssertionError("asked")


class Careless(RequestHandler):
    """A handler in front of the gate."""


def built(base_url: str = "/") -> SimpleNamespace:
    """What a server application is to the verification, in a state that passes it."""
    provider = OwnerIdentityProvider()
    provider.resolver = OwnerResolver(never_asked)
    authorizer = OwnerAuthorizer(identity_provider=provider)
    web_app = Application(
        [(r".*", Careless)],
        base_url=base_url,
        identity_provider=provider,
        authorizer=authorizer,
        allow_unauthenticated_access=False,
        disable_check_xsrf=False,
        xsrf_cookies=True,
    )
    install_gate(web_app, provider)
    return SimpleNamespace(
        identity_provider=provider,
        authorizer=authorizer,
        web_app=web_app,
        disable_check_xsrf=False,
        base_url=base_url,
    )


@pytest.mark.parametrize("base_url", ["/", "/user/a%40b/"])
def test_a_server_as_it_should_be_passes(base_url: str) -> None:
    verify_gate(built(base_url))  # type: ignore[arg-type]


class LaxProvider(OwnerIdentityProvider):
    """Somebody's subclass."""


class LaxAuthorizer(OwnerAuthorizer):
    """Somebody's subclass."""


def setting(name: str, value: object):
    return lambda server: server.web_app.settings.update({name: value})


def other_gate(server: SimpleNamespace) -> None:
    server.web_app.default_router.rules.pop(0)
    install_gate(server.web_app, OwnerIdentityProvider())


def open_find_handler(server: SimpleNamespace) -> None:
    router = server.web_app.wildcard_router
    server.web_app.find_handler = lambda request: router.find_handler(request) or Careless


DAMAGES = {
    "foreign provider": lambda s: setattr(s, "identity_provider", LaxProvider()),
    "other provider in the settings": setting("identity_provider", OwnerIdentityProvider()),
    "no resolver": lambda s: setattr(s.identity_provider, "resolver", None),
    "foreign authorizer": lambda s: setattr(s, "authorizer", LaxAuthorizer()),
    "other authorizer in the settings": setting("authorizer", OwnerAuthorizer()),
    "unauthenticated access": setting("allow_unauthenticated_access", True),
    "unauthenticated access, truthy": setting("allow_unauthenticated_access", 0),
    "no XSRF check": setting("disable_check_xsrf", True),
    "no XSRF check, by trait": lambda s: setattr(s, "disable_check_xsrf", True),
    "no XSRF cookies": setting("xsrf_cookies", False),
    "any origin": setting("allow_origin", "*"),
    "any origin by pattern": setting("allow_origin_pat", "https://"),
    "no gate": lambda s: s.web_app.default_router.rules.pop(0),
    "a rule before the gate": lambda s: s.web_app.default_router.rules.insert(
        0, Rule(AnyMatches(), Careless)
    ),
    "a gate with another provider": other_gate,
    "another way to find handlers": open_find_handler,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_server_does_not_pass(damage: str) -> None:
    server = built()
    DAMAGES[damage](server)
    with pytest.raises(ConfigurationError) as error:
        verify_gate(server)  # type: ignore[arg-type]
    assert error.value.hint


def test_rules_of_later_extensions_stay_behind_the_gate() -> None:
    server = built()
    server.web_app.add_handlers(".*", [(r"/later", Careless)])
    verify_gate(server)  # type: ignore[arg-type]


def test_the_authorizer_looks_at_the_user_only() -> None:
    server = built()
    provider, authorizer = server.identity_provider, server.authorizer
    owner = User(username="kim.owner@example.com")
    assert authorizer.is_authorized(None, owner, "read", "contents") is False  # not known yet
    provider.resolver = OwnerResolver(never_asked, override=owner.username)
    for action in ("read", "write", "execute", "whatever"):
        assert authorizer.is_authorized(None, owner, action, "server") is True
        assert authorizer.is_authorized(None, User(username="x@y.z"), action, "server") is False
    assert authorizer.is_authorized(None, None, "read", "contents") is False


def test_the_users_own_tornado_settings_are_kept_beside_ours() -> None:
    mine = {"compress_response": True, "xsrf_cookie_kwargs": {"secure": False}}
    serverapp = ServerApp(tornado_settings=mine, base_url="/x/")
    settings = owner_only_config(serverapp).ServerApp.tornado_settings
    assert settings["compress_response"] is True
    assert settings["xsrf_cookie_kwargs"] == {"path": "/x/", "secure": False, "samesite": "Lax"}


def test_configured_preferences_win_over_ours_where_they_let_nobody_in() -> None:
    config = Config()
    config.ServerApp.quit_button = True
    config.LabApp.extension_manager = "pypi"
    applied = owner_only_config(ServerApp(config=config))
    assert "quit_button" not in applied.ServerApp
    assert "extension_manager" not in applied.LabApp
    assert applied.LabApp.news_url is None
    assert applied.ServerApp.allow_unauthenticated_access is False


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("identity_provider_class", "jupyter_server.auth.PasswordIdentityProvider"),
        ("authorizer_class", "jupyter_server.auth.AllowAllAuthorizer"),
        ("allow_unauthenticated_access", True),
        ("disable_check_xsrf", True),
    ],
)
def test_a_configured_conflict_is_an_error_that_names_it(name: str, value: object) -> None:
    config = Config({"ServerApp": {name: value}})
    with pytest.raises(ConfigurationError, match=name):
        owner_only_config(ServerApp(config=config))
