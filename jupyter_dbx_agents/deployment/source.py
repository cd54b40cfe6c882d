"""The files to deploy: what git tracks, as it is on disk.

On disk and not as committed: whoever copies ``app.yaml.template`` to ``app.yaml`` and deploys means
the copy.  Notes name what differs from the last commit and what is not uploaded.
"""

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DeploymentError
from .app_yaml import AppYaml, notes_on, parse_app_yaml

PLATFORM_FILE_LIMIT_BYTES = 10 * 1024 * 1024
GIT_SECONDS = 60
SHOWN_NAMES = 5
_SYMBOLIC_LINK, _SUBMODULE = "120000", "160000"


@dataclass(frozen=True)
class SourceFile:
    """One file: its path in the repository, and its content's size and hash."""

    path: str
    on_disk: Path
    size_bytes: int
    sha256: str


@dataclass
class Source:
    """What is going to be deployed, with notes for the user."""

    root: Path
    app_yaml: AppYaml
    files: list[SourceFile]
    notes: list[str] = field(default_factory=list)


def read_source(folder: Path) -> Source:
    """Return the files of the repository around ``folder``.

    Raises DeploymentError where the platform would refuse them or could not run them.
    """
    root = _root(folder)
    notes = _changes(root)
    files = []
    for mode, path in _tracked(root):
        if mode in (_SYMBOLIC_LINK, _SUBMODULE):
            notes.append(
                f"{path} is not uploaded: apps do not support symbolic links and submodules."
            )
        elif not path.isprintable():  # nor is what is not UTF-8: the workspace accepts neither
            notes.append(f"{path!r} is not uploaded: the workspace does not accept such a name.")
        elif (root / path).is_file():
            files.append(_source_file(root, path))
    _check_for_platform(files)
    app_yaml = parse_app_yaml(_text(root / "app.yaml"))
    return Source(root, app_yaml, files, [*notes, *notes_on(app_yaml)])


def _root(folder: Path) -> Path:
    ended = _run_git(folder, "rev-parse", "--show-toplevel")
    if ended.returncode:
        raise DeploymentError(
            f"{folder} is not in a usable git repository: {_reason(ended)}.",
            "Run this in a clone of jupyter_dbx_agents: what git tracks is deployed.",
        )
    return Path(ended.stdout.rstrip("\n"))


def _tracked(root: Path) -> Iterator[tuple[str, str]]:
    """Yield mode and path of every tracked file."""
    for entry in filter(None, _git(root, "ls-files", "--stage", "-z").split("\0")):
        facts, _, path = entry.partition("\t")
        mode, _, stage = facts.split(" ")
        if stage != "0":
            raise DeploymentError(
                f"The file {path} has merge conflicts.", "Resolve them, then deploy again."
            )
        yield mode, path


def _changes(root: Path) -> list[str]:
    """Return notes on what differs from the last commit."""
    entries = _git(root, "status", "--porcelain", "-z", "--no-renames").split("\0")
    untracked = [entry[3:] for entry in entries if entry.startswith("??")]
    changed = [entry[3:] for entry in entries if entry and not entry.startswith("??")]
    notes = []
    if changed:
        notes.append(f"Deployed as on disk, not as committed: {_names(changed)}.")
    if untracked:
        notes.append(
            f"Not uploaded, because git does not track it: {_names(untracked)} (use git add)."
        )
    return notes


def _names(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _source_file(root: Path, path: str) -> SourceFile:
    try:
        content = (root / path).read_bytes()
    except OSError as error:
        raise DeploymentError(
            f"The file {path} cannot be read: {error.strerror}.",
            "Make it readable, or remove it from the repository (git rm --cached).",
        ) from error
    return SourceFile(path, root / path, len(content), hashlib.sha256(content).hexdigest())


def _check_for_platform(files: list[SourceFile]) -> None:
    names = {file.path for file in files}
    for needed in ("app.yaml", "requirements.txt"):
        if needed not in names:
            raise DeploymentError(
                f"git tracks no {needed} in the repository.",
                "Run this in a clone of jupyter_dbx_agents; add new files with git add.",
            )
    if "package.json" in names:
        raise DeploymentError(
            "The repository has a package.json at its top level.",
            "Move it into a folder; the platform would run npm at every start.",
        )
    large = [file.path for file in files if file.size_bytes > PLATFORM_FILE_LIMIT_BYTES]
    if large:
        raise DeploymentError(
            f"The platform does not accept files over 10 MB: {_names(large)}.",
            "Remove them from the repository (git rm --cached).",
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(
            f"The file {path.name} cannot be read: {error}.", "Save it as UTF-8 text."
        ) from error


def _git(root: Path, *arguments: str) -> str:
    ended = _run_git(root, *arguments)
    if ended.returncode:
        raise DeploymentError(
            f"git {arguments[0]} failed in {root}: {_reason(ended)}.",
            "Run “git status” there. If the repository is broken, clone it again.",
        )
    return ended.stdout


def _run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 the user's own git
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=GIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise DeploymentError("git is not installed on this machine.", "Install git.") from error
    except subprocess.TimeoutExpired as error:
        raise DeploymentError(
            f"git {arguments[0]} took longer than {GIT_SECONDS} s in {folder}.",
            "Run “git status” there to see why.",
        ) from error


def _reason(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the reason in git's output; advice may follow it there."""
    lines = ended.stderr.strip().splitlines()
    deadly = [line for line in lines if line.startswith("fatal: ")]
    return (deadly or lines[-1:] or ["it was killed"])[0].rstrip(".")
