"""Our git settings for the user's account, which all of the user's own settings override.

``~/.gitconfig`` is never changed.  Git reads ``~/.config/git/config`` before it; one include at the
very top of that file has the lowest priority.  Environment variables would not do:
``GIT_CONFIG_COUNT`` overrides the user's settings, ``GIT_CONFIG_GLOBAL`` hides them.

The included file names the template for new and cloned repositories (git's own template with our
hook), ``main`` as the first branch of new ones (without a setting, git prints eleven lines of
advice), and a default ``user.name`` and ``user.email``.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...config_files import atomic
from ...environment import variable
from ...errors import GitSyncError
from ..local.git import git_environment, run_git
from ..local.mirror import MIRRORS_FOLDER, synced_repositories
from ..local.projects import find_projects, locate
from .repository_hooks import (
    FOLDER_BELOW_HOME,
    HOOK,
    MARK,
    hook_script,
    is_ours,
    uninstall_hooks,
    wants_hook,
)

_NOT_OF_A_TEMPLATE = ("HEAD", "config", "objects", "refs", "branches", "reftable")
# In the triggers' folder: what the server calls the projects' folder.
PROJECTS_FILE = "projects"
# In our state folder, once the user has removed the hooks.
NO_HOOKS_FILE = "no-hooks"
FIRST_BRANCH = "main"
_OWN_FOLDER = Path(".local/share/jupyter_dbx_agents/git")


@dataclass(frozen=True)
class Identity:
    """A default for git's user.name and user.email."""

    name: str
    email: str


class UserConfig:
    """Our settings in a user's account; methods block and raise ConfigFileError or OSError."""

    def __init__(self, home: Path, triggers: Path, environment: Mapping[str, str]) -> None:
        self._home, self._triggers, self._environment = home, triggers, dict(environment)
        self._own = home / _OWN_FOLDER
        self.template = self._own / "template"
        self.file = self._own / "config"

    @property
    def users_file(self) -> Path:
        """The user's file that includes ours."""
        base = variable("XDG_CONFIG_HOME")
        folder = Path(base) if base.startswith("/") else self._home / ".config"
        return folder / "git" / "config"

    def install(self, identity: Identity | None, *, with_template: bool = True) -> None:
        """Write our template and settings, and include them.

        Without an identity, the last one stays: there may be no token yet.
        """
        if with_template:
            self._write_template()
        if identity is not None or not self.file.exists():
            _write(self.file, self._settings(identity, with_template))
        self._include(wanted=True)

    def uninstall(self) -> list[Path]:
        """Remove all of it; return what was removed."""
        removed = [self._own] if self._own.exists() else []
        if self._include(wanted=False):
            removed.append(self.users_file)
        shutil.rmtree(self._own, ignore_errors=True)
        return removed

    def _settings(self, identity: Identity | None, with_template: bool) -> str:
        lines = [MARK, "[init]"]
        if with_template:
            lines.append(f"\ttemplateDir = {_quoted(str(self.template))}")
        if not self._system_has("init.defaultBranch"):
            lines.append(f"\tdefaultBranch = {FIRST_BRANCH}")
        if identity is not None and not self._system_has("user.email"):
            lines += ["[user]", f"\tname = {_quoted(identity.name)}"]
            lines.append(f"\temail = {_quoted(identity.email)}")
        return "\n".join(lines) + "\n"

    def _system_has(self, setting: str) -> bool:
        """Whether the system's settings have one, which ours would override."""
        try:
            run_git("config", "--system", setting, environment=self._environment)
        except GitSyncError:
            return False
        return True

    def _write_template(self) -> None:
        """Write git's own template (copied from a new repository) and our hooks."""
        with tempfile.TemporaryDirectory() as scratch:
            environment = {**self._environment, "GIT_CONFIG_GLOBAL": os.devnull}
            with contextlib.suppress(GitSyncError):  # then the template has only our hooks
                run_git("init", "--quiet", "--bare", scratch, environment=environment)
            own_files = shutil.ignore_patterns(*_NOT_OF_A_TEMPLATE)
            shutil.copytree(scratch, self.template, ignore=own_files, dirs_exist_ok=True)
        for hook in (self.template / "hooks").glob("[!.]*"):
            if is_ours(hook):
                hook.unlink()  # also those of version 0.1.0
        if wants_hook(self._environment):
            _write(self.template / "hooks" / HOOK, hook_script(self._triggers), 0o755)

    def _include(self, *, wanted: bool) -> bool:
        """Add our lines to the top of the user's file, or remove them; return if it changed."""
        block = f"{MARK}\n[include]\n\tpath = {_quoted(str(self.file))}\n"
        there = atomic.read(self.users_file)
        old = (there.content or b"").decode("utf-8", "surrogateescape")
        new = (block if wanted else "") + old.replace(block, "")
        if new == old:
            return False
        if not new:
            atomic.remove(there)
        else:
            atomic.replace(there, new.encode("utf-8", "surrogateescape"), 0o644)
        return True


def are_hooks_removed(home: Path) -> bool:
    """Whether the user has removed our hooks."""
    return (home / FOLDER_BELOW_HOME).with_name(NO_HOOKS_FILE).exists()


def allow_hooks(home: Path) -> None:
    """Let the server install hooks again.  Raises OSError."""
    (home / FOLDER_BELOW_HOME).with_name(NO_HOOKS_FILE).unlink(missing_ok=True)


def uninstall(home: Path, projects: Path) -> list[Path]:
    """Remove our hooks, template and include for good; return what was removed.

    Blocking.  Looks at ``projects``, at the folder that the last server called so, and at every
    repository that was synced here.  Hooks in others do nothing then, as the folder that they write
    to is gone.  Raises ConfigFileError or OSError.
    """
    environment = git_environment(home)
    triggers = home / FOLDER_BELOW_HOME
    triggers.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (triggers.parent / NO_HOOKS_FILE).touch()
    removed = UserConfig(home, triggers, environment).uninstall()
    folders = set(synced_repositories(triggers.parent / MIRRORS_FOLDER))
    roots = {projects}
    with contextlib.suppress(OSError):
        roots.add(Path((triggers / PROJECTS_FILE).read_text("utf-8", "surrogateescape")))
    for root in roots:
        folders.update(location.folder for location in find_projects(root).projects.values())
    for folder in sorted(folders):
        location = locate(folder)
        if location is not None:
            removed += uninstall_hooks(location, environment)
    shutil.rmtree(triggers, ignore_errors=True)
    return removed


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    there = atomic.read(path)
    if there.content != text.encode():
        atomic.replace(there, text.encode(), mode)


def _quoted(value: str) -> str:
    """Return a value in the syntax of git-config(1)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", " ").replace("\0", "") + '"'
