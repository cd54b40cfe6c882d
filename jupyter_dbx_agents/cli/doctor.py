"""``jupyter dbx-agents doctor``: check everything that has to work, and suggest fixes.

It runs in a terminal, so that it checks what a terminal sees: its ``PATH``, and how the SDK gets a
token there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..agents.databricks.profile import DEFAULT_PROFILE, OWN_PROFILE
from ..config_files import Format, atomic
from ..config_files.formats import parse
from ..errors import ConfigFileError, DbxAgentsError
from ..local_channel.client import call
from ..local_channel.paths import STATUS_PATH
from .agents import doctor_lines, line_of

if TYPE_CHECKING:
    from ..agents.databricks.tools import CliStatus
    from ..app import ServerStatus
    from ..git_sync.states import ProjectStatus
    from ..models import ModelReport
    from ..pat.rotator import PatStatus

SDK_SECONDS = 60
# The SDK's errors end with its whole configuration.
SHOWN_CHARACTERS = 200
_CLI_HINT = "The SDK does not need it. Try again: jupyter dbx-agents skills update"
_SDK_PROGRAM = (
    "from databricks.sdk import WorkspaceClient as W, version; "
    "print(version.__version__, W().current_user.me().user_name)"
)


def lines() -> Iterator[str]:
    """Check everything.  Raises LocalChannelError without a server, DbxAgentsError for problems."""
    status = call("GET", STATUS_PATH)
    problems = 0
    for name, check in [*_server_checks(status), *_client_checks(status)]:
        problems += check["state"] == "problem"
        yield line_of(name, check)
    try:
        yield from doctor_lines([])
    except DbxAgentsError as error:
        raise DbxAgentsError(
            f"Problems found: {problems} with the server; with the agents: {error.message}"
        ) from None
    if problems:
        raise DbxAgentsError(f"Problems found: {problems}.")


def _server_checks(status: ServerStatus) -> list[tuple[str, dict[str, Any]]]:
    pat, gateway = status["pat"], status["gateway"]
    found = [("server", _check("ok", f"Version {status['version']}, for {status['workspace']}."))]
    if status["owner"] is not None:
        found.append(("owner", _check("ok", f"{status['owner']}.")))
    works = pat["expires_at"] is not None or pat["is_signed_in"]
    kind = f" ({pat['credential']})" if pat["expires_at"] is not None else ""
    message = f"{pat['state']}{kind}: {pat['message']}".rstrip(": ")
    found.append(("token", _check("ok" if works else "problem", message, pat["hint"])))
    found += scope_checks(pat)
    found.append(("gateway", _check("ok", f"{gateway['kind']}: {gateway['reason']}")))
    found += _model_checks(status["models"])
    found += _project_checks(status["projects"])
    if status["tracing"]["message"]:
        found.append(("tracing", _check("warning", status["tracing"]["message"])))
    for task in status["startup"]:
        if task["state"] == "failed":
            found.append((task["name"], _check("problem", task["message"], task["hint"])))
    return found


def scope_checks(pat: PatStatus) -> list[tuple[str, dict[str, Any]]]:
    """Return a warning for each scope that the token lacks, with what does not work without it."""
    hint = "If you need that, connect with a token that has the scope."
    return [
        (
            "scopes",
            _check("warning", f"The token lacks “{missing['scope']}”. {missing['feature']}", hint),
        )
        for missing in pat["missing_scopes"]
    ]


def _model_checks(reports: Mapping[str, ModelReport]) -> list[tuple[str, dict[str, Any]]]:
    problems = [(name, report["problem"]) for name, report in reports.items() if report["problem"]]
    if problems:
        hint = "Configure another model in app.yaml or jupyter_config.py."
        return [(name, _check("warning", problem, hint)) for name, problem in problems]
    if any(report["served"] is None for report in reports.values()):
        text = "The workspace's list of models is not loaded yet."
        return [
            (
                "models",
                _check("warning", text, "If you are not logged in, run: jupyter dbx-agents login"),
            )
        ]
    return [("models", _check("ok", "The workspace serves every agent's model."))]


def _project_checks(projects: list[ProjectStatus]) -> list[tuple[str, dict[str, Any]]]:
    """Return a check for each project that is not synced, or not safe, and one for all others."""
    found, fine = [], 0
    for project in projects:
        name, state, history = f"project {project['name']}", project["state"], project["history"]
        message = f"{state}: {project['message']}"
        if state in ("refused", "retrying"):
            found.append((name, _check("problem", message, project["hint"])))
        elif state in ("unfit", "waiting"):
            found.append((name, _check("warning", message, project["hint"])))
        elif state not in ("gone", "pending", "empty") and not history["message"]:
            fine += 1
        if history["message"]:
            found.append((name, _check("warning", history["message"])))
    return [("projects", _check("ok", f"{fine} synced.")), *found]


def _git() -> dict[str, Any]:
    """Check git, which syncs and restores projects, and its hook."""
    from ..git_sync import LEAST_GIT, are_hooks_removed  # noqa: PLC0415 only here

    least = ".".join(map(str, LEAST_GIT))
    program = shutil.which("git")
    if program is None:
        return _check("problem", "git is not installed: no project is synced.", "Install git.")
    try:
        printed = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=SDK_SECONDS, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        return _check("problem", f"{program} does not run: {error}", "Reinstall it.")
    found = re.search(r"(\d+)\.(\d+)", printed)
    if found is None or (int(found[1]), int(found[2])) < LEAST_GIT:
        return _check("problem", f"{program}: {printed}.", f"Install version {least} or newer.")
    hook = "you removed our hook" if are_hooks_removed(Path.home()) else "our hook is allowed"
    return _check("ok", f"{program}: {printed}; {hook}.")


def _client_checks(status: ServerStatus) -> Iterator[tuple[str, dict[str, Any]]]:
    profile = _profile()
    yield "profile", profile
    if profile["state"] == "ok":  # else the SDK may try another host for minutes
        yield "sdk", _sdk()
    yield "databricks", _cli(status["databricks"]["cli"])
    yield "git", _git()


def _profile() -> dict[str, Any]:
    """Check the profile that every SDK, and the CLI, reads first."""
    path = Path.home() / ".databrickscfg"
    again = "Then: jupyter dbx-agents rotate"
    try:
        _, document = parse(Format.INI, atomic.read(path).content or b"", path)
    except ConfigFileError as error:
        return _check("problem", error.message, f"{error.hint} {again}")
    for name in (DEFAULT_PROFILE, OWN_PROFILE):
        if document.get(name, {}).get("auth_type") == "metadata-service":
            return _check("ok", f"[{name}] in {path} points to this server.")
    text = f"[DEFAULT] in {path} does not point to this server."
    return _check("problem", text, f"Remove your own credentials from it. {again}")


def _sdk() -> dict[str, Any]:
    """Ask the workspace who the user is, as any program of the user's would."""
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", _SDK_PROGRAM],
            capture_output=True,
            text=True,
            timeout=SDK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _check("problem", f"The SDK got no response within {SDK_SECONDS} s.")
    if ended.returncode:
        said = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        hint = "Fix the token first, if it is listed above."
        return _check("problem", f"The SDK cannot authenticate: {said[:SHOWN_CHARACTERS]}", hint)
    version, user = ended.stdout.split()
    return _check("ok", f"databricks-sdk {version} authenticates as {user}.")


