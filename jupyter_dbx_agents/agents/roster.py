"""Which agents are on; their programs and files are kept in step with that.

An agent that is off has no command and no key in any file; its program stays on the disk, so it can
be switched on again at once.  "Removed" is off, with the program deleted.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, cast

from traitlets import Bool, Enum, Float, List, Unicode
from traitlets.config import LoggingConfigurable

from ..background import Listeners
from ..config_files import ManagedFiles
from ..environment import child_environment, current_environment
from ..errors import ConfigFileError, DbxAgentsError, RequestError
from ..models import Dialect, ModelReport, ModelTable
from ..secret import Secret
from .base import SKILLS_FOLDER, Agent, AgentContext
from .checks import Check, check_files, check_model, check_program
from .choices import ALL, Approvals, ApprovalsStatus, Choices, changed, nearest, shown_server
from .install.installer import AgentInstaller, Progress
from .install.links import point_link, remove_link
from .registry import AGENTS

# The models of ``ModelTable`` that Claude Code uses for side jobs, and OpenCode the second, too.
SIDE_MODELS = {
    "claude-code/sonnet": "anthropic_sonnet_model",
    "claude-code/small": "anthropic_small_model",
}
# A project's settings are some lines; what is longer is something else.
MOST_SETTINGS_BYTES = 256 * 1024


@dataclass(frozen=True)
class AgentPaths:
    """The folders, addresses and commands that agents use; the broker's is known once it listens.

    ``repositories`` returns the folders of all projects, which Codex trusts only by name.
    ``after_turn`` is the command that agents run after each turn, '' for none; ``reporter`` the one
    by which their hooks report what they are doing.  ``facts`` returns what agents are told of the
    workspace.  ``mcp_servers`` returns those that all agents are offered, for one with this secret.
    Before ``may_write`` nothing is written: merely installed, the extension leaves the home alone.
    """

    home: Path
    projects: Path
    broker_url: Callable[[], str]
    capability: Callable[[str], Secret]
    repositories: Callable[[], tuple[Path, ...]] = tuple
    after_turn: str = ""
    facts: Callable[[], str] = str
    reporter: tuple[str, ...] = ()
    mcp_servers: Callable[[Secret], Mapping[str, Mapping[str, Any]]] = lambda _capability: {}
    may_write: Callable[[], bool] = lambda: True


class McpServerStatus(TypedDict, total=False):
    """The REST model of an MCP server; of its headers and variables it has the names only."""

    url: str
    headers: list[str]
    command: str
    args: list[str]
    env: list[str]


class AgentStatus(TypedDict):
    """An agent's REST model."""

    name: str
    title: str
    command: str
    enabled: bool
    version: str
    installed: bool
    dialect: Dialect
    model: str
    model_is_chosen: bool
    takes_prompt: bool
    approvals: ApprovalsStatus
    mcp_servers: dict[str, McpServerStatus]
    message: str
    hint: str
    not_followed: list[str]


class CommonApprovals(TypedDict):
    """The REST model of what all agents ask before, if nothing is chosen for one."""

    holds: Approvals
    chosen: Approvals | None


