"""The coding agents: one declarative module each, one registry, one installer, one roster."""

from .base import Agent, AgentContext
from .install_tasks import InstallTasks
from .installer import AgentInstaller, Installation
from .registry import AGENTS
from .roster import AgentRoster, Place

__all__ = [
    "AGENTS",
    "Agent",
    "AgentContext",
    "AgentInstaller",
    "AgentRoster",
    "InstallTasks",
    "Installation",
    "Place",
]
