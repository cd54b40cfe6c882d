"""What an agent is, and what every agent is told about where it works: declarations only."""

import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..config_files import ConfigFile, Format, Initial
from ..config_files.text import SECTION
from ..models import Dialect, ModelTable, family_of
from ..models.names import stem_of
from ..secret import Secret
from .attention.states import State
from .choices import Approvals
from .conversations import Memory

# Codex, Gemini CLI and OpenCode read it by themselves; the others are pointed to it.
SKILLS_FOLDER = Path(".agents") / "skills"
_TEXT = """\
# Where you are

You run in a terminal of a JupyterLab app on Databricks, as the Databricks user who owns it.

- Projects are the folders in `{projects}`. Work in one of them; make a new one a git repository.
- Each commit in a project is copied to `/Workspace/Users/<user>/projects/<project>/` within
  seconds. What is not committed may come back after a restart as it was half a minute before:
  commit often.
- The Databricks SDK and CLI need no credentials: `WorkspaceClient()` in Python and the `databricks`
  command authenticate through `~/.databrickscfg`. The token behind it changes every few minutes:
  never copy one into code, a file or a command.
- Below a `databricks.yml` that names another workspace, `databricks` refuses this login: run it in
  another folder, or with a target of this workspace (`-t`).
- `jupyter dbx-agents status` shows the state of the token and the models; `jupyter dbx-agents
  doctor` finds out what is wrong.
- Skills for all agents are folders with a `SKILL.md` in `~/{skills}`.

{facts}# What to use

- SQL and questions about data: the tools of the MCP servers `dbx-sql` and `dbx-genie`, where you
  have them, else a SQL warehouse (`WorkspaceClient().statement_execution`). Read before you write;
  never guess a table's columns.
- Heavy work: this machine is small. Use Databricks Connect, or a job.
- Apps, jobs and pipelines: a bundle (`databricks bundle init`, `validate`, `deploy`)."""
_FACTS = "# The workspace\n\n{facts}\n\n"


