"""What an agent is: declarations only; the installer and the file writers do the work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..config_files import ConfigFile
from ..models import Dialect, ModelTable
from ..secret import Secret


@dataclass(frozen=True)
class AgentContext:
    """What an agent's files are made from.

    ``capability`` is the loopback secret that the broker knows this agent by; ``git_roots`` are
    the repositories below ``projects``, which some agents want to be told to trust one by one.
    """

    home: Path
    broker_url: str
    capability: Secret
    models: ModelTable
    projects: Path
    git_roots: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Agent:
    """One coding agent.

    ``package`` is its npm package, whose version the lock file says.  ``programs`` are the places
    of its executable below ``node_modules``, first choice first; ``{platform}`` stands for npm's
    name of this machine, such as ``linux-x64``.  ``installed_bytes`` is about what it takes on the
    disk, for the progress shown.  ``environment`` is for the terminals.
    """

    name: str
    title: str
    command: str
    package: str
    programs: tuple[str, ...]
    installed_bytes: int
    dialect: Dialect
    config_files: Callable[[AgentContext], tuple[ConfigFile, ...]]
    environment: Mapping[str, str] = field(default_factory=dict)
