"""``app.yaml``: read and checked before anything is sent.

The platform runs ``command`` without a shell, and reports a mistake in the file after minutes.
"""

import difflib
from dataclasses import dataclass
from typing import Any

import yaml

from ..addresses import normalise_email
from ..environment import SETTING_VARIABLES
from ..errors import DeploymentError

OWNER_VARIABLE = "APP_OWNER_EMAIL"
TOKEN_VARIABLE = "DATABRICKS_TOKEN"  # noqa: S105 its name
# Set by the platform itself: another value would break the app.
_PLATFORM_VARIABLES = (
    "DATABRICKS_APP_NAME",
    "DATABRICKS_APP_PORT",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_WORKSPACE_ID",
)
_SETTABLE_VARIABLES = (
    "HOME",
    "DATABRICKS_HOST",
    TOKEN_VARIABLE,
    OWNER_VARIABLE,
    *SETTING_VARIABLES,
)
_SEE = "See app.yaml.template for an example."


@dataclass(frozen=True)
class AppYaml:
    """The command, and the variables with their values (None if it comes from a resource)."""

    command: tuple[str, ...]
    variables: dict[str, str | None]
    resources: tuple[str, ...]


def parse_app_yaml(text: str) -> AppYaml:
    """Return what the file says.  Raises DeploymentError for what the platform cannot run."""
    try:
        content = yaml.safe_load(text)
    # ValueError comes from an invalid date, RecursionError from endless brackets.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DeploymentError(f"app.yaml is not valid YAML: {_one_line(error)}.", _SEE) from error
    if not isinstance(content, dict):
        raise DeploymentError("app.yaml has no command.", _SEE)
    entries = _entries(content.get("env"))
    return AppYaml(
        command=_command(content.get("command")),
        variables={str(entry["name"]): entry.get("value") for entry in entries},
        resources=tuple(str(entry["valueFrom"]) for entry in entries if "valueFrom" in entry),
    )


def notes_on(app_yaml: AppYaml) -> list[str]:
    """Return notes on what is allowed but probably a mistake."""
    notes = []
    for name in app_yaml.variables:
        if name in _SETTABLE_VARIABLES:
            continue
        near = difflib.get_close_matches(name, _SETTABLE_VARIABLES, n=1, cutoff=0.8)
        if near:
            notes.append(f"app.yaml sets {name}, which nothing reads. Did you mean {near[0]}?")
    if app_yaml.variables.get(TOKEN_VARIABLE):
        notes.append(
            f"app.yaml contains {TOKEN_VARIABLE}, readable for all who see the source: "
            "keep it in a secret and use valueFrom, as app.yaml.template shows."
        )
    for resource in app_yaml.resources:
        notes.append(
            f"app.yaml uses the app's resource “{resource}”: add it under Edit › App resources."
        )
    return notes


def _command(command: Any) -> tuple[str, ...]:
    if not isinstance(command, list) or not command:
        raise DeploymentError("app.yaml has no command, which must be a list of strings.", _SEE)
    if not all(isinstance(word, str) for word in command):
        raise DeploymentError(
            "An entry of command in app.yaml is not a string.", "Put it in quotes."
        )
    return tuple(command)


def _entries(env: Any) -> list[dict[str, Any]]:
    if env is None:
        return []
    if not isinstance(env, list) or not all(isinstance(entry, dict) for entry in env):
        raise DeploymentError("env in app.yaml is not a list of names with values.", _SEE)
    for entry in env:
        _check_entry(entry)
    return env


def _check_entry(entry: dict[str, Any]) -> None:
    name = entry.get("name")
    if not isinstance(name, str) or not name.isidentifier():
        raise DeploymentError(f"app.yaml has a variable without a valid name: {name!r}.", _SEE)
    if name in _PLATFORM_VARIABLES:
        raise DeploymentError(f"app.yaml sets {name}.", "Remove it: the platform sets it.")
    if ("value" in entry) == ("valueFrom" in entry):
        raise DeploymentError(
            f"The variable {name} of app.yaml needs either value or valueFrom.", _SEE
        )
    if "value" in entry and not isinstance(entry["value"], str):
        raise DeploymentError(
            f"The value of {name} in app.yaml is not a string.", "Put it in quotes."
        )
    if name == OWNER_VARIABLE and "value" in entry and not normalise_email(entry["value"]):
        raise DeploymentError(
            f"{OWNER_VARIABLE} in app.yaml is {entry['value']!r}, which is not an ASCII e-mail "
            "address.",
            "Set it to the address that the owner logs in with.",
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