def _cli(known: CliStatus) -> dict[str, Any]:
    """Check the Databricks CLI that a terminal starts, by a call to the workspace."""
    program = shutil.which("databricks")
    if program is None:
        message = f"The Databricks CLI is not installed. {known['message']}"
        return _check("warning", message.strip(), known["hint"] or _CLI_HINT)
    try:
        version = _cli_prints(program, "--version")
        said = _cli_prints(program, "current-user", "me", "--output", "json")
        user = str(json.loads(said)["userName"])
    except (OSError, subprocess.SubprocessError) as error:
        printed = str(getattr(error, "stderr", "") or error).strip().splitlines()
        message = f"{program} does not work: {printed[-1][:SHOWN_CHARACTERS]}"
        return _check("warning", message, f"Fix the token first, if it is listed. {_CLI_HINT}")
    except (ValueError, KeyError, TypeError):
        return _check("warning", f"{program} is not the Databricks CLI.", _CLI_HINT)
    return _check("ok", f"{program}: {version}; authenticates as {user}.")


def _cli_prints(*command: str) -> str:
    """Return what a command prints; it may not ask anything.  Raises OSError, SubprocessError."""
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SDK_SECONDS,
        check=True,
    )
    return ended.stdout.strip()


def _check(state: str, message: str, hint: str = "") -> dict[str, Any]:
    return {"state": state, "message": message, "hint": hint}
