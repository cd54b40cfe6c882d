"""The server extension: what Jupyter calls of ours, in the order in which it does."""

import os
from typing import Any, cast

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, TraitError, Unicode
from traitlets.config import Config

from ..agents import AgentInstaller, AgentRoster
from ..agents.attention.webhook import Webhook
from ..agents.databricks.command import DatabricksCli
from ..agents.databricks.facts import FactsWatch
from ..agents.databricks.skills import Skills
from ..agents.databricks.tools import DatabricksTools
from ..agents.mcp.servers import McpServers
from ..agents.tracing import SessionTracer
from ..auth import OwnerIdentityProvider, owner_only_config, verify_gate
from ..background import run_stages
from ..broker import Broker
from ..environment import Environment, extend_environment, forbid_inspection, take_environment
from ..errors import ConfigurationError
from ..git_sync import GitSync
from ..lifecycle.continuity import Continuity
from ..lifecycle.preferences import preferences
from ..lifecycle.process import fatal, tune_event_loop
from ..lifecycle.startup import StartupTasks
from ..local_channel import SOCKET_VARIABLE
from ..models import ModelTable, ModelWatch
from ..pat import PatRotator, SignIn
from ..terminals.manager import HOST_SETTING, DbxTerminalManager
from ..terminals.terminal_socket import terminal_routes
from ..web.browser import browser_routes, configure_page
from ..web.operations import Services
from ..web.rest import open_local_channel, rest_routes
from .credential import Credential
from .ending import last_stages
from .home import Home, HomeSettings
from .parts import Parts
from .status import server_status
from .terminals import terminal_host

UPLOADS_FOLDER = "uploads"


class DbxAgentsApp(ExtensionApp):
    """The server extension."""

    name = "jupyter_dbx_agents"
    description = "AI coding agents in JupyterLab terminals, as you, on your Databricks workspace"
    default_url = "/lab"
    load_other_extensions = True
    classes = [
        OwnerIdentityProvider,
        PatRotator,
        SignIn,
        ModelTable,
        ModelWatch,
        Broker,
        SessionTracer,
        GitSync,
        AgentRoster,
        AgentInstaller,
        McpServers,
        DatabricksCli,
        Skills,
        DatabricksTools,
        FactsWatch,
        Webhook,
        StartupTasks,
        Continuity,
    ]

    projects_folder = Unicode(
        "projects",
        help="Where terminals start and projects are, relative to the home folder.",
    ).tag(config=True)
    write_token_to_databrickscfg = Bool(
        True,
        help="Whether ~/.databrickscfg also holds the current token (rewritten at each rotation), "
        "for tools that read a literal one. SDKs and the CLI do not need it.",
    ).tag(config=True)
    install_agents = Bool(True, help="Whether to install the agents at start.").tag(config=True)
    detach_template = Bool(
        True,
        help="Whether the .git of a Git deployment is replaced by a fresh one without remotes, "
        "when the app first runs in the folder of its own source.",
    ).tag(config=True)

    environment: Environment

    @property
    def server(self) -> ServerApp:
        """The Jupyter server that we extend; set before Jupyter calls anything else of ours."""
        return cast(ServerApp, self.serverapp)

    # ---- linking: before Jupyter creates its classes

    @fatal
    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Take our part of the configuration; Jupyter would ignore all of it where one is wrong."""
        try:
            super()._link_jupyter_server_extension(serverapp)
        except (TraitError, ValueError) as error:  # ValueError: an option that is given twice
            raise ConfigurationError(
                f"The configuration cannot be used: {error}.",
                "Correct it on the command line or in the configuration file; give each option "
                "once.",
            ) from error

    @fatal
    def load_config_file(self, *arguments: Any, **options: Any) -> None:
        """Read the configuration, take the environment, and put our classes in force."""
        super().load_config_file(*arguments, **options)
        self.environment = take_environment()
        forbid_inspection()
        config = Config()
        if self.environment.is_databricks_app:
            if not self.environment.host:
                raise ConfigurationError(
                    "DATABRICKS_HOST is not set.", "The Databricks Apps platform sets it."
                )
            config.merge(owner_only_config(self.server))
        config.merge(preferences(self.server, self.environment))
        config.TerminalsExtensionApp.terminal_manager_class = DbxTerminalManager
        self.update_config(config)
        self.server.update_config(config)

    # ---- building: before the server listens

    @fatal
    def initialize_settings(self) -> None:
        """Build every part."""
        projects = self.environment.home / self.projects_folder
        self.parts = Parts(self, self.server, self.environment, projects)
        settings = HomeSettings(
            installs_agents=self.install_agents,
            writes_token=self.write_token_to_databrickscfg,
            detaches_template=self.detach_template,
        )
        self.home = Home(self.parts, settings)
        self.credential = Credential(self.parts, self.home)
        self.services = _services(self.parts, self.home)
        self.server.web_app.settings[HOST_SETTING] = terminal_host(self.parts)

    @fatal
    def initialize_handlers(self) -> None:
        """Register the REST routes, and the terminals' websocket before Jupyter's own."""
        configure_page(self.server)
        self.handlers.extend(browser_routes(self.services, self.environment.home / UPLOADS_FOLDER))
        self.handlers.extend([*rest_routes(self.services), *terminal_routes()])

    # ---- running

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Start the parts in the running loop; Jupyter would only warn about a failure here."""
        tune_event_loop()
        parts = self.parts
        try:
            if parts.resolver is not None:
                verify_gate(serverapp)  # again: a later extension may have changed the router
                parts.resolver.start()
            await parts.broker.start()
            parts.channel = open_local_channel(self.services)
            extend_environment({SOCKET_VARIABLE: str(parts.channel.start())})
        except Exception as error:  # as in ``fatal``; sys.exit would be caught by the loop
            self.log.critical("jupyter_dbx_agents cannot start: %s", error, exc_info=True)
            os._exit(1)
        parts.credential_tasks.spawn(parts.pats.run())
        parts.background.spawn(parts.model_watch.run())
        parts.background.spawn(parts.facts.run())
        parts.background.spawn(parts.broker.mcp.run())
        parts.background.spawn(parts.tracer.run())
        parts.background.spawn(parts.webhook.run())
        parts.background.spawn(parts.attention.run(lambda: parts.broker.was_used_within(60)))
        if self.environment.is_databricks_app:
            self.home.set_up()
            if self.environment.token:
                parts.credential_tasks.spawn(self.credential.adopt_from_environment())

    async def stop_extension(self) -> None:
        """Notify, end, flush, revoke and close; never raises and never hangs."""
        await run_stages(last_stages(self.parts, self.home), self.log)


def _services(parts: Parts, home: Home) -> Services:
    return Services(
        parts.pats,
        parts.sign_in,
        parts.agents,
        parts.mcp,
        parts.git_sync,
        parts.continuity,
        parts.tracer,
        parts.attention,
        parts.sessions,
        lambda: server_status(parts),
        home.install,
        parts.sessions.use_theme,
        parts.sessions.find_files,
        parts.databricks,
        home.update_tools,
        parts.background,
    )
