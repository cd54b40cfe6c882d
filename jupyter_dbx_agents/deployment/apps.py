"""One app of the workspace: created if it does not exist, started, deployed, waited for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ..errors import DeploymentError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

Announce = Callable[[str], None]
MIN_NAME_CHARACTERS = 2
# What the Databricks CLI enforces; the API's own documentation names the characters only.
MAX_NAME_CHARACTERS = 30
_NAME = re.compile(rf"[a-z0-9-]{{{MIN_NAME_CHARACTERS},{MAX_NAME_CHARACTERS}}}")
# The platform allows an app 10 minutes to listen, including the installation of its packages.
WAIT = timedelta(minutes=20)
POLL_SECONDS = 2.0
_DESCRIPTION = "AI coding agents in JupyterLab"
_LOGS = "See Logs on the app's page (Compute › Apps)."
_BEING_DELETED = "Wait until that has ended (up to 20 minutes), or use another name with --app."


def check_app_name(name: str) -> None:
    """Raise DeploymentError for a name that is not valid for an app."""
    if not _NAME.fullmatch(name):
        raise DeploymentError(
            f"“{name}” is not a valid app name.",
            f"Use {MIN_NAME_CHARACTERS} to {MAX_NAME_CHARACTERS} lowercase letters (a-z), digits "
            "and hyphens.",
        )


class DeployedApp:
    """An app by name; every method may raise the SDK's errors or a DeploymentError."""

    def __init__(self, client: WorkspaceClient, name: str, announce: Announce) -> None:
        self._client = client
        self._name = name
        self._announce = announce

    def find(self) -> Any:
        """Return the app's record, or None.  Raises DeploymentError for one being deleted."""
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 a second of imports

        try:
            app = self._client.apps.get(self._name)
        except NotFound:
            return None
        if _compute(app) == "DELETING":
            raise DeploymentError(f"The app {self._name} is being deleted.", _BEING_DELETED)
        return app

    def create(self) -> Any:
        """Create the app and wait until its machine runs; return its record."""
        from databricks.sdk.errors import BadRequest, ResourceConflict  # noqa: PLC0415 as above
        from databricks.sdk.service.apps import App  # noqa: PLC0415 as above

        self._announce(f"Creating the app {self._name}. This takes a few minutes.")
        try:
            waiter = self._client.apps.create(App(name=self._name, description=_DESCRIPTION))
        except ResourceConflict as error:
            raise DeploymentError(
                f"The name {self._name} is taken by an app that you cannot see.",
                "Use another name with --app.",
            ) from error
        except BadRequest as error:
            if "not terminal" in str(error) or "DELETING" in str(error):
                raise DeploymentError(
                    f"An app named {self._name} is still being deleted.", _BEING_DELETED
                ) from error
            raise
        return self._wait(waiter, _machine_failed)

    def make_ready(self, app: Any) -> Any:
        """Start the machine if it does not run, and wait for operations that are under way."""
        state = _compute(app)
        if state in ("STARTING", "UPDATING", "STOPPING"):
            self._announce(f"Waiting while the app is {state}.")
            app = self._poll(lambda seen: _compute(seen) != state, f"it stayed {state}")
        if _compute(app) in ("STOPPED", "ERROR"):
            self._announce("Starting the app's machine. This takes a few minutes.")
            app = self._wait(self._client.apps.start(self._name), _machine_failed)
        if app.pending_deployment is not None:
            self._announce("Waiting for another deployment of this app to end.")
            app = self._poll(
                lambda seen: seen.pending_deployment is None, "another deployment did not end"
            )
        return app

    def deploy(self, source_code_path: str) -> Any:
        """Deploy the source at ``source_code_path``; return the app's record once it runs."""
        from databricks.sdk.service.apps import AppDeployment, AppDeploymentMode  # noqa: PLC0415

        deployment = AppDeployment(
            source_code_path=source_code_path, mode=AppDeploymentMode.SNAPSHOT
        )
        waiter = self._client.apps.deploy(self._name, deployment)
        self._announce("Deploying: the platform installs packages and starts the app.")
        self._wait(waiter, _deployment_failed)
        return self._client.apps.get(self._name)

    def _wait(self, waiter: Any, failed: Callable[[str], DeploymentError]) -> Any:
        """Wait with the SDK's waiter, announcing each message of the platform once."""
        from databricks.sdk.errors import OperationFailed  # noqa: PLC0415 a second of imports

        announced: list[str] = []

        def announce_new(seen: Any) -> None:
            status = getattr(seen, "status", None) or getattr(seen, "compute_status", None)
            message = getattr(status, "message", "") or ""
            if message and message not in announced:
                announced.append(message)
                self._announce(f"  {message}")

        try:
            return waiter.result(timeout=WAIT, callback=announce_new)
        except OperationFailed as error:
            raise failed(str(error).partition(": ")[2] or str(error)) from error
        except TimeoutError as error:
            minutes = WAIT.total_seconds() / 60
            raise failed(f"it took longer than {minutes:.0f} minutes.") from error

    def _poll(self, is_over: Callable[[Any], bool], failure: str) -> Any:
        deadline = time.monotonic() + WAIT.total_seconds()
        while time.monotonic() < deadline:
            app = self._client.apps.get(self._name)
            if is_over(app):
                return app
            time.sleep(POLL_SECONDS)
        raise DeploymentError(f"The app {self._name} cannot be deployed: {failure}.", _LOGS)


def _machine_failed(reason: str) -> DeploymentError:
    return DeploymentError(f"The app's machine did not start: {reason}", _LOGS)


def _deployment_failed(reason: str) -> DeploymentError:
    return DeploymentError(f"The deployment failed: {reason}", _LOGS)


def _compute(app: Any) -> str:
    state = app.compute_status.state if app.compute_status else None
    return state.value if state else ""
