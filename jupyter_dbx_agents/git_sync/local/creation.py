"""A new project: a folder with an empty repository."""

import contextlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from ...errors import GitError, GitSyncError
from .git import run_git

# What file systems take at most for a name.
_MOST_NAME_BYTES = 255


def create_repository(projects: Path, name: str, environment: Mapping[str, str]) -> Path:
    """Make a repository below the projects' folder and return its own folder; blocking.

    Raises GitSyncError for a name that is taken, or that cannot be a folder's, and GitError.
    """
    if problem := _problem_of(name):
        raise GitSyncError(f"“{name}” cannot be a project's name: {problem}.", "Choose another.")
    folder = projects / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise GitSyncError(
            f"There is a folder “{name}” already.", "Choose another name."
        ) from error
    except OSError as error:
        message = f"The folder {folder} cannot be made: {error.strerror}."
        raise GitSyncError(message, "Check the permissions and the free space there.") from error
    try:
        run_git("init", "--quiet", str(folder), environment=environment)
    except GitError:
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)  # else it would be in the way of the next attempt
        raise
    return folder


def _problem_of(name: str) -> str:
    """Return what is wrong with a name, '' if nothing is."""
    if not name.strip() or name != name.strip():
        return "it is empty, or begins or ends with a blank"
    if name.startswith((".", "-")):
        return "it begins with a full stop or a dash"
    if "/" in name or not name.isprintable():
        return "it has a slash or a control character"
    return "it is too long" if len(name.encode()) > _MOST_NAME_BYTES else ""
