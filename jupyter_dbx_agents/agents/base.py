"""What an agent is: declarations only; the installer and the file writers do the work."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..config_files import ConfigFile
from ..models import Dialect, ModelTable
from ..secret import Secret


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


@dataclass(frozen=True)
class AgentContext:
    """What an agent's files are made from.

    ``capability`` is the loopback secret by which the broker recognises this agent; ``git_roots``
    are the repositories below ``projects``, which some agents trust only one by one.  ``model`` is
    the agent's main model.  ``mcp_servers`` are the user's own, by name, each with ``url`` and
    ``headers`` or with ``command``, ``args`` and ``env``.  ``own_folder`` is for files that only we
    write.  ``after_turn`` is the command that an agent runs after each turn, '' for none.
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


@dataclass(frozen=True)
class Agent:
    """One coding agent.

    ``default_model`` picks its main model from the model table; ``also_speaks`` are the dialects
    that it can speak with other models.  ``environment`` is for the terminals.  ``links`` are
    symbolic links in the home, with their targets (both below it).  ``prepare`` gets what its files
    need from the installed program, and raises InstallError.  ``trusts_each_repository`` if its
    files name every repository.
    """

    name: str
    title: str
    command: str
    recipe: Recipe
    dialect: Dialect
    default_model: Callable[[ModelTable], str]
    config_files: Callable[[AgentContext], tuple[ConfigFile, ...]]
    also_speaks: tuple[Dialect, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[AgentContext, Path, Mapping[str, str]], Awaitable[None]] | None = None
    trusts_each_repository: bool = False
