"""The smallest app that is guarded the way the product is; run as a server of its own.

``python -c "import gated_app; gated_app.main()" [arguments of Jupyter]``
"""

from __future__ import annotations

import os
import sys
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp

from jupyter_dbx_agents.auth import (
    OwnerIdentityProvider,
    OwnerResolver,
    creator_look_up,
    install_gate,
    owner_only_config,
    verify_before_listening,
    verify_gate,
)
from jupyter_dbx_agents.environment import take_environment
from jupyter_dbx_agents.errors import ConfigurationError
from jupyter_dbx_agents.workspace_api import WorkspaceApi

PORT_OPENS = "THE PORT OPENS"
# To see what the layers behind the gate refuse on their own.
WITHOUT_GATE = bool(os.environ.get("GATED_APP_WITHOUT_GATE"))


class GatedApp(ExtensionApp):
    """Nothing but the gate, in front of JupyterLab and whatever else is installed."""

    name = "gated_app"
    load_other_extensions = True

    def load_config_file(self, *arguments: Any, **options: Any) -> None:
        super().load_config_file(*arguments, **options)
        server = self.serverapp
        assert server is not None
        self._or_exit(lambda: server.update_config(owner_only_config(server)))

    def initialize(self, argv: Any = None) -> None:
        super().initialize()
        self._or_exit(self._install)

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        self.resolver.start()
        if not WITHOUT_GATE:
            self._or_exit(lambda: verify_gate(serverapp))

    async def stop_extension(self) -> None:
        await self.resolver.stop()

    def _install(self) -> None:
        environment = take_environment()
        assert self.serverapp is not None
        provider = self.serverapp.identity_provider
        assert isinstance(provider, OwnerIdentityProvider)
        look_up = creator_look_up(WorkspaceApi(environment.host), environment)
        self.resolver = OwnerResolver(
            look_up, override=provider.owner, first_retry_seconds=0.1, parent=self.serverapp
        )
        provider.resolver = self.resolver
        if not WITHOUT_GATE:
            install_gate(self.serverapp.web_app, provider)
            verify_before_listening(self.serverapp)

    def _or_exit(self, step: Any) -> None:
        try:
            step()
        except ConfigurationError as error:
            self.log.critical("%s %s", error, error.hint)
            self.exit(1)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": "gated_app", "app": GatedApp}]


def main() -> None:
    """Serve, and say on standard output when the port opens."""
    bind = ServerApp._bind_http_server

    def bind_and_say_so(self: ServerApp) -> None:
        print(PORT_OPENS, flush=True)
        bind(self)

    ServerApp._bind_http_server = bind_and_say_so  # type: ignore[method-assign]
    GatedApp.launch_instance(sys.argv[1:])
