"""``jupyter dbx-agents hooks uninstall``: take back everything that we put into git."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..local.git import git_environment
from ..local.projects import find_projects
from .repository_hooks import uninstall_hooks
from .triggers import FOLDER_BELOW_HOME
from .user_config import UserConfig


def uninstall(home: Path, projects: Path) -> list[Path]:
    """Remove our hooks from all projects, our template and our include; return what was removed.

    Blocking.  Hooks in repositories elsewhere do nothing any more: what they write to is gone.
    Raises ConfigFileError or OSError.
    """
    environment = git_environment(home)
    triggers = home / FOLDER_BELOW_HOME
    removed = UserConfig(home, triggers, environment).uninstall()
    for location in find_projects(projects).values():
        removed += uninstall_hooks(location, environment)
    shutil.rmtree(triggers, ignore_errors=True)
    return removed
