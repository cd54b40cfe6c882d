"""``jupyter dbx-agents sync``, ``restore``, ``forget``, ``hooks``: projects in the workspace."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environment import variable
from ..errors import DbxAgentsError, RequestError
from ..local_channel.client import call
from ..local_channel.paths import CONTINUITY_PATH, PROJECTS_PATH, STATUS_PATH

if TYPE_CHECKING:
    from ..git_sync.states import ProjectStatus

Lines = Iterator[str]
# A first sync goes at the pace of the workspace's limits: 50,000 files take hours.
_WORK_SECONDS = 24 * 3600.0
_SEE_STATUS = "See: jupyter dbx-agents sync --status"


def add_project_commands(commands: Any, run: Callable[[argparse.Namespace], int]) -> None:
    """Add the commands; each sets ``lines``, which ``run`` prints, and ``names``."""
    text = "sync projects to the workspace now, or show their sync status"
    sync = commands.add_parser("sync", help=text, description=text)
    sync.add_argument("names", nargs="*", metavar="NAME", help="project to sync (default: all)")
    how = sync.add_mutually_exclusive_group()
    _add_choice(how, "--status", status_lines, "show the status only")
    _add_choice(how, "--now", sync_lines, "sync now (default)")
    _add_choice(
        how,
        "--take-over",
        take_over_lines,
        "sync the named projects, replacing anything else in their workspace folders",
    )
    sync.set_defaults(run=run, lines=sync_lines)
    text = "restore projects from the workspace; without a name, list them"
    restore = commands.add_parser("restore", help=text, description=text)
    restore.add_argument("names", nargs="*", metavar="NAME", help="project to restore")
    how = restore.add_mutually_exclusive_group()
    _add_choice(how, "--list", restorable_lines, "list the projects that can be restored")
    _add_choice(
        how,
        "--all",
        restore_all_lines,
        "restore all of them, the agents' conversations, history and the terminals",
    )
    for option, text in (
        ("--files", "also restore files of the home: an agent's name, history or settings"),
        ("--terminal", "also open a terminal again, by its name"),
    ):
        restore.add_argument(option, action="append", default=[], metavar="NAME", help=text)
    restore.set_defaults(run=lambda options: run(_chosen(options)), lines=restore_lines)
    text = (
        "delete the history of projects that were deleted here; their files stay in the workspace"
    )
    forget = commands.add_parser("forget", help=text, description=text)
    forget.add_argument("names", nargs="*", metavar="NAME", help="project to forget")
    how = forget.add_mutually_exclusive_group()
    _add_choice(how, "--files", forget_files_lines, "also delete the files that were copied")
    _add_choice(
        how,
        "--all",
        forget_all_lines,
        "delete all that is kept beside commits: conversations, history, work in progress",
    )
    forget.set_defaults(run=run, lines=forget_lines)
    text = "remove the git hook of this app for good, or install it again"
    hooks = commands.add_parser("hooks", help=text, description=text)
    actions = hooks.add_subparsers(required=True, metavar="ACTION")
    for action, lines in (("uninstall", uninstall_lines), ("install", install_lines)):
        actions.add_parser(action).set_defaults(run=run, lines=lines, names=[])


def _add_choice(group: Any, option: str, lines: Callable[[list[str]], Lines], text: str) -> None:
    group.add_argument(option, action="store_const", dest="lines", const=lines, help=text)


def _chosen(options: argparse.Namespace) -> argparse.Namespace:
    """Return the options of ``restore`` with the choice of what comes back in ``lines``."""
    if options.files or options.terminal:
        files, terminals, former = options.files, options.terminal, options.lines

        def lines(names: list[str]) -> Lines:
            if former is not restore_lines:
                raise RequestError(
                    "--files and --terminal choose, so they exclude --list and --all.",
                    "See: jupyter dbx-agents restore --list",
                )
            yield from _steps_of({"projects": names, "files": files, "terminals": terminals})

        options.lines = lines
    return options


def status_lines(names: list[str]) -> Lines:
    """Show the sync status of projects."""
    projects = call("GET", STATUS_PATH)["projects"]  # no call to the workspace
    known = {project["name"] for project in projects}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise RequestError(f"No project named “{name}”.", f"Projects here: {there}.")
    for project in projects:
        if not names or project["name"] in names:
            yield from _project_lines(project)
    if not projects:
        yield "No projects yet. Create a git repository under ~/projects."


def sync_lines(names: list[str]) -> Lines:
    """Sync projects now and show the result.  Raises RequestError when one failed."""
    yield from _sync([{"name": name} for name in names] or [{}])


def take_over_lines(names: list[str]) -> Lines:
    """Sync to folders that hold something else.  Raises RequestError when one failed."""
    if not names:
        raise RequestError(
            "Name the projects whose workspace folders are to be replaced.", _SEE_STATUS
        )
    yield from _sync([{"name": name, "takes_over": True} for name in names])


def _sync(bodies: list[dict[str, Any]]) -> Lines:
    failed = []
    for body in bodies:
        for project in call("POST", f"{PROJECTS_PATH}/sync", body, _WORK_SECONDS)["projects"]:
            yield from _project_lines(project)
            is_failed = project["message"] or project["state"] == "unsafe"
            failed += [project["name"]] if is_failed else []
    if failed:
        raise RequestError(f"Not synced, or not safe: {', '.join(failed)}.", _SEE_STATUS)


def restore_lines(names: list[str]) -> Lines:
    """Restore the named projects; without a name, list those that can be restored."""
    if not names:
        yield from restorable_lines([])
    yield from _restored_lines([{"name": name} for name in names])


def restorable_lines(_names: list[str]) -> Lines:
    """List what is in the workspace and not here, as ``restore`` takes it."""
    restorable = call("GET", PROJECTS_PATH)["restorable"]
    offer = call("GET", CONTINUITY_PATH)["offer"]
    for each in restorable:
        yield f"{each['name']}: {each['note']} Not in --all." if each["note"] else each["name"]
    for part in offer["parts"]:
        count = f"{part['files']} file{'s' if part['files'] > 1 else ''}"
        yield f"--files {part['name']}: {part['title']}, {count}"
    for title in offer["terminals"]:
        yield f"--terminal {shlex.quote(title)}"
    if not (restorable or offer["parts"] or offer["terminals"]):
        yield "Nothing to restore."
    else:
        yield "Restore with: jupyter dbx-agents restore NAME (or --all)"


def restore_all_lines(_names: list[str]) -> Lines:
    """Bring everything back.  Raises RequestError, in the end, if a part failed."""
    yield from _steps_of({})


def _steps_of(choice: dict[str, list[str]]) -> Lines:
    steps = call("POST", f"{CONTINUITY_PATH}/restore", choice, _WORK_SECONDS)["steps"]
    if not any(step["kind"] == "project" for step in steps) and choice.get("projects") != []:
        yield "No project to restore."
    for step in steps:
        sign = "" if step["state"] == "done" else "not back: "
        yield f"{step['kind']} {step['name']}: {sign}{step['message']}"
    if failed := [step["name"] for step in steps if step["state"] == "failed"]:
        raise RequestError(f"Not restored: {', '.join(failed)}.")


def forget_lines(names: list[str]) -> Lines:
    """End projects that were deleted here; their files stay in the workspace."""
    yield from _forgotten_lines(names, files=False)


def forget_all_lines(names: list[str]) -> Lines:
    """Delete what is kept beside commits, and say what it was."""
    if names:
        raise RequestError("--all takes no names.", "Forget projects and all else separately.")
    gone = call("DELETE", CONTINUITY_PATH, {}, _WORK_SECONDS)
    yield f"Deleted {gone['files']} files ({gone['bytes']:,} bytes) in {gone['folder']}."
    for name in gone["projects"]:
        yield f"Deleted the work in progress of {name}; its commits stay."
    yield "Nothing more of this is kept until the app's next start."
    yield "To keep less from then on, set Continuity.keeps to projects or nothing."


def forget_files_lines(names: list[str]) -> Lines:
    """End projects that were deleted here, and delete their files in the workspace."""
    yield from _forgotten_lines(names, files=True)


def _forgotten_lines(names: list[str], *, files: bool) -> Lines:
    if not names:
        raise RequestError("Name the projects to forget.", _SEE_STATUS)
    for name in names:
        body = {"name": name, "files": files}
        left = call("POST", f"{PROJECTS_PATH}/forget", body, _WORK_SECONDS)["left"]
        yield f"Forgot {name}: its history and its records were deleted."
        if left:
            yield f"  Left in the workspace: {left}"


def install_lines(_names: list[str]) -> Lines:
    """Install our git hook again, after it was removed; works without a server."""
    from ..git_sync import allow_hooks  # noqa: PLC0415 as below

    allow_hooks(Path(variable("HOME") or Path.home()))
    yield "A running app installs the hook within a minute, or when the next terminal opens."


def uninstall_lines(_names: list[str]) -> Lines:
    """Remove our git hooks; works without a server."""
    from ..git_sync import uninstall  # noqa: PLC0415 only this command needs more than the client

    home = Path(variable("HOME") or Path.home())
    try:
        removed = uninstall(home, home / "projects")
    except OSError as error:
        raise DbxAgentsError(
            f"Could not remove all hooks: {error}.", "Fix this and run the command again."
        ) from error
    for path in removed:
        if path.exists():
            yield f"Removed our lines from {path}; yours stay."
        else:
            yield f"Removed {path} (it had only what we wrote)."
    yield "All our hooks were removed, and are not installed again on this machine."
    yield "Commits are still synced: they are noticed within a second."


def _project_lines(project: ProjectStatus) -> Lines:
    commit = project["commit"][:10]
    where = project["destination"]
    yield f"{project['name']:24}{project['state']:10}{commit:12}{where}".rstrip()
    if project["message"]:
        yield f"{'':24}{project['message']} {project['hint']}".rstrip()
    if next_try_at := project["next_try_at"]:
        yield f"{'':24}next try at {next_try_at[11:16]} UTC"
    for file in project["skipped"]:
        yield f"{'':24}not copied: {file['path']}: {file['reason']}"
    for file in project["notes"]:
        yield f"{'':24}{file['path']}: {file['reason']}"
    if more := project["skipped_count"] - len(project["skipped"]):
        yield f"{'':24}and {more} more not copied"
    history = project["history"]
    if history["safe_at"]:
        yield f"{'':24}safe at {history['safe_at']}: {history['commit'][:10]} and all refs"
    work = project["work"]
    if work["kept_at"]:
        yield f"{'':24}work in progress: kept at {work['kept_at']}"
    for file in work["left_out"]:
        yield f"{'':24}not kept: {file['path']}: {file['reason']}"
    if project["count"]:
        yield f"{'':24}files: {project['done']} of {project['count']}"
    for said in (history["message"], history["note"], work["message"]):
        if said:
            yield f"{'':24}{said}"


def _restored_lines(bodies: list[dict[str, Any]]) -> Lines:
    """Restore one after the other.  Raises RequestError, in the end, if one failed."""
    failed = []
    for body in bodies:
        restored = call("POST", f"{PROJECTS_PATH}/restore", body, _WORK_SECONDS)["restored"]
        for project in restored:
            yield from _restored_project_lines(project)
            failed += [project["name"]] if project["problem"] else []
        if not restored:
            yield "Nothing to restore."
    if failed:
        raise RequestError(f"Not restored: {', '.join(failed)}.")


def _restored_project_lines(project: dict[str, Any]) -> Lines:
    if project["problem"]:
        yield f"{project['name']}: {project['problem']}"
        return
    kind = "with its history" if project["has_history"] else "without its history"
    commit = f" ({project['commit'][:10]})" if project["commit"] else ", which has no commit"
    yield f"Restored {project['name']} {kind}{commit}."
    if project["work"]:
        yield f"  {project['work']}"
    for path in project["missing"]:
        yield f"  missing: {path}"
