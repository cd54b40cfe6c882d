"""Detach the app's own source on a Databricks App from the repository that it was deployed from.

A Git deployment leaves the template's ``.git``, with its history and remote, in the app's folder.
It is replaced by a new repository without remotes, once: then there is no remote any more.
"""

import contextlib
import logging
import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..errors import GitSyncError
from ..git_sync.local.git import run_git

# Files that identify the template.
_TEMPLATE_FILES = ("app.yaml", "jupyter_dbx_agents/__init__.py", "pyproject.toml")
_ASIDE = ".git.of-template"
_FRESH = ".git.fresh"
_COMMITTER = ("-c", "user.name=jupyter_dbx_agents", "-c", "user.email=template@localhost")
_GIT_SECONDS = 120.0


def detach_template(
    source: Path, *, is_databricks_app: bool, environment: Mapping[str, str], log: logging.Logger
) -> bool:
    """Replace the template's ``.git`` in ``source``; return whether that was done.

    Blocking.  Does nothing off the platform, in another folder, to a repository without remotes,
    or to one with anything that its remotes lack.  Never raises: nothing depends on it.
    """
    try:
        return _detach(source, is_databricks_app, environment)
    except (OSError, GitSyncError) as error:
        log.warning(
            "The template's repository was left as it is: %s. To detach it by hand, run "
            "“git remote remove origin” in %s.",
            str(error).rstrip("."),
            source,
        )
        return False


def _detach(source: Path, is_databricks_app: bool, environment: Mapping[str, str]) -> bool:
    if not is_databricks_app or not all((source / name).is_file() for name in _TEMPLATE_FILES):
        return False
    aside, current = source / _ASIDE, source / ".git"
    if aside.is_dir() and not current.exists():
        aside.rename(current)  # a start was interrupted between the renames
    git = _Git(source, environment)
    if not current.is_dir() or current.is_symlink() or not git.is_untouched():
        return False
    fresh = source / _FRESH
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)
    git.make_fresh(fresh)
    current.rename(aside)
    fresh.rename(current)
    shutil.rmtree(aside, ignore_errors=True)
    return True


class _Git:
    def __init__(self, source: Path, environment: Mapping[str, str]) -> None:
        self._source = source
        options = ("-C", str(source), f"--work-tree={source}", "--literal-pathspecs")
        self._run = partial(
            run_git,
            environment={k: v for k, v in environment.items() if not k.startswith("GIT_")},
            options=(*options, "-c", "core.hooksPath=/dev/null", *_COMMITTER),
            timeout_seconds=_GIT_SECONDS,
        )

    def is_untouched(self) -> bool:
        """Whether the repository has remotes, and they have every commit of every branch here."""
        git_dir = self._source / ".git"
        if (git_dir / "worktrees").exists() or (git_dir / "modules").exists():
            return False  # other working trees depend on this repository
        run = partial(self._run, git_dir=git_dir)
        own = ("rev-list", "--max-count=1", "HEAD", "--branches", "--tags", "--not", "--remotes")
        return bool(
            run("remote").strip()
            and not run("for-each-ref", "refs/stash", "refs/dbx").strip()
            and run("for-each-ref", "refs/remotes").strip()
            and not run(*own).strip()
        )

    def make_fresh(self, git_dir: Path) -> None:
        """Make a repository whose only commit has the template's files."""
        tracked = self._run("ls-files", "-z", git_dir=self._source / ".git")
        present = b"\0".join(name for name in tracked.split(b"\0") if name and self._exists(name))
        run = partial(self._run, git_dir=git_dir)
        run("init", "--quiet")
        with contextlib.suppress(GitSyncError):  # it was not set
            run("config", "--unset-all", "core.worktree")
        run("config", "core.bare", "false")
        run("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=present)
        run("commit", "--quiet", "--no-verify", "-m", "Start from the deployed template")

    def _exists(self, name: bytes) -> bool:
        return os.path.lexists(self._source / os.fsdecode(name))
