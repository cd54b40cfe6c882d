"""Put the owner-only layers in force, and refuse to start a server without them.

Jupyter carries on with its token login when an extension fails to load, and lets configuration
replace any class.  So the program sets what protects the app when it is linked (before Jupyter
creates the classes), conflicts with configuration are errors, and the result is verified before the
port opens.
"""

import re
import warnings
from collections.abc import Mapping
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import JupyterServerAuthWarning
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.routing import AnyMatches
from traitlets.config import Config

from ..environment import Environment
from ..errors import ConfigurationError
from ..workspace_api import WorkspaceApi
from .gate import Gate, Refusal, install_gate
from .identity import EMAIL_HEADER, OwnerAuthorizer, OwnerIdentityProvider
from .owner import OwnerResolver, creator_look_up

# Forced: with another value in the configuration the server does not start.
REQUIRED: Mapping[str, object] = {
    "identity_provider_class": OwnerIdentityProvider,
    "authorizer_class": OwnerAuthorizer,
    "allow_unauthenticated_access": False,
    "disable_check_xsrf": False,
}
# Defaults that the user may change: nothing here lets anybody in.
PREFERRED: Mapping[str, Mapping[str, object]] = {
    "ServerApp": {
        # The platform's proxy is remote and forwards the public host; the gate is what protects.
        "allow_remote_access": True,
        "trust_xheaders": True,
        "quit_button": False,
        "answer_yes": True,
    },
    "LabApp": {
        # No calls to jupyter.org or PyPI from a user's workspace.
        "news_url": None,
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "extension_manager": "readonly",
    },
}
STRANGERS: tuple[dict[str, str], ...] = ({}, {EMAIL_HEADER: "stranger@selftest.invalid"})
SELF_TEST_PATHS = ("", "lab", "api", "api/kernels", "static/style/style.min.css", "no-such-page")
FOREIGN_ORIGIN = "https://stranger.selftest.invalid"


def owner_only_config(serverapp: ServerApp) -> Config:
    """Return the configuration to apply with ``serverapp.update_config`` when we are linked.

    Raises ConfigurationError if the command line or a file configures something less safe.
    """
    config = Config()
    for name, wanted in REQUIRED.items():
        _refuse_conflict(serverapp, name, wanted)
        config.ServerApp[name] = wanted
    for section, values in PREFERRED.items():
        configured = serverapp.config.get(section, {})
        config[section].update({k: v for k, v in values.items() if k not in configured})
    config.ServerApp.tornado_settings = _with_safe_xsrf_cookie(serverapp)
    return config


def guard(
    serverapp: ServerApp, api: WorkspaceApi, environment: Environment, parent: Any
) -> OwnerResolver:
    """Let only the app's owner in, and return the resolver that looks up who that is.

    Raises ConfigurationError when another identity provider is in force.
    """
    provider = serverapp.identity_provider
    if not isinstance(provider, OwnerIdentityProvider):
        raise ConfigurationError(
            f"{type(provider).__name__} is in force instead of OwnerIdentityProvider.",
            "Remove ServerApp.identity_provider_class from the configuration.",
        )
    look_up = creator_look_up(api, environment)
    resolver = OwnerResolver(look_up, override=provider.owner, parent=parent)
    provider.resolver = resolver
    install_gate(serverapp.web_app, provider)
    verify_before_listening(serverapp)
    # It warns of handlers without authentication: no request reaches one but through the gate.
    warnings.simplefilter("ignore", JupyterServerAuthWarning)
    return resolver


def verify_gate(serverapp: ServerApp) -> None:
    """Raise ConfigurationError unless nobody but the owner can get into this server.

    Call this when everything is built, and again when all other extensions have started.
    """
    settings = serverapp.web_app.settings
    provider = serverapp.identity_provider
    if (
        type(provider) is not OwnerIdentityProvider
        or settings.get("identity_provider") is not provider
    ):
        raise _unsafe("the identity provider is not OwnerIdentityProvider")
    if provider.resolver is None:
        raise _unsafe("the identity provider has no owner to compare with")
    if (
        type(serverapp.authorizer) is not OwnerAuthorizer
        or settings.get("authorizer") is not serverapp.authorizer
    ):
        raise _unsafe("the authorizer is not OwnerAuthorizer")
    _verify_settings(serverapp)
    _verify_first_rule(serverapp)
    _verify_that_strangers_are_refused(serverapp)


