"""``jupyter dbx-agents deploy``: from a clone to a running app, step by step."""

from collections.abc import Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeploymentError
from .app_yaml import OWNER_VARIABLE
from .apps import Announce, DeployedApp, check_app_name
from .bundle import deploy_bundle
from .source import SHOWN_NAMES, Source, read_source
from .upload import Difference, SourceFolder
from .workspace import connect, errors_explained


@dataclass(frozen=True)
class DeployRequest:
    """The options of the command line."""

    folder: Path
    app_name: str
    profile: str | None = None
    is_bundle: bool = False
    replaces: bool = False


def deploy(request: DeployRequest, announce: Announce) -> None:
    """Deploy, and call ``announce`` with each step.  Raises DeploymentError."""
    check_app_name(request.app_name)
    source = read_source(request.folder)
    for note in source.notes:
        announce(f"Note: {note}")
    if request.is_bundle:
        deploy_bundle(source.root, request.app_name, request.profile, announce)
        return
    client, user = connect(request.profile)
    announce(f"Logged in as {user} to {client.config.host}.")
    with errors_explained(client.config.host, request.app_name):
        _deploy_as(client, user, source, request, announce)


def _deploy_as(
    client: Any, user: str, source: Source, request: DeployRequest, announce: Announce
) -> None:
    folder = f"/Workspace/Users/{user}/apps/{request.app_name}"
    source_code_path = f"{folder}/source"
    app = DeployedApp(client, request.app_name, announce)
    found = app.find()
    _check_owner(source, str(found.creator) if found is not None else user)
    if found is not None and not request.replaces:
        _check_ours(found, source_code_path)
    ready = app.make_ready(found if found is not None else app.create())
    announce(f"Uploading what changed of {len(source.files)} files to {source_code_path}.")
    sent = SourceFolder(client, source_code_path, f"{folder}/manifest.json").update(source.files)
    for line in _lines_on(sent):
        announce(line)
    running = app.deploy(source_code_path)
    for line in _next_steps(running, str(ready.creator), user, source):
        announce(line)


def _check_owner(source: Source, creator: str) -> None:
    """Raise DeploymentError if the owner would be a service principal, which cannot open apps."""
    if "@" not in creator and OWNER_VARIABLE not in source.app_yaml.variables:
        raise DeploymentError(
            f"{creator} is a service principal: nobody could open an app that it creates.",
            f"Set {OWNER_VARIABLE} in app.yaml to the owner's e-mail address.",
        )


def _check_ours(app: Any, source_code_path: str) -> None:
    """Raise DeploymentError if the app of this name runs another program."""
    active = app.active_deployment
    if active is None:
        return
    path = active.source_code_path or "a Git repository"
    if path.removeprefix("/Workspace") != source_code_path.removeprefix("/Workspace"):
        raise DeploymentError(
            f"The app {app.name} already exists and runs from {path}.",
            "Use another name with --app, or replace what it runs with --replace.",
        )


def _lines_on(sent: Difference) -> list[str]:
    if not sent.send and not sent.delete:
        lines = ["Nothing has changed since the last upload."]
    else:
        lines = [f"Uploaded {_files(sent.send)}, deleted {len(sent.delete)}."]
    if sent.foreign:
        shown = ", ".join(sent.foreign[:SHOWN_NAMES])
        lines.append(
            f"Note: {_files(sent.foreign)} of others in that folder will be deployed, too: {shown}"
        )
    return lines


def _files(paths: Sized) -> str:
    return f"{len(paths)} file{'' if len(paths) == 1 else 's'}"


def _next_steps(app: Any, creator: str, user: str, source: Source) -> list[str]:
    owner = source.app_yaml.variables.get(OWNER_VARIABLE) or creator
    lines = [f"Running: {app.url}"]
    if owner.casefold() == user.casefold():
        lines.append("Next: open it, open a terminal, and paste a token at the prompt.")
    else:
        lines.append(f"Next: {owner} opens it (nobody else can) and pastes a token.")
    return lines