class AgentRoster(LoggingConfigurable):
    """All agents of this home.  Methods with ``name`` raise RequestError for an unknown one."""

    enabled_agents = List(
        Unicode(),
        default_value=[agent.name for agent in AGENTS],
        help="The agents that are on by default. The owner can switch each on or off in the panel "
        "or with “jupyter dbx-agents agents”.",
    ).tag(config=True)
    disabled_agents = List(
        Unicode(), help="Names of agents to remove from enabled_agents, such as hermes."
    ).tag(config=True)
    approvals = Enum(
        [kind.value for kind in Approvals],
        default_value=Approvals.OWN.value,
        help="What all agents ask before, unless the owner chooses: own (each agent's default), "
        "ask (before edits and commands), edits (before commands) or everything (for nothing). "
        "docs/approvals.md says what each agent can do.",
    ).tag(config=True)
    trusts_project_settings = Bool(
        False,
        help="Whether the files of a project (.env, .gemini, opencode.json) may choose where "
        "Gemini CLI and OpenCode send prompts. Claude Code, Codex and Hermes never take that from "
        "a project.",
    ).tag(config=True)
    look_interval_seconds = Float(
        3.0,
        min=0.1,
        help="How often (seconds) to check for new repositories, which Codex trusts only by name.",
    ).tag(config=True)

    def __init__(
        self, paths: AgentPaths, models: ModelTable, files: ManagedFiles, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.installer = AgentInstaller(paths.home, parent=self.parent)
        self._paths, self._models, self._files = paths, models, files
        self._choices = Choices(paths.home)
        if self._choices.problem is not None:
            self.log.warning("%s %s", self._choices.problem.message, self._choices.problem.hint)
        self._writing, self._choosing = asyncio.Lock(), asyncio.Lock()
        self._git_roots: tuple[Path, ...] = ()
        self._problems: dict[str, DbxAgentsError] = {}
        self._reported: set[Path] = set()
        self._not_followed: dict[str, list[Path]] = {}  # files of projects, by agent
        self.on_change = Listeners("the agents", self.log)

    # ---- which agents

    def agent(self, name: str) -> Agent:
        """Return an agent by name."""
        for agent in AGENTS:
            if agent.name == name:
                return agent
        names = ", ".join(agent.name for agent in AGENTS)
        raise RequestError(f"There is no agent “{name}”.", f"The agents are {names}.", status=404)

    def is_enabled(self, agent: Agent) -> bool:
        """Whether an agent is on: by the owner's choice, else by the configuration."""
        chosen = self._choices.of(agent.name).enabled
        configured = agent.name in self.enabled_agents and agent.name not in self.disabled_agents
        return configured if chosen is None else chosen

    def is_coming(self, name: str) -> bool:
        """Whether an agent that is on is not installed yet, and nothing has failed."""
        agent = self.agent(name)
        is_wanted = self.is_enabled(agent) and name not in self._problems
        return is_wanted and self.installer.installed(agent) is None

    def enabled(self) -> list[Agent]:
        """Return the agents that are on."""
        return [agent for agent in AGENTS if self.is_enabled(agent)]

    def environment(self) -> dict[str, str]:
        """Return the variables that the agents that are on need in terminals."""
        home = str(self._paths.home)
        return {
            name: value.replace("{home}", home)
            for agent in self.enabled()
            for name, value in agent.environment.items()
        }

    def model(self, name: str) -> AgentStatus:
        """Return the REST model of an agent; values that may be secrets are left out."""
        agent = self.agent(name)
        choice = self._choices.of(agent.name)
        installation = self.installer.installed(agent)
        problem = self._problems.get(name) or self._model_problem(agent)
        return {
            "name": agent.name,
            "title": agent.title,
            "command": agent.command,
            "enabled": self.is_enabled(agent),
            "version": agent.recipe.version(),
            "installed": installation is not None,
            "dialect": agent.dialect,
            "model": choice.model or agent.default_model(self._models),
            "model_is_chosen": choice.model is not None,
            "takes_prompt": bool(agent.first_prompt),
            "approvals": self._approvals_of(agent),
            "mcp_servers": {
                n: cast(McpServerStatus, shown_server(server))
                for n, server in choice.mcp_servers.items()
            },
            "message": problem.message if problem else "",
            "hint": problem.hint if problem else "",
            "not_followed": [str(path) for path in self._not_followed.get(name, ())],
        }

    def _approvals_of(self, agent: Agent) -> ApprovalsStatus:
        """Return the REST model of an agent's approvals."""
        context, wanted = self._context(agent), self._wanted_approvals(agent)
        possible, holds = agent.approvals(context), context.approvals
        by_default = holds is Approvals.OWN
        note = ""
        if holds is not wanted:
            note = f"{agent.title} cannot {wanted.meaning}."
            if by_default:
                note += " Its own default holds, which may ask for less."
        elif not by_default and agent.name in self._problems:
            note = f"{agent.title} may ask for less: not all of its files could be written."
        return {
            "holds": holds,
            "chosen": self._choices.of(agent.name).approvals,
            "possible": list(possible),
            "text": possible[holds],
            "asks_first": agent.asks_first if by_default else holds is not Approvals.EVERYTHING,
            "note": note,
        }

    def _wanted_approvals(self, agent: Agent) -> Approvals:
        if self._choices.is_lost(agent.name):
            return Approvals.ASK  # nobody has asked for less
        return self._choices.of(agent.name).approvals or self.common_approvals()["holds"]

    def common_approvals(self) -> CommonApprovals:
        """Return the REST model of what all agents ask before.

        The strictest if it cannot be read what was chosen: nobody asked for less.
        """
        chosen = self._choices.of(ALL).approvals
        is_lost = chosen is None and self._choices.problem is not None
        configured = Approvals.ASK if is_lost else Approvals(self.approvals)
        return {"holds": chosen or configured, "chosen": chosen}

    def _model_problem(self, agent: Agent) -> DbxAgentsError | None:
        """Return what is wrong with a chosen model.

        It is used all the same: the workspace's lists lack models that others share with the user.
        """
        model = self._choices.of(agent.name).model
        if model is None:
            return None
        report = self._models.report(model, model, agent.dialect, *agent.also_speaks)
        hint = "Choose one that is served, or the default."
        return RequestError(report["problem"], hint) if report["problem"] else None

    def status(self) -> list[AgentStatus]:
        """Return the REST models of all agents."""
        return [self.model(agent.name) for agent in AGENTS]

    def model_reports(self) -> dict[str, ModelReport]:
        """Return the REST models of the models in use, by the agent's name."""
        before, by_trait = self._models.as_configured(), self._models.reports()
        reports = {agent.name: self._model_report(agent, before) for agent in self.enabled()}
        return reports | {name: by_trait[trait] for name, trait in SIDE_MODELS.items()}

    def _model_report(self, agent: Agent, before: ModelTable) -> ModelReport:
        chosen = self._choices.of(agent.name).model
        model = chosen or agent.default_model(self._models)
        configured = chosen or agent.default_model(before)
        return self._models.report(model, configured, agent.dialect, *agent.also_speaks)

    # ---- files

    async def write_files(
        self, agents: Iterable[Agent] | None = None, *, model_is_new: bool = False
    ) -> None:
        """Write the files of the agents that are on, and remove our keys for those that are off.

        ``model_is_new`` if the owner has just chosen their model.
        A user's broken file does not stop the others; the first such error is raised at the end.
        """
        async with self._writing:
            self._git_roots = self._paths.repositories()
            chosen = AGENTS if agents is None else agents
            for agent in chosen if self._paths.may_write() else ():
                await asyncio.to_thread(self._write, agent, model_is_new)
        self.on_change.notify()
        if self._problems:
            raise next(iter(self._problems.values()))

    async def refresh(self) -> None:
        """Update the agents' files for models that have changed."""
        for agent in self.enabled():
            await self._prepare(agent)
        with contextlib.suppress(DbxAgentsError):  # it is in the agent's REST model
            await self.write_files()

    async def rewrite(self) -> None:
        """Update the agents' files for what they are offered, and told of the workspace."""
        with contextlib.suppress(DbxAgentsError):
            await self.write_files()

    async def check_repositories(self) -> None:
        """Update the agents that trust each repository, if one is new or gone."""
        roots = self._paths.repositories()
        if roots != self._git_roots:
            with contextlib.suppress(DbxAgentsError):  # it is in the agent's REST model
                await self.write_files(agent for agent in AGENTS if agent.trusts_each_repository)
        if not self.trusts_project_settings:
            self._report(await asyncio.to_thread(self._project_settings, roots))

    def _project_settings(self, roots: Iterable[Path]) -> list[tuple[Agent, Path]]:
        """Return which files of projects name a provider that their agent does not use."""
        return [
            (agent, root / name)
            for root in roots
            for agent in self.enabled()
            for name, pattern in agent.project_settings.items()
            if _contains(root / name, pattern)
        ]

    def _report(self, found: Iterable[tuple[Agent, Path]]) -> None:
        """Log each of these files once, and show those that are there in the REST model."""
        not_followed: dict[str, list[Path]] = {}
        for agent, path in found:
            not_followed.setdefault(agent.name, []).append(path)
            if path not in self._reported:
                self._reported.add(path)
                self.log.warning(
                    "%s names another provider or key, which %s does not use: its prompts stay in "
                    "the workspace.",
                    path,
                    agent.title,
                )
        if not_followed != self._not_followed:
            self._not_followed = not_followed
            self.on_change.notify()

    async def run(self) -> None:
        """Check for new repositories periodically, until cancelled."""
        while True:
            await asyncio.sleep(self.look_interval_seconds)
            await self.check_repositories()

    def remove_links(self) -> list[Path]:
        """Remove the agents' links and commands from the home, but not their programs.

        Return where they were.  Blocking; raises OSError.
        """
        home = self._paths.home
        removed = [home / SKILLS_FOLDER / "any"]
        for agent in AGENTS:
            self.installer.unlink(agent)
            for link, target in agent.links.items():
                remove_link(home / link, home / target)
                removed.append(home / link)
        return removed

    def _write(self, agent: Agent, model_is_new: bool) -> None:
        """Write or remove one agent's keys and links; a problem is recorded in ``_problems``."""
        self._problems.pop(agent.name, None)
        context = replace(self._context(agent), model_is_new=model_is_new)
        for file in agent.config_files(context):
            with self._recording_problem(agent):
                if self.is_enabled(agent):
                    self._files.write(file)
                else:
                    self._files.remove(file.path)
        with self._recording_problem(agent):
            self._write_links(agent)

    def _write_links(self, agent: Agent) -> None:
        home = self._paths.home
        (home / SKILLS_FOLDER).mkdir(parents=True, exist_ok=True)
        if not self.is_enabled(agent):
            self.installer.link_note(agent)
        for link, target in agent.links.items():
            if self.is_enabled(agent):
                point_link(home / link, home / target, home / target)
            else:
                remove_link(home / link, home / target)

    @contextlib.contextmanager
    def _recording_problem(self, agent: Agent) -> Iterator[None]:
        try:
            yield
        except DbxAgentsError as error:
            self.log.warning("%s: %s %s", agent.title, error.message, error.hint)
            self._problems.setdefault(agent.name, error)
        except OSError as error:
            self._problems.setdefault(
                agent.name,
                ConfigFileError(
                    f"{error.strerror}: {error.filename}.",
                    "Check its permissions and the free space.",
                ),
            )

    def _context(self, agent: Agent) -> AgentContext:
        choice = self._choices.of(agent.name)
        capability = self._paths.capability(agent.name)
        context = AgentContext(
            home=self._paths.home,
            broker_url=self._paths.broker_url(),
            capability=capability,
            models=self._models,
            model=choice.model or agent.default_model(self._models),
            projects=self._paths.projects,
            own_folder=self.installer.own_folder(agent),
            git_roots=self._git_roots,
            mcp_servers={**self._paths.mcp_servers(capability), **choice.mcp_servers},
            after_turn=self._paths.after_turn,
            reporter=self._paths.reporter,
            trusts_project_settings=self.trusts_project_settings,
            facts=self._paths.facts(),
        )
        possible = agent.approvals(context)
        return replace(context, approvals=nearest(self._wanted_approvals(agent), possible))

    # ---- programs

    async def install(self, name: str, report: Progress | None = None) -> None:
        """Install an agent that is on, and prepare what its files need.  Raises InstallError."""
        agent = self.agent(name)
        if not self.is_enabled(agent):
            return
        await self.installer.install(agent, report)
        if not self.is_enabled(agent):  # it was switched off meanwhile
            self.installer.link_note(agent)
        elif agent.prepare is not None:
            await self._prepare(agent)
            with contextlib.suppress(DbxAgentsError):  # it is in the agent's REST model
                await self.write_files([agent])
        self.on_change.notify()

    # ---- choices

    async def change(self, name: str, patch: dict[str, Any]) -> AgentStatus:
        """Apply a JSON merge patch to an agent's choices, at once; return its REST model.

        Raises RequestError, and ConfigFileError for a file that cannot be written.
        """
        agent = self.agent(name)
        async with self._choosing:  # all are kept in one file
            choice = changed(self._choices.of(agent.name), patch)
            if "approvals" in patch:
                self._check_approvals(agent, choice.approvals)
            await asyncio.to_thread(self._choices.keep, name, choice)
        await self._prepare(agent)
        with contextlib.suppress(DbxAgentsError):  # it is in the REST model that is returned
            await self.write_files([agent], model_is_new="model" in patch)
        if "approvals" in patch:
            self._log_approvals(agent.title, choice.approvals)
        with self._recording_problem(agent):
            self._link(agent)
        return self.model(name)

    def _link(self, agent: Agent) -> None:
        if not self._paths.may_write():
            return
        if self.is_enabled(agent):
            self.installer.link(agent)
        else:
            self.installer.link_note(agent)

    def _log_approvals(self, whose: str, chosen: Approvals | None) -> None:
        """Leave a trace: a program in a terminal can choose them as well."""
        self.log.warning("Approvals of %s: %s", whose, chosen or "as configured")

    def _check_approvals(self, agent: Agent, chosen: Approvals | None) -> None:
        possible = agent.approvals(self._context(agent))
        if chosen is not None and chosen not in possible:
            raise RequestError(
                f"{agent.title} cannot {chosen.meaning}.",
                f"Use one of {', '.join(possible)}.",
            )

    async def change_all(self, patch: dict[str, Any]) -> list[AgentStatus]:
        """Apply a JSON merge patch to what is chosen for all agents; return their REST models.

        What is chosen for one agent stays.  Raises RequestError and ConfigFileError.
        """
        if set(patch) - {"approvals"}:
            raise RequestError("Only “approvals” can be set for all agents.", "Name an agent.")
        async with self._choosing:
            choice = changed(self._choices.of(ALL), patch)
            await asyncio.to_thread(self._choices.keep, ALL, choice)
        self._log_approvals("all agents", choice.approvals)
        await self.rewrite()
        return self.status()

    async def remove(self, name: str) -> AgentStatus:
        """Switch an agent off and delete its program; return its REST model."""
        await self.change(name, {"enabled": False})
        await self.installer.remove(self.agent(name))
        with self._recording_problem(self.agent(name)):
            self._link(self.agent(name))
        self.on_change.notify()
        return self.model(name)

    async def check(self, name: str) -> list[Check]:
        """Check an agent's program and files, and call its model."""
        agent = self.agent(name)
        if not self.is_enabled(agent):
            hint = f"Switch it on: jupyter dbx-agents agents enable {name}"
            return [Check("enabled", "warning", f"{agent.title} is off.", hint)]
        context = self._context(agent)
        dialect = self._models.dialect_of(context.model, agent.dialect, *agent.also_speaks)
        program, answer = await asyncio.gather(
            check_program(agent, self.installer, self._child_environment()),
            check_model(context, dialect),
        )
        files = check_files(agent, self._problems.get(name), context)
        return [program, files, answer]

    async def _prepare(self, agent: Agent) -> None:
        """Prepare what an agent's files need; the agent works without it, but less well."""
        found = self.installer.installed(agent)
        if agent.prepare is None or found is None or not self.is_enabled(agent):
            return
        try:
            await agent.prepare(self._context(agent), found.program, self._child_environment())
        except DbxAgentsError as error:
            self.log.warning("%s: %s %s", agent.title, error.message, error.hint)

    def _child_environment(self) -> dict[str, str]:
        return child_environment(current_environment(), self._paths.home, self.environment())


def _contains(path: Path, pattern: str) -> bool:
    """Whether a small text file has something."""
    try:
        is_small = path.stat().st_size <= MOST_SETTINGS_BYTES
        return is_small and re.search(pattern, path.read_text(errors="replace")) is not None
    except OSError:
        return False
