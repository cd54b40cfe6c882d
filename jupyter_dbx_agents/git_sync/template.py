"""The app's own source on a Databricks App: the deployed template's history is not the user's.

A Git deployment leaves the template's ``.git`` in the folder that the app runs from.  Work there
would go on the template's history, with its remote at hand.  So it gets a fresh repository without
remotes; once, since what was replaced had a remote and what replaces it has none.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import GitError

# What makes a folder this template and nothing else that a user deploys.
_TEMPLATE_FILES = ("app.yaml", "jupyter_dbx_agents/__init__.py", "pyproject.toml")
_ASIDE = ".git.of-template"
_FRESH = ".git.fresh"
_COMMITTER = ("-c", "user.name=jupyter_dbx_agents", "-c", "user.email=template@localhost")
_GIT_SECONDS = 120


def detach_template(
    source: Path, *, is_databricks_app: bool, environment: Mapping[str, str], log: logging.Logger
) -> bool:
    """Replace the template's ``.git`` in ``source``; return whether that was done.

    Blocking.  Nothing happens off the platform, in another folder, to a repository without remotes,
    or to one with anything that its remotes do not have.  Never raises: nothing depends on it.
    """
    try:
        return _detach(source, is_databricks_app, environment)
    except (OSError, subprocess.SubprocessError, GitError) as error:
        log.warning(
            "The template's repository was left as it is: %s. To cut it off by hand, run "
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
        aside.rename(current)  # we were cut off between the two renames
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
        self._environment = {k: v for k, v in environment.items() if not k.startswith("GIT_")}

    def is_untouched(self) -> bool:
        """Whether the repository has remotes, and they have every commit of every branch here."""
        git_dir = self._source / ".git"
        if (git_dir / "worktrees").exists() or (git_dir / "modules").exists():
            return False  # others live on this repository
        if not self._run(git_dir, "remote").strip():
            return False
        if self._run(git_dir, "for-each-ref", "refs/stash", "refs/dbx").strip():
            return False
        own = ("rev-list", "--max-count=1", "HEAD", "--branches", "--tags", "--not", "--remotes")
        return (
            bool(self._run(git_dir, "for-each-ref", "refs/remotes").strip())
            and not self._run(git_dir, *own).strip()
        )

    def make_fresh(self, git_dir: Path) -> None:
        """Make a repository whose one commit has the template's files and nothing else here."""
        tracked = self._run(self._source / ".git", "ls-files", "-z")
        self._run(git_dir, "init", "--quiet")
        self._run(git_dir, "config", "--unset-all", "core.worktree", may_fail=True)
        self._run(git_dir, "config", "core.bare", "false")
        present = b"\0".join(name for name in tracked.split(b"\0") if name and self._exists(name))
        add = ("add", "--force", "--pathspec-from-file=-", "--pathspec-file-nul")
        self._run(git_dir, *add, stdin=present)
        message = "Start from the deployed template"
        self._run(git_dir, *_COMMITTER, "commit", "--quiet", "--no-verify", "-m", message)

    def _exists(self, name: bytes) -> bool:
        path = self._source / name.decode("utf-8", "surrogateescape")
        return path.is_symlink() or path.exists()

    def _run(
        self, git_dir: Path, *arguments: str, stdin: bytes = b"", may_fail: bool = False
    ) -> bytes:
        command = ["git", f"--git-dir={git_dir}", f"--work-tree={self._source}"]
        command += ["--literal-pathspecs", "-c", "core.hooksPath=/dev/null", *arguments]
        ended = subprocess.run(
            command,
            cwd=self._source,
            env=self._environment,
            input=stdin,
            capture_output=True,
            check=False,
            timeout=_GIT_SECONDS,
        )
        if ended.returncode and not may_fail:
            said = ended.stderr.decode("utf-8", "replace").strip()
            raise GitError(said)
        return ended.stdout
