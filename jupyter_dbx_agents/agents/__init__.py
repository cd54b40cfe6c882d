"""The coding agents: one module of declarations each, listed in ``registry``.

An agent's way: ``roster`` decides whether it is on, from the configuration and the owner's
``choices``.  It is installed: ``install.startup`` adds the task, ``install.installer`` builds its
recipe (``install.npm`` or ``install.python_package``), runs the program once and links the command
(``install.links``).  It is configured: the roster builds an ``AgentContext``, the agent's module
returns ``ConfigFile``s for it, and ``config_files`` merges them into the user's files.  It is
checked: ``checks`` runs the program and calls its model.
"""

from .base import Agent, AgentContext
from .install.installer import AgentInstaller
from .install.startup import InstallTasks
from .registry import AGENTS
from .roster import AgentPaths, AgentRoster

__all__ = [
    "AGENTS",
    "Agent",
    "AgentContext",
    "AgentInstaller",
    "AgentPaths",
    "AgentRoster",
    "InstallTasks",
]
