"""All agents; a new one is one module and one line here."""

from .base import Agent
from .claude_code import CLAUDE_CODE
from .codex import CODEX
from .gemini_cli import GEMINI_CLI
from .hermes import HERMES
from .opencode import OPENCODE

AGENTS: tuple[Agent, ...] = (CLAUDE_CODE, CODEX, GEMINI_CLI, OPENCODE, HERMES)
