"""Deploying this repository as a Databricks App, from the machine of whoever deploys.

A deployment's way: ``deploy`` → ``source`` reads the files that git tracks, and ``app_yaml`` checks
one of them → ``workspace`` logs in with the SDK → ``apps`` creates or starts the app → ``upload``
sends what differs → ``apps`` deploys and waits.  With ``--bundle``, ``bundle`` has the Databricks
CLI do it; ``team`` writes a bundle with one app for each member.

Nothing here runs in the app.  The Databricks SDK is imported where it is used: that takes a second.
"""

from .deploy import DeployRequest, deploy
from .source import PLATFORM_FILE_LIMIT_BYTES
from .team import app_names, team_bundle, write_team_bundle

__all__ = [
    "PLATFORM_FILE_LIMIT_BYTES",
    "DeployRequest",
    "app_names",
    "deploy",
    "team_bundle",
    "write_team_bundle",
]
