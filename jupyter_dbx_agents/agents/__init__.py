"""The coding agents: one declarative module each, one registry, one installer."""

from .base import Agent, AgentContext
from .installer import AgentInstaller, Installation
from .registry import AGENTS

__all__ = ["AGENTS", "Agent", "AgentContext", "AgentInstaller", "Installation"]
