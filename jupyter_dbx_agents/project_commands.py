"""``jupyter dbx-agents sync``, ``restore`` and ``hooks``: the projects in the workspace."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .environment import variable
from .errors import DbxAgentsError, RequestError
from .local_channel.client import call

PROJECTS_PATH = "/dbx-agents/api/projects"
Lines = Iterator[str]


def add_project_commands(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the commands; each sets ``lines``, which ``run`` prints, and ``names``."""
    text = "sync projects to the workspace now, or show where their sync stands"
    sync = commands.add_parser("sync", help=text, description=text)
    sync.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    sync.add_argument(
        "--status",
        action="store_const",
        dest="lines",
        const=status_lines,
        default=sync_lines,
        help="only show",
    )
    sync.add_argument(
        "--now", action="store_const", dest="lines", const=sync_lines, help="do it (the default)"
    )
    sync.set_defaults(run=run)
    text = "bring projects back from the workspace; without a name, list those that can be"
    restore = commands.add_parser("restore", help=text, description=text)
    restore.add_argument("names", nargs="*", metavar="NAME")
    restore.add_argument(
        "--all",
        action="store_const",
        dest="lines",
        const=restore_all_lines,
        default=restore_lines,
        help="all that are not here",
    )
    restore.set_defaults(run=run)
    hooks = commands.add_parser("hooks", help="take our git hooks back")
    hooks.add_argument("action", choices=["uninstall"])
    hooks.set_defaults(run=run, lines=uninstall_lines, names=[])


def status_lines(names: list[str]) -> Lines:
    """Show where the sync of projects stands."""
    projects = call("GET", PROJECTS_PATH)["projects"]
    known = {project["name"] for project in projects}
    for name in names:
        if name not in known:
            raise RequestError(f"There is no project {name}.", f"There are: {', '.join(known)}.")
    for project in projects:
        if not names or project["name"] in names:
            yield from _project_lines(project)
    if not projects:
        yield "There are no projects yet: make a git repository under ~/projects."


def sync_lines(names: list[str]) -> Lines:
    """Sync projects now and show the result.  Raises RequestError when one failed."""
    failed = []
    for body in [{"name": name} for name in names] or [{}]:
        for project in call("POST", f"{PROJECTS_PATH}/sync", body)["projects"]:
            yield from _project_lines(project)
            failed += [project["name"]] if project["message"] else []
    if failed:
        raise RequestError(f"Not synced: {', '.join(failed)}.")


def restore_lines(names: list[str]) -> Lines:
    """Bring named projects back; without a name, list what could be."""
    if not names:
        restorable = call("GET", PROJECTS_PATH)["restorable"]
        yield from restorable
        yield "Nothing to restore." if not restorable else "“restore NAME” or “restore --all”."
    for name in names:
        yield from _restored_lines({"name": name})


def restore_all_lines(_names: list[str]) -> Lines:
    """Bring back all projects that are not here."""
    yield from _restored_lines({})


def uninstall_lines(_names: list[str]) -> Lines:
    """Remove what was put into git; needs no server."""
    from .git_sync import uninstall  # noqa: PLC0415 only this command needs more than the client

    home = Path(variable("HOME") or Path.home())
    try:
        removed = uninstall(home, home / "projects")
    except OSError as error:
        raise DbxAgentsError(f"Not everything could be removed: {error}.") from error
    for path in removed:
        yield f"removed {path}"
    yield "No hook of ours is left. The next start of the server puts them back, unless "
    yield "c.GitSync.installs_hooks = False."


def _project_lines(project: dict[str, Any]) -> Lines:
    commit = project.get("commit", "")[:10]
    where = project.get("destination", "")
    yield f"{project['name']:24}{project['state']:10}{commit:12}{where}".rstrip()
    if project["message"]:
        yield f"{'':24}{project['message']} {project['hint']}".rstrip()
    for file in project.get("skipped", []):
        yield f"{'':24}left out: {file['path']}: {file['reason']}"


def _restored_lines(body: dict[str, str]) -> Lines:
    restored = call("POST", f"{PROJECTS_PATH}/restore", body)["restored"]
    for project in restored:
        kind = "with its history" if project["has_history"] else "its files only"
        yield f"{project['name']}: {kind}, at {project['commit'][:10]}"
        for path in project["missing"]:
            yield f"  missing: {path}"
    if not restored:
        yield "Nothing to restore."
