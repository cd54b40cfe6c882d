"""The composition root: builds every part, starts and stops it; only this module imports them all.

Parts get what they need as arguments.  On a Databricks App a failure to put the owner-only gate in
force ends the process (Jupyter itself would carry on with a token login).
See docs/decisions/0005-one-process.md
"""

import asyncio
import itertools
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Unicode
from traitlets.config import Config

from ._version import __version__
from .agents import AGENTS, AgentInstaller, AgentPaths, AgentRoster, InstallTasks
from .agents.attention import Attention, hook
from .agents.attention.attention import SessionState
from .agents.attention.processes import Processes
from .agents.attention.webhook import Webhook
from .agents.databricks.command import DatabricksCli
from .agents.databricks.facts import FactsWatch
from .agents.databricks.profile import DEFAULT_PROFILE, OWN_PROFILE, DatabricksProfile
from .agents.databricks.skills import Skills
from .agents.databricks.tools import DatabricksTools, ToolsStatus
from .agents.mcp.servers import McpServerModel, McpServers
from .agents.roster import AgentStatus, CommonApprovals
from .agents.tracing import SessionTracer
from .agents.tracing.tracer import TracingStatus
from .auth import (
    OwnerIdentityProvider,
    OwnerResolver,
    guard,
    owner_only_config,
    verify_gate,
)
from .background import BackgroundTasks, Coalesced, Stage, backoff_seconds, run_stages
from .broker import Broker
from .broker.ledger import UsageStatus
from .config_files import ManagedFiles
from .config_files.managed import STATE_FOLDER
from .environment import (
    Environment,
    child_environment,
    current_environment,
    extend_environment,
    forbid_inspection,
    forget_variables,
    prepare_children,
    take_environment,
)
from .errors import ConfigurationError, DbxAgentsError, PatError, WorkspaceError
from .git_sync import GitSync
from .git_sync.states import ProjectStatus
from .lifecycle.attention import TerminalSignals
from .lifecycle.continuity import Continuity
from .lifecycle.continuity.part import NOTHING, ContinuityStatus
from .lifecycle.home_traces import HomeTraces
from .lifecycle.preferences import preferences
from .lifecycle.process import fatal, tune_event_loop
from .lifecycle.sessions import OpenSessions, SessionsStatus
from .lifecycle.startup import StartupTasks, TaskStatus
from .lifecycle.template import detach_template
from .local_channel import SOCKET_VARIABLE
from .local_channel.command import PACKAGE_ROOT, isolated_call, write_command
from .local_channel.server import LocalChannel
from .models import GatewayKind, ModelReport, ModelTable, ModelWatch
from .pat import PatRotator, SignIn, parse_pat
from .pat.clock import SystemClock
from .pat.rotator import PatStatus
from .secret import Secret
from .terminals.manager import HOST_SETTING, DbxTerminalManager, TerminalHost
from .terminals.terminal_socket import terminal_routes
from .web.browser import browser_routes, configure_page
from .web.events import STATUS_SCHEMA_FILE, STATUS_SCHEMA_ID
from .web.operations import Services
from .web.rest import open_local_channel, rest_routes
from .workspace_api import WorkspaceApi

STOPPING_MESSAGE = (
    "The app is shutting down. Committed work is safe; open this page again in a minute."
)
# Off the platform nobody kills us 15 s after a SIGTERM.
LEAVE_SECONDS = 10.0
# For commits made just before the stop: on the platform the disk is lost then.
FLUSH_SECONDS = 4.2
# Between two attempts to adopt DATABRICKS_TOKEN: the first, and the longest.
ADOPTION_PAUSES_SECONDS = (2.0, 60.0)
UPLOADS_FOLDER = "uploads"
# What agents' hooks run: without site packages it starts in half the time.
REPORTER = (sys.executable, "-I", "-S", str(Path(hook.__file__)))


class GatewayStatus(TypedDict):
    """Through what the agents reach their models."""

    kind: GatewayKind
    reason: str


