"""What the platform takes as the name of an app."""

from __future__ import annotations

import re

from ..errors import DeploymentError

MIN_NAME_CHARACTERS = 2
# What the Databricks CLI enforces; the API's own documentation names the characters only.
MAX_NAME_CHARACTERS = 30
_NAME = re.compile(rf"[a-z0-9-]{{{MIN_NAME_CHARACTERS},{MAX_NAME_CHARACTERS}}}")


def check_app_name(name: str) -> None:
    """Raise DeploymentError for a name that no app can have."""
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            f"{name!r} cannot be the name of an app.",
            f"Use {MIN_NAME_CHARACTERS} to {MAX_NAME_CHARACTERS} lowercase letters (a-z), digits "
            "and hyphens.",
        )
