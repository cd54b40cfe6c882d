"""Deploying ``databricks.yml`` with the Databricks CLI."""

import shutil
import subprocess
from pathlib import Path

from ..errors import DeploymentError
from .apps import Announce

BUNDLE_FILE = "databricks.yml"
# The key of the app in databricks.yml.
RESOURCE = "dbx_agents"


def deploy_bundle(root: Path, app_name: str, profile: str | None, announce: Announce) -> None:
    """Validate, deploy and start the bundle at ``root``.  Raises DeploymentError."""
    if not (root / BUNDLE_FILE).is_file():
        raise DeploymentError(
            f"There is no {BUNDLE_FILE} in {root}.", "Restore it: git checkout databricks.yml"
        )
    program = shutil.which("databricks")
    if program is None:
        raise DeploymentError(
            "A bundle needs the Databricks CLI, which is not installed.",
            "See https://docs.databricks.com/dev-tools/cli/install, or omit --bundle.",
        )
    for command in bundle_commands(app_name, profile):
        announce("databricks " + " ".join(command))
        ended = subprocess.run([program, *command], cwd=root, check=False)
        if ended.returncode:
            raise DeploymentError(
                f"“databricks {' '.join(command)}” failed.", "See its output above."
            )
    announce("Next: the owner opens the address above, opens a terminal and pastes a token.")


def bundle_commands(app_name: str, profile: str | None) -> list[list[str]]:
    """Return the CLI's commands, in order."""
    options = ["--var", f"app_name={app_name}", *(["--profile", profile] if profile else [])]
    return [
        ["bundle", "validate", *options],
        ["bundle", "deploy", *options],
        ["bundle", "run", RESOURCE, *options],
    ]