class ServerStatus(SessionsStatus):
    """The REST model of the whole server."""

    version: str
    workspace: str
    owner: str | None
    pat: PatStatus
    gateway: GatewayStatus
    models: dict[str, ModelReport]
    stand_ins: dict[str, str]
    usage: list[UsageStatus]
    tracing: TracingStatus
    agents: list[AgentStatus]
    approvals: CommonApprovals
    mcp: list[McpServerModel]
    databricks: ToolsStatus
    attention: list[SessionState]
    projects: list[ProjectStatus]
    startup: list[TaskStatus]
    continuity: ContinuityStatus


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
        environment = self.environment
        self.background = BackgroundTasks(self.log)
        # Stopped only after ``pats.settle``: a token that is being created would be lost otherwise.
        self.credential_tasks = BackgroundTasks(self.log)
        self.projects = environment.home / self.projects_folder
        self.api = WorkspaceApi(environment.host)
        self.sessions = OpenSessions(self.server)
        self.resolver: OwnerResolver | None = None
        if environment.is_databricks_app:
            self.resolver = guard(self.server, self.api, environment, self)
        self.models = ModelTable(environment, parent=self)
        clock = SystemClock()
        self.pats = PatRotator(
            self.api,
            app_name=environment.app_name,
            expected_user=self._expected_user,
            in_use=self._is_in_use,
            clock=clock,
            parent=self,
        )
        self.sign_in = SignIn(self.pats, clock, expected_user=self._expected_user, parent=self)
        self.pats.on_change.append(self._pat_changed)
        self.tracer = self._build_tracer()
        self.model_watch = ModelWatch(self.models, self.api, self.pats.current, parent=self)
        self.broker = Broker(
            pats=self.pats,
            models=self.models,
            workspace_host=environment.host,
            gateway_failed=self.model_watch.gateway_failed,
            parent=self,
        )
        self.files = ManagedFiles(environment.home)
        self.profile = DatabricksProfile(
            self.files,
            environment.home,
            environment.host,
            lambda: self.broker.metadata_service_url,
            name=DEFAULT_PROFILE if environment.is_databricks_app else OWN_PROFILE,
        )
        self.git_sync = self._build_git_sync()
        self.facts = FactsWatch(
            self.api,
            self.pats.current,
            lambda: (str(self.pats.status()["user"] or ""), self.pats.scopes),
            self._facts_changed,
            parent=self,
        )
        self.mcp = self._build_mcp()
        self.agents = self._build_agents()
        self.databricks_cli = DatabricksCli(environment, parent=self)
        self.skills = Skills(environment.home, self.api, self.pats.current, parent=self)
        self.databricks = DatabricksTools(self.databricks_cli, self.skills, parent=self)
        self.attention = self._build_attention()
        self.continuity = self._build_continuity()
        self._search_projects = Coalesced(self.git_sync.install_hooks)
        self._refresh_agents = Coalesced(self.agents.refresh)
        self._rewrite_agents = Coalesced(self.agents.rewrite)
        self.startup = StartupTasks(parent=self)
        self.startup.on_change.append(lambda: self._emit("startup", self.startup.status()))
        self.installs = InstallTasks(self.agents, self.startup, after=("configure",))
        self.services = Services(
            self.pats,
            self.sign_in,
            self.agents,
            self.mcp,
            self.git_sync,
            self.continuity,
            self.tracer,
            self.attention,
            self.sessions,
            self.status,
            self._install,
            self.sessions.use_theme,
            self.sessions.find_files,
            self.databricks,
            self._update_tools,
        )
        self.channel: LocalChannel | None = None
        self._written_pat: object = None
        self._is_set_up = False
        self._home_traces: HomeTraces | None = None
        self.server.web_app.settings[HOST_SETTING] = self._terminal_host()
        self.events = cast(EventLogger, self.server.event_logger)
        self.events.register_event_schema(STATUS_SCHEMA_FILE)

    def _build_tracer(self) -> SessionTracer:
        return SessionTracer(
            self.api,
            self.pats.current,
            lambda: str(self.pats.status()["user"]),
            home=self.environment.home,
            app_name=self.environment.app_name or self.name,
            parent=self,
        )

    def _build_attention(self) -> Attention:
        self.signals = TerminalSignals(self.sessions.manager)
        programs = {a.command: a.name for a in AGENTS} | {
            a.module: a.name for a in AGENTS if a.module
        }
        processes = Processes(programs, {agent.name: agent.one_turn for agent in AGENTS})
        titles = {agent.name: agent.titles for agent in AGENTS}
        attention = Attention(processes, titles, self.signals.places, parent=self)
        attention.on_change.append(lambda: self._emit("attention", attention.status()))
        self.signals.connect(attention)
        self.webhook = Webhook({a.name: a.title for a in AGENTS}, attention.needs, parent=self)
        attention.on_need.append(self.webhook.tell)
        return attention

    def _programs_changed(self) -> None:
        self.attention.follow()
        self._emit("terminals", self.sessions.terminals())

    def _terminal_host(self) -> TerminalHost:
        return TerminalHost(
            environment=self._terminal_environment,
            login_command=self._login_command,
            opened=self._terminal_opened,
            programs_changed=self._programs_changed,
            folder=self.projects,
            signalled=self.signals.signalled,
            ended=self.signals.ended,
        )

    def _build_mcp(self) -> McpServers:
        environment, broker = self.environment, self.broker
        mcp = McpServers(
            environment.home, environment.host, broker.mcp, lambda: broker.url, parent=self
        )
        mcp.on_change.append(lambda: self._emit("mcp", mcp.status()))
        mcp.on_offer.append(self._mcp_offer_changed)
        return mcp

    def _build_agents(self) -> AgentRoster:
        paths = AgentPaths(
            home=self.environment.home,
            projects=self.projects,
            broker_url=lambda: self.broker.url,
            capability=self.broker.capability,
            repositories=self.git_sync.folders,
            mcp_servers=self.mcp.offered,
            after_turn=shlex.join(isolated_call("cli.trace_hook")) if self.tracer.enabled else "",
            facts=lambda: self.facts.text,
            reporter=REPORTER,
        )
        agents = AgentRoster(paths, self.models, self.files, parent=self)
        agents.on_change.append(lambda: self._emit("agents", agents.status()))
        self.models.on_change.append(self._models_changed)
        self.models.on_change.append(lambda: self._emit("models", agents.model_reports()))
        return agents

    def _build_git_sync(self) -> GitSync:
        sync = GitSync(
            home=self.environment.home,
            projects=self.projects,
            origin=self.environment.app_name,
            api=self.api,
            pats=self.pats,
            user=lambda: self.pats.user,
            secrets=self._secrets,
            parent=self,
        )
        sync.on_change.append(lambda: self._emit("projects", sync.status()))
        sync.on_change.append(lambda: self.background.spawn(self.agents.check_repositories()))
        return sync

    def _build_continuity(self) -> Continuity:
        continuity = Continuity(
            home=self.environment.home,
            state_folder=self.environment.home / STATE_FOLDER,
            origin=self.environment.app_name,
            is_databricks_app=self.environment.is_databricks_app,
            git_sync=self.git_sync,
            secrets=self._secrets,
            manager=self.sessions.manager,
            parent=self,
        )
        if continuity.keeps == NOTHING:
            self.git_sync.keeps_work_in_progress = False
        continuity.on_change.append(lambda: self._emit("continuity", continuity.status()))
        return continuity

    def _secrets(self) -> list[Secret]:
        """Return what no upload may contain, though an agent may have printed it."""
        current = self.pats.current()
        return [*self.broker.secrets(), *([current] if current is not None else [])]

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
        try:
            if self.resolver is not None:
                verify_gate(serverapp)  # again: a later extension may have changed the router
                self.resolver.start()
            await self.broker.start()
            self.channel = open_local_channel(self.services)
            extend_environment({SOCKET_VARIABLE: str(self.channel.start())})
        except Exception as error:  # as in ``fatal``; sys.exit would be caught by the loop
            self.log.critical("jupyter_dbx_agents cannot start: %s", error, exc_info=True)
            os._exit(1)
        self.credential_tasks.spawn(self.pats.run())
        self.background.spawn(self.model_watch.run())
        self.background.spawn(self.facts.run())
        self.background.spawn(self.broker.mcp.run())
        self.background.spawn(self.tracer.run())
        self.background.spawn(self.webhook.run())
        self.background.spawn(self.attention.run(lambda: self.broker.was_used_within(60)))
        if self.environment.is_databricks_app:
            self._set_up()
            if self.environment.token:
                self.credential_tasks.spawn(self._adopt_from_environment())

    def _set_up(self) -> None:
        """Write files, install the agents and watch the projects.

        On a Databricks App at the start.  Elsewhere the extension may be merely installed: then
        nothing outside our own folder is touched before the user signs in.
        """
        self._is_set_up = True
        forget_variables()
        prepare_children(self.environment.home, self.agents.environment())
        self._add_startup_tasks()
        self.background.spawn(self.agents.run())
        self.background.spawn(self.continuity.run())
        self.background.spawn(self.startup.run())

    async def stop_extension(self) -> None:
        """Notify, end, flush, revoke and close; never raises and never hangs."""
        await run_stages(self._last_stages(), self.log)

    def _last_stages(self) -> list[Stage]:
        """Return the stages of a stop; the sum of their times is below the platform's 15 s."""
        closing = [self.broker.stop, self.api.close, self.attention.stop]
        closing += [part.stop for part in (self.channel, self.resolver) if part is not None]
        sessions = [self.sessions.end_terminals, self.sessions.end_kernels, self.pats.settle]
        flushes = [lambda: self.git_sync.stop(FLUSH_SECONDS), self.continuity.flush]
        stages = [
            Stage("notifying the clients", 0.2, [self._announce_stop]),
            Stage("background work", 1.0, [self.background.stop]),
            Stage("sessions and sync", 4.4, [*sessions, *flushes]),
            Stage("what was not sent", 0.4, [self.continuity.note_unsent]),
            Stage("revoking the tokens", 3.1, [self.credential_tasks.stop, self.pats.stop]),
            Stage("files and connections", 0.8, [self.profile.leave, *closing]),
        ]
        if self._home_traces is not None and self.profile.is_ours():
            stages.insert(-1, Stage("the home folder", LEAVE_SECONDS, [self._leave_home]))
        return stages

    async def _leave_home(self) -> None:
        """Leave the user's home as it was before they signed in."""
        if self._home_traces is not None:
            links = await asyncio.to_thread(self.agents.remove_links)
            links.append(await asyncio.to_thread(self.databricks_cli.unlink))
            links += await asyncio.to_thread(self.skills.remove_links)
            await asyncio.to_thread(self._home_traces.remove, links)

    async def _announce_stop(self) -> None:
        self.continuity.freeze()
        self._emit("server", {"state": "stopping", "message": STOPPING_MESSAGE})
        self.sessions.announce(STOPPING_MESSAGE)

    async def _adopt_from_environment(self) -> None:
        """Adopt ``DATABRICKS_TOKEN`` as if it had been pasted, once the owner is known."""
        if self.resolver is not None:
            await self.resolver.wait()
        for attempt in itertools.count():
            try:
                await self.pats.adopt(parse_pat(self.environment.token.reveal()))
            except WorkspaceError as error:  # nothing that judges the token
                pause = backoff_seconds(attempt, *ADOPTION_PAUSES_SECONDS)
                pause = max(pause, getattr(error, "retry_after_seconds", 0.0))
                self.log.warning(
                    "DATABRICKS_TOKEN cannot be checked yet: %s Retrying in %.0f s.",
                    error.message,
                    pause,
                )
                await asyncio.sleep(pause)
            except DbxAgentsError as error:
                self.log.warning("DATABRICKS_TOKEN is not used: %s %s", error.message, error.hint)
                return
            if self.pats.current() is not None:  # this one, or one that was pasted meanwhile
                return

    # ---- start-up tasks

    def _add_startup_tasks(self) -> None:
        self.startup.add("configure", "Configure the agents", self._configure)
        self.startup.add("sync", "Watch projects", self._start_git_sync, after=("configure",))
        title = "Get the Databricks CLI and skills"
        self.startup.add("databricks", title, self._start_tools, after=("configure",))
        if self.install_agents:
            self.installs.add_enabled()

    def _install(self, agent: str) -> None:
        """Start an agent's installation now; before the set-up it is that which installs it."""
        if self._is_set_up:
            self.background.spawn(self.installs.install(agent))

    async def _configure(self, _progress: Any = None) -> None:
        if not self.environment.is_databricks_app:
            self._home_traces = await asyncio.to_thread(
                HomeTraces, self.environment.home, self.projects, self.files
            )
        self.projects.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(write_command, self.environment.home)
        await self.profile.follow(self._literal_token)
        await self.agents.write_files()

    async def _start_tools(self, progress: Any) -> None:
        await self.databricks.run(progress, installs=self.install_agents)
        self.background.spawn(self.databricks.keep(installs=self.install_agents))

    def _update_tools(self) -> None:
        self.background.spawn(self.databricks.run())

    async def _start_git_sync(self, _progress: Any = None) -> None:
        # Only in the deployed template itself, in whose folder the platform starts us.
        is_in_place = self.detach_template and Path.cwd() == PACKAGE_ROOT
        is_deployed = is_in_place and self.environment.is_databricks_app
        await asyncio.to_thread(
            detach_template,
            PACKAGE_ROOT,
            is_databricks_app=is_deployed,
            environment=current_environment(),
            log=self.log,
        )
        await self.git_sync.start()

    # ---- what the parts call

    def _expected_user(self) -> str | None:
        if self.resolver is None:
            return None
        if self.resolver.owner is None:
            raise PatError("The owner of this app is not known yet.", "Try again in a moment.")
        return self.resolver.owner

    def _is_in_use(self) -> bool:
        """Whether a session is open, or an agent or SDK program in the background is at work."""
        interval_seconds = self.pats.rotation_interval_seconds
        return self.sessions.exist() or self.broker.was_used_within(interval_seconds)

    def _terminal_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        if not self._is_set_up:
            return dict(base)
        extra = {**self.agents.environment(), **self.continuity.terminal_environment(base)}
        return child_environment(base, self.environment.home, extra)

    def _terminal_opened(self) -> None:
        self.pats.session_opened()
        if self._is_set_up:
            self.background.spawn(self._search_projects())

    def _login_command(self) -> Sequence[str]:
        """Return the command that asks the owner to connect before the shell; none if they have."""
        is_connected = self.pats.current() is not None or self.pats.is_signed_in
        if is_connected or not self.environment.host:
            return ()
        return (*isolated_call("cli.login"), "--")

    # ---- following the credential

    def _pat_changed(self) -> None:
        self._emit("pat", self.pats.status())
        if self.pats.current() != self._written_pat:
            self._written_pat = self.pats.current()
            if not self._is_set_up:
                self._set_up()
            self.background.spawn(self._follow_pat())
            self.model_watch.token_changed()
            self.databricks.token_changed()
            self.facts.token_changed()
            self.broker.mcp.token_changed()
            self.git_sync.pat_changed()

    def _facts_changed(self) -> None:
        if self._is_set_up:
            self.background.spawn(self._rewrite_agents())

    def _models_changed(self) -> None:
        if self._is_set_up:
            self.background.spawn(self._refresh_agents())

    def _mcp_offer_changed(self) -> None:
        if self._is_set_up:
            self.background.spawn(self._rewrite_agents())

    async def _follow_pat(self) -> None:
        """Write the new token to ~/.databrickscfg, for tools that read it there."""
        try:
            await self.profile.follow(self._literal_token)
        except DbxAgentsError as error:
            self.log.warning("%s %s", error.message, error.hint)

    def _literal_token(self) -> Secret | None:
        return self.pats.current() if self.write_token_to_databrickscfg else None

    def _emit(self, part: str, model: Any) -> None:
        self.events.emit(schema_id=STATUS_SCHEMA_ID, data={"part": part, part: model})

    def status(self) -> ServerStatus:
        """Return the REST model of the whole server, without any secret."""
        gateway = self.models.gateway
        return {
            "version": __version__,
            "workspace": self.environment.host,
            "owner": self.resolver.owner if self.resolver else None,
            "pat": self.pats.status(),
            "gateway": {"kind": gateway.kind, "reason": gateway.reason},
            "models": self.agents.model_reports(),
            "stand_ins": dict(self.models.stand_ins),
            "usage": self.broker.usage.to_json(),
            "tracing": self.tracer.status(),
            "agents": self.agents.status(),
            "approvals": self.agents.common_approvals(),
            "mcp": self.mcp.status(),
            "databricks": self.databricks.status(),
            "attention": self.attention.status(),
            "projects": self.git_sync.status(),
            "startup": self.startup.status(),
            "continuity": self.continuity.status(),
            **self.sessions.status(),
        }
