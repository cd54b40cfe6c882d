"""The instructions for every agent about where it works: one short text, in a file of its own."""

from pathlib import Path

from ..config_files import ConfigFile, Format
from ..config_files.text import SECTION
from .base import AgentContext

# Codex, Gemini CLI and OpenCode read it by themselves; the others are pointed to it.
SKILLS_FOLDER = Path(".agents") / "skills"
_TEXT = """\
# Where you are

You run in a terminal of a JupyterLab app on Databricks, as the Databricks user who owns it.

- Projects are the folders in `{projects}`. Work in one of them; make a new one a git repository.
- Each commit in a project is copied to `/Workspace/Users/<user>/projects/<project>/` within
  seconds. What is not committed is lost when the app restarts: commit often.
- The Databricks SDK needs no credentials in code: `WorkspaceClient()` in Python (and the
  `databricks` command, where it is installed) authenticates through `~/.databrickscfg`. The token
  behind it changes every few minutes: never copy one into code, a file or a command.
- This machine is small. Run heavy data work on the workspace: Databricks Connect, SQL warehouses,
  jobs.
- `jupyter dbx-agents status` shows the state of the token and the models; `jupyter dbx-agents
  doctor` finds out what is wrong.
- Skills for all agents are folders with a `SKILL.md` in `~/{skills}`."""


def instructions(context: AgentContext) -> str:
    """Return the text."""
    return _TEXT.format(projects=context.projects, skills=SKILLS_FOLDER)


def instructions_file(context: AgentContext, *path: str) -> ConfigFile:
    """Return the text as a section of a file in the home; the rest of the file is the user's."""
    return ConfigFile(
        context.home.joinpath(*path), Format.TEXT, {SECTION: instructions(context)}, mode=0o644
    )
