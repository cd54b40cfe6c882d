"""Every part of the server, each built from those before it; none runs yet."""

import shlex
import sys
from pathlib import Path
from typing import Any, cast

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp

from ..agents import AGENTS, AgentPaths, AgentRoster
from ..agents.attention import Attention, hook
from ..agents.attention.processes import Processes
from ..agents.attention.webhook import Webhook
from ..agents.databricks.command import DatabricksCli
from ..agents.databricks.facts import FactsWatch
from ..agents.databricks.profile import DEFAULT_PROFILE, OWN_PROFILE, DatabricksProfile
from ..agents.databricks.skills import Skills
from ..agents.databricks.tools import DatabricksTools
from ..agents.mcp.servers import McpServers
from ..agents.tracing import SessionTracer
from ..auth import OwnerResolver, guard
from ..background import BackgroundTasks, Coalesced
from ..broker import Broker
from ..config_files import ManagedFiles
from ..config_files.managed import STATE_FOLDER
from ..environment import Environment
from ..errors import PatError
from ..git_sync import GitSync
from ..lifecycle.attention import TerminalSignals
from ..lifecycle.continuity import Continuity
from ..lifecycle.continuity.part import NOTHING
from ..lifecycle.sessions import OpenSessions
from ..lifecycle.startup import StartupTasks
from ..local_channel.command import isolated_call
from ..local_channel.server import LocalChannel
from ..models import ModelTable, ModelWatch
from ..pat import PatRotator, SignIn
from ..pat.clock import SystemClock
from ..secret import Secret
from ..web.events import STATUS_SCHEMA_FILE, STATUS_SCHEMA_ID
from ..workspace_api import WorkspaceApi

# What agents' hooks run: without site packages it starts in half the time.
REPORTER = (sys.executable, "-I", "-S", str(Path(hook.__file__)))


