"""The SDK's client for a profile, and the SDK's errors translated into ours."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..environment import forget_databricks_variables, strip_databricks_variables
from ..errors import DbxAgentsError, DeploymentError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import Config

# For the first call; the SDK would retry for 5 minutes.
FIRST_ANSWER_SECONDS = 5
SILENCE_SECONDS = 15
# For a rate limit in the middle of an upload.
RETRY_SECONDS = 120
# Tokens anywhere, and what HTTP libraries quote of a header that they cannot send.
_SECRETS = re.compile(r"\bBearer\b.*|\b(?:dapi|dose|eyJ)[\w.-]{8,}", re.IGNORECASE)
_LOG_IN = "Run “databricks auth login --host ADDRESS”, and pass its profile with --profile."


def connect(profile: str | None) -> tuple[WorkspaceClient, str]:
    """Return a client and its user's name.  Raises DeploymentError if it cannot log in."""
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 a second of imports

    if profile:  # on the command line, it takes precedence over variables, which the SDK prefers
        forget_databricks_variables()
    strip_databricks_variables()
    # Its warnings repeat our message.
    logging.getLogger("databricks.sdk").setLevel(logging.ERROR)
    config = _configuration(profile)
    with errors_explained(config.host):
        user = str(WorkspaceClient(config=config).current_user.me().user_name)
    config.retry_timeout_seconds = RETRY_SECONDS
    config.http_timeout_seconds = RETRY_SECONDS
    return WorkspaceClient(config=config), user


def _configuration(profile: str | None) -> Config:
    from databricks.sdk.core import Config  # noqa: PLC0415 as above

    try:
        return Config(
            profile=profile,
            retry_timeout_seconds=FIRST_ANSWER_SECONDS,
            http_timeout_seconds=SILENCE_SECONDS,
            product="jupyter-dbx-agents",
            product_version=__version__,
        )
    except (ValueError, OSError) as error:
        shown = f"The profile {profile}" if profile else "The Databricks configuration"
        raise DeploymentError(f"{shown} does not work: {_sentence(error)}", _LOG_IN) from error


@contextlib.contextmanager
def errors_explained(host: str | None, app_name: str = "") -> Iterator[None]:
    """Raise the SDK's errors as a DeploymentError with a hint."""
    import requests  # noqa: PLC0415 comes with the SDK
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415

    try:
        yield
    except DbxAgentsError:
        raise
    except DatabricksError as error:
        raise _explained(error, app_name) from error
    except (requests.RequestException, TimeoutError, OSError) as error:
        raise DeploymentError(
            f"The workspace {host} does not respond ({type(error).__name__}).",
            "Check its address (https://…) and the network, then run this again: it resumes where "
            "it stopped.",
        ) from error
    except ValueError as error:  # the SDK's: no credentials of any kind, a malformed host
        raise DeploymentError(f"The workspace cannot be used: {_sentence(error)}", _LOG_IN) from (
            error
        )


def _explained(error: Any, app_name: str) -> DeploymentError:
    from databricks.sdk import errors  # noqa: PLC0415 a second of imports

    message = _sentence(error)
    code = str(getattr(error, "error_code", "") or "")
    if isinstance(error, errors.Unauthenticated) or message.startswith("Invalid access token"):
        return DeploymentError("The workspace rejected the login.", _LOG_IN)
    if isinstance(error, errors.PermissionDenied):
        return DeploymentError(
            f"You do not have permission: {message}",
            f"Ask for CAN MANAGE on the app {app_name}, or use another name with --app."
            if app_name
            else "Ask an administrator of the workspace.",
        )
    if code == "QUOTA_EXCEEDED":
        return DeploymentError(
            message, "Delete an app that is not needed, or ask for a higher limit."
        )
    if isinstance(error, (errors.TooManyRequests, errors.InternalError)):
        return DeploymentError(
            f"The workspace is unavailable: {message}",
            "Run this again in a moment: it resumes where it stopped.",
        )
    return DeploymentError(
        f"The workspace rejected the request: {message}", "Fix this and run the command again."
    )


def _sentence(error: Exception) -> str:
    """Return an error's first line as a sentence, without secrets and the SDK's configuration."""
    text = str(error).strip() or type(error).__name__
    line = _SECRETS.sub("…", text.splitlines()[0].partition(". Config:")[0])
    return line if line.endswith((".", "…", "!", "?")) else f"{line}."
