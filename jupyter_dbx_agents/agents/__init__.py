"""The coding agents: one declarative module each, one registry, one installer, one roster."""

from .base import Agent, AgentContext
from .install.installer import AgentInstaller, Installation
from .install.startup import InstallTasks
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