class Parts:
    """The parts, connected with each other.

    ``app`` has their configuration.  Before ``may_write_home`` nothing outside our own folder is
    touched: elsewhere than on the platform the extension may be merely installed.
    """

    def __init__(
        self, app: ExtensionApp, server: ServerApp, environment: Environment, projects: Path
    ) -> None:
        self._app, self.log = app, app.log
        self.server, self.environment, self.projects = server, environment, projects
        self.may_write_home = False
        self.channel: LocalChannel | None = None
        self._events = cast(EventLogger, server.event_logger)
        self._events.register_event_schema(STATUS_SCHEMA_FILE)
        self.background = BackgroundTasks(app.log)
        # Stopped only after ``pats.settle``: a token that is being created would be lost otherwise.
        self.credential_tasks = BackgroundTasks(app.log)
        self.api = WorkspaceApi(environment.host)
        self.sessions = OpenSessions(server)
        self.resolver: OwnerResolver | None = None
        if environment.is_databricks_app:
            self.resolver = guard(server, self.api, environment, app)
        self._build_credential()
        self._build_models()
        self.files = ManagedFiles(environment.home)
        self.profile = self._build_profile()
        self.git_sync = self._build_git_sync()
        self._build_agents()
        self._build_tools()
        self._build_attention()
        self.continuity = self._build_continuity()
        self.startup = StartupTasks(parent=app)
        self.startup.on_change.append(lambda: self.emit("startup", self.startup.status()))

    def emit(self, part: str, model: Any) -> None:
        """Send a part's REST model to the open pages."""
        self._events.emit(schema_id=STATUS_SCHEMA_ID, data={"part": part, part: model})

    # ---- the credential, and the models that are called with it

    def _build_credential(self) -> None:
        clock, user = SystemClock(), self._expected_user
        self.pats = PatRotator(
            self.api,
            app_name=self.environment.app_name,
            expected_user=user,
            in_use=self._is_in_use,
            clock=clock,
            parent=self._app,
        )
        self.sign_in = SignIn(self.pats, clock, expected_user=user, parent=self._app)

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

    def _build_models(self) -> None:
        self.models = ModelTable(self.environment, parent=self._app)
        self.model_watch = ModelWatch(self.models, self.api, self.pats.current, parent=self._app)
        self.broker = Broker(
            pats=self.pats,
            models=self.models,
            workspace_host=self.environment.host,
            gateway_failed=self.model_watch.gateway_failed,
            parent=self._app,
        )

    # ---- the agents and their tools

    def _build_agents(self) -> None:
        self.tracer = self._build_tracer()
        self.facts = self._build_facts()
        self.mcp = self._build_mcp()
        self.agents = self._build_roster()
        self._refresh_agents = Coalesced(self.agents.refresh)
        self._rewrite_agents = Coalesced(self.agents.rewrite)

    def _build_tracer(self) -> SessionTracer:
        return SessionTracer(
            self.api,
            self.pats.current,
            lambda: str(self.pats.status()["user"]),
            home=self.environment.home,
            app_name=self.environment.app_name or self._app.name,
            parent=self._app,
        )

    def _build_facts(self) -> FactsWatch:
        return FactsWatch(
            self.api,
            self.pats.current,
            lambda: (str(self.pats.status()["user"] or ""), self.pats.scopes),
            self._agent_files_outdated,
            parent=self._app,
        )

    def _build_mcp(self) -> McpServers:
        environment, broker = self.environment, self.broker
        mcp = McpServers(
            environment.home, environment.host, broker.mcp, lambda: broker.url, parent=self._app
        )
        mcp.on_change.append(lambda: self.emit("mcp", mcp.status()))
        mcp.on_offer.append(self._agent_files_outdated)
        return mcp

    def _build_roster(self) -> AgentRoster:
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
            may_write=lambda: self.may_write_home,
        )
        agents = AgentRoster(paths, self.models, self.files, parent=self._app)
        agents.on_change.append(lambda: self._emit_agents(agents))
        self.models.on_change.append(self._models_changed)
        self.models.on_change.append(lambda: self.emit("models", agents.model_reports()))
        return agents

    def _emit_agents(self, agents: AgentRoster) -> None:
        """Send all that an owner can choose of agents: another page may show it."""
        self.emit("agents", agents.status())
        self.emit("approvals", agents.common_approvals())
        self.emit("models", agents.model_reports())

    def _agent_files_outdated(self) -> None:
        if self.may_write_home:
            self.background.spawn(self._rewrite_agents())

    def _models_changed(self) -> None:
        if self.may_write_home:
            self.background.spawn(self._refresh_agents())

    def _build_profile(self) -> DatabricksProfile:
        return DatabricksProfile(
            self.files,
            self.environment.home,
            self.environment.host,
            lambda: self.broker.metadata_service_url,
            name=DEFAULT_PROFILE if self.environment.is_databricks_app else OWN_PROFILE,
        )

    def _build_tools(self) -> None:
        home = self.environment.home
        self.databricks_cli = DatabricksCli(self.environment, parent=self._app)
        self.skills = Skills(home, self.api, self.pats.current, parent=self._app)
        tools = DatabricksTools(self.databricks_cli, self.skills, parent=self._app)
        self.databricks = tools
        tools.on_change.append(lambda: self.emit("databricks", tools.status()))

    def _build_attention(self) -> None:
        self.signals = TerminalSignals(self.sessions.manager)
        programs = {a.command: a.name for a in AGENTS} | {
            a.module: a.name for a in AGENTS if a.module
        }
        processes = Processes(programs, {agent.name: agent.one_turn for agent in AGENTS})
        titles = {agent.name: agent.titles for agent in AGENTS}
        self.attention = Attention(processes, titles, self.signals.places, parent=self._app)
        self.attention.on_change.append(lambda: self.emit("attention", self.attention.status()))
        self.signals.connect(self.attention)
        self.webhook = Webhook(
            {a.name: a.title for a in AGENTS}, self.attention.needs, parent=self._app
        )
        self.attention.on_need.append(self.webhook.tell)

    # ---- what outlives the server

    def _build_git_sync(self) -> GitSync:
        sync = GitSync(
            home=self.environment.home,
            projects=self.projects,
            origin=self.environment.app_name,
            api=self.api,
            pats=self.pats,
            user=lambda: self.pats.user,
            secrets=self._secrets,
            parent=self._app,
        )
        sync.on_change.append(lambda: self.emit("projects", sync.status()))
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
            parent=self._app,
        )
        if continuity.keeps == NOTHING:
            self.git_sync.keeps_work_in_progress = False
        continuity.on_change.append(lambda: self.emit("continuity", continuity.status()))
        return continuity

    def _secrets(self) -> list[Secret]:
        """Return what no upload may contain, though an agent may have printed it."""
        current = self.pats.current()
        return [*self.broker.secrets(), *([current] if current is not None else [])]
