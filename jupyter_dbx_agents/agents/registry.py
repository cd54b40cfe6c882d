"""The agents that there are; a new one is one module and one line here."""

from .base import Agent
from .claude_code import CLAUDE_CODE
from .codex import CODEX

AGENTS: tuple[Agent, ...] = (CLAUDE_CODE, CODEX)