def verify_before_listening(serverapp: ServerApp) -> None:
    """Run ``verify_gate`` after all extensions are loaded and before the port opens.

    Call this from our ``initialize``: Jupyter binds the port in a later callback of the same event
    loop, and callbacks run in order.  A failed verification exits the process.
    """

    def verify_or_exit() -> None:
        try:
            verify_gate(serverapp)
        except Exception as error:  # the event loop would only log it and open the port
            serverapp.log.debug("Verification failed", exc_info=True)
            serverapp.log.critical("%s %s", error, getattr(error, "hint", ""))
            serverapp.exit(1)

    serverapp.io_loop.add_callback(verify_or_exit)


def _refuse_conflict(serverapp: ServerApp, name: str, wanted: object) -> None:
    if name in serverapp.config.ServerApp and getattr(serverapp, name) != wanted:
        raise ConfigurationError(
            f"ServerApp.{name} is configured to be {getattr(serverapp, name)!r}, but on Databricks"
            " Apps this server is for the owner of the app only.",
            f"Remove ServerApp.{name} from the command line and from configuration files.",
        )


def _with_safe_xsrf_cookie(serverapp: ServerApp) -> dict[str, Any]:
    """Return the user's tornado settings with an XSRF cookie for HTTPS and for us only.

    Browsers send Secure cookies to http://127.0.0.1 as well (checked with Chromium), which local
    trials need.  Not HttpOnly: JupyterLab has to read it.
    """
    settings = dict(serverapp.tornado_settings)
    safe = {"path": serverapp.base_url, "secure": True, "samesite": "Lax"}
    settings["xsrf_cookie_kwargs"] = {**safe, **settings.get("xsrf_cookie_kwargs", {})}
    return settings


def _verify_settings(serverapp: ServerApp) -> None:
    """Check tornado's settings, not the traits: ``ServerApp.tornado_settings`` overrides those."""
    settings = serverapp.web_app.settings
    if settings.get("allow_unauthenticated_access") is not False:
        raise _unsafe("allow_unauthenticated_access is not False")
    if serverapp.disable_check_xsrf or settings.get("disable_check_xsrf"):
        raise _unsafe("disable_check_xsrf is set")
    if not settings.get("xsrf_cookies"):
        raise _unsafe("xsrf_cookies is off")
    if _allows_any_origin(settings):
        raise _unsafe("allow_origin or allow_origin_pat lets any web site in")


def _allows_any_origin(settings: Mapping[str, Any]) -> bool:
    """Whether other web sites, open in the owner's browser, could drive this server."""
    pattern = settings.get("allow_origin_pat") or ""
    return settings.get("allow_origin") == "*" or bool(
        pattern and re.match(pattern, FOREIGN_ORIGIN)
    )


def _verify_first_rule(serverapp: ServerApp) -> None:
    rule = serverapp.web_app.default_router.rules[0]
    gate = rule.target
    if type(rule.matcher) is not AnyMatches or type(gate) is not Gate:
        raise _unsafe("the gate is not the first rule of the router")
    if gate.identity_provider is not serverapp.identity_provider:
        raise _unsafe("the gate uses another identity provider")


def _verify_that_strangers_are_refused(serverapp: ServerApp) -> None:
    """Send strangers' forged requests through the router as it is now."""
    for path in SELF_TEST_PATHS:
        for headers in STRANGERS:
            request = _forged_request(f"{serverapp.base_url}{path}", headers)
            if not isinstance(serverapp.web_app.find_handler(request), Refusal):
                raise _unsafe(f"a stranger's request to {request.path} was not refused")


def _forged_request(path: str, headers: Mapping[str, str]) -> HTTPServerRequest:
    return HTTPServerRequest(
        start_line=RequestStartLine("GET", path, "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "selftest.invalid", **headers}),
    )


def _unsafe(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The server does not start, because people other than the owner could enter: {what}.",
        "Remove the configuration or the extension that does this.",
    )
