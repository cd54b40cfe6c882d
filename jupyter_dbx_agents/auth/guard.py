"""The gate put around a server, before it listens."""

from __future__ import annotations

import warnings
from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import JupyterServerAuthWarning

from ..environment import Environment
from ..errors import ConfigurationError
from ..workspace_api import WorkspaceApi
from .gate import install_gate
from .identity import OwnerIdentityProvider
from .lockdown import verify_before_listening
from .owner import OwnerResolver, creator_look_up


def guard(
    serverapp: ServerApp, api: WorkspaceApi, environment: Environment, parent: Any
) -> OwnerResolver:
    """Let only the app's owner in, and return who finds out who that is.

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
    # It is about handlers that do not ask who is there: nothing reaches one but past the gate.
    warnings.simplefilter("ignore", JupyterServerAuthWarning)
    return resolver
