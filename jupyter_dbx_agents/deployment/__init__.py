"""Deploying this repository as a Databricks App, from the machine of whoever deploys.

Nothing here runs in the app.  The Databricks SDK is imported where it is used: it costs a second.
"""

from .deploy import DeployRequest, deploy
from .source import PLATFORM_FILE_LIMIT_BYTES
from .team import MemberApp, app_names, team_bundle, write_team_bundle

__all__ = [
    "PLATFORM_FILE_LIMIT_BYTES",
    "DeployRequest",
    "MemberApp",
    "app_names",
    "deploy",
    "team_bundle",
    "write_team_bundle",
]