class Recipe(Protocol):
    """How an agent's program is installed."""

    @property
    def installed_bytes(self) -> int:
        """About how much disk space it takes, for the progress shown."""

    def version(self) -> str:
        """Return the pinned version."""

    def fingerprint(self) -> str:
        """Return a hash of what would be installed."""

    async def build(self, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """Install into an empty folder; return the programs to try, as paths below it.

        What is built must still work after the folder is renamed.  Raises InstallError and OSError.
        """


class Installable(Protocol):
    """A program that the installer puts on the PATH, such as an agent."""

    @property
    def name(self) -> str:
        """The name of its folder."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def command(self) -> str:
        """What is typed to start it."""

    @property
    def recipe(self) -> Recipe:
        """How it is installed."""

    @property
    def install_command(self) -> str:
        """What is typed to install it again."""


@dataclass(frozen=True)
class AgentContext:
    """What an agent's files are made from.

    ``capability`` is the loopback secret by which the broker recognises this agent; ``git_roots``
    are the repositories below ``projects``, which some agents trust only one by one.  ``model`` is
    the agent's main model.  ``mcp_servers`` are those of the workspace and the user's own, by name,
    each with ``url`` and ``headers`` or with ``command``, ``args`` and ``env``; the workspace's
    also have ``timeout_seconds``, for one call of a tool.  ``own_folder`` is for files that only we
    write.  ``after_turn`` is the command that an agent runs after each turn, '' for none.
    ``reporter`` is the command by which its hooks report what it is doing, without arguments; empty
    for no reports.
    ``trusts_project_settings`` if a project's files may choose an agent's provider.
    ``model_is_new`` while the owner's choice of another model is being written.
    ``approvals`` is what it asks before, one that it can do.
    ``facts`` says what is known of the workspace, '' while nothing is.
    """

    home: Path
    broker_url: str
    capability: Secret
    models: ModelTable
    model: str
    projects: Path
    own_folder: Path
    git_roots: tuple[Path, ...] = ()
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after_turn: str = ""
    reporter: tuple[str, ...] = ()
    trusts_project_settings: bool = False
    model_is_new: bool = False
    approvals: Approvals = Approvals.OWN
    facts: str = ""

    def report(self, agent: str, state: State, *options: str) -> str:
        """Return the command line of a hook that reports a state; see ``attention.hook``."""
        return shlex.join((*self.reporter, agent, state, *options))

    def initial(self, value: Any) -> Any:
        """Return a value that follows the model, as one that the agent's own screen may change.

        The owner's new choice in the panel goes over one that was made there before.
        """
        return value if self.model_is_new else Initial(value)

    def choices(self, *dialects: Dialect) -> list[str]:
        """Return the models to choose from: the configured ones first, then what is served."""
        table = self.models
        configured = (
            self.model,
            table.anthropic_model,
            table.anthropic_sonnet_model,
            table.anthropic_small_model,
            table.codex_model,
            table.gemini_model,
        )
        spoken = [name for name in configured if name == self.model or self._may(name, dialects)]
        stems = {stem_of(name) for name in spoken}
        more = [name for name in table.served_names(*dialects) if stem_of(name) not in stems]
        return list(dict.fromkeys((*spoken, *more)))

    def _may(self, model: str, dialects: tuple[Dialect, ...]) -> bool:
        """Whether a model may be served in one of some dialects: what is unknown may."""
        served = self.models.served
        if served.is_known and not served.is_partial:
            return any(served.serves(model, dialect) for dialect in dialects)
        return family_of(model).dialect in dialects


def _own_approvals(_context: AgentContext) -> Mapping[Approvals, str]:
    return {Approvals.OWN: ""}


@dataclass(frozen=True)
class Agent:
    """One coding agent.

    ``default_model`` picks its main model from the model table; ``also_speaks`` are the dialects
    that it can speak with other models.  ``environment`` is for the terminals; ``{home}`` in it is
    the home.  ``project_settings`` are the files of a project by which it could be told to send
    prompts elsewhere, each with a pattern of what is not followed there.  ``links`` are
    symbolic links in the home, with their targets (both below it).  ``module`` is what its process
    runs if that is a module of Python; ``one_turn`` are the words of its command line by which it
    does one turn and ends; ``first_prompt`` those by which it starts with a prompt, which takes the
    place of ``{}``, empty if it cannot; ``denies`` is the key that denies what it asks permission
    for (Enter allows it: each agent offers that first); ``titles`` the marks in its terminal's
    title, or a bell, that say what it is doing.
    ``approvals`` returns what it can be told to ask before, each with what it does then;
    ``asks_first`` if it asks before it runs commands by its own default.
    ``prepare`` gets what its files need from the installed program, and raises InstallError.
    ``trusts_each_repository`` if its files name every repository.  ``memory`` is what of it
    outlives the machine.
    """

    name: str
    title: str
    command: str
    recipe: Recipe
    dialect: Dialect
    default_model: Callable[[ModelTable], str]
    config_files: Callable[[AgentContext], tuple[ConfigFile, ...]]
    approvals: Callable[[AgentContext], Mapping[Approvals, str]] = _own_approvals
    asks_first: bool = False
    also_speaks: tuple[Dialect, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[AgentContext, Path, Mapping[str, str]], Awaitable[None]] | None = None
    trusts_each_repository: bool = False
    module: str = ""
    one_turn: frozenset[str] = frozenset()
    first_prompt: tuple[str, ...] = ()
    denies: str = "\x1b"
    titles: Mapping[str, State] = field(default_factory=dict)
    project_settings: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None

    @property
    def install_command(self) -> str:
        """What is typed to install it again."""
        return f"jupyter dbx-agents agents install {self.name}"


def instructions(context: AgentContext) -> str:
    """Return the text."""
    facts = _FACTS.format(facts=context.facts) if context.facts else ""
    return _TEXT.format(projects=context.projects, skills=SKILLS_FOLDER, facts=facts)


def instructions_file(context: AgentContext, *path: str) -> ConfigFile:
    """Return the text as a section of a file in the home; the rest of the file is the user's."""
    return ConfigFile(
        context.home.joinpath(*path), Format.TEXT, {SECTION: instructions(context)}, mode=0o644
    )
