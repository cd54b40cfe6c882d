"""``jupyter dbx-agents deploy``: from a clone to a running app, step by step."""

from __future__ import annotations

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
    """What the command line says."""

    folder: Path
    app_name: str
    profile: str | None = None
    is_bundle: bool = False
    replaces: bool = False


def deploy(request: DeployRequest, announce: Announce) -> None:
    """Deploy, telling ``announce`` each step.  Raises DeploymentError."""
    check_app_name(request.app_name)
    source = read_source(request.folder)
    for note in source.notes:
        announce(f"Note: {note}")
    if request.is_bundle:
        deploy_bundle(source.root, request.app_name, request.profile, announce)
        return
    client, user = connect(request.profile)
    announce(f"As {user} on {client.config.host}.")
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
    announce(f"Sending {len(source.files)} files to {source_code_path}, if they changed.")
    sent = SourceFolder(client, source_code_path, f"{folder}/manifest.json").update(source.files)
    for line in _lines_on(sent):
        announce(line)
    running = app.deploy(source_code_path)
    for line in _next_steps(running, str(ready.creator), user, source):
        announce(line)


def _check_owner(source: Source, creator: str) -> None:
    """The owner of an app is its creator, but a service principal can open nothing."""
    if "@" not in creator and OWNER_VARIABLE not in source.app_yaml.variables:
        raise DeploymentError(
            f"{creator} is a service principal: nobody could open an app that it has created.",
            f"Set {OWNER_VARIABLE} in app.yaml to the owner's e-mail address.",
        )


def _check_ours(app: Any, source_code_path: str) -> None:
    """An app of this name may be another program: not to be replaced by accident."""
    active = app.active_deployment
    if active is None:
        return
    path = active.source_code_path or "a Git repository"
    if path.removeprefix("/Workspace") != source_code_path.removeprefix("/Workspace"):
        raise DeploymentError(
            f"The app {app.name} exists and runs from {path}.",
            "Give another name with --app, or replace what it runs with --replace.",
        )


def _lines_on(sent: Difference) -> list[str]:
    if not sent.send and not sent.delete:
        lines = ["Nothing has changed since the last time."]
    else:
        lines = [f"Sent {len(sent.send)} files, deleted {len(sent.delete)}."]
    if sent.foreign:
        shown = ", ".join(sent.foreign[:SHOWN_NAMES])
        lines.append(
            f"Note: {len(sent.foreign)} files there are not from here and are deployed too: {shown}"
        )
    return lines


def _next_steps(app: Any, creator: str, user: str, source: Source) -> list[str]:
    owner = source.app_yaml.variables.get(OWNER_VARIABLE) or creator
    lines = [f"Running: {app.url}"]
    if owner.casefold() == user.casefold():
        lines.append("Next: open it, open a terminal, and paste a token when it asks for one.")
    else:
        lines.append(f"Next: {owner} opens it (nobody else can) and pastes a token.")
    return lines
