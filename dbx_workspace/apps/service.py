"""The life cycle of apps: create, deploy, start, stop, delete, each with its own duration.

Only a ``Deployer`` that a test sets as ``AppService.deployer`` runs the apps' programs; its two
coroutines are called on the loop of the local workspace. Without one, deployments succeed and
nothing runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from .. import platform_errors as errors
from ..clock import Clock
from ..platform_errors import PlatformError
from ..rest.files import WorkspaceTree
from .records import App, AppRegistry, Deployment, require_valid_name
from .source import DeploymentFailed, app_specification, fetch_source

_NOT_DEPLOYED = (
    "App has not been deployed yet. Run your app by deploying source code through the UI or CLI."
)


class Deployer(Protocol):
    """What runs the programs of apps."""

    async def deploy(self, app: App, deployment: Deployment) -> None:
        """Start the program of ``source.app_specification``, and return once it listens.

        Stop the program of an earlier deployment first, and set the variables that the platform
        injects; ``app.url`` may be set to the address at which users reach the app. Starting a
        stopped app deploys its active deployment again. Raise ``DeploymentFailed`` if the program
        crashes or opens no port.
        """

    async def stop(self, app: App) -> None:
        """End the program as the platform does (SIGTERM, 15 s, SIGKILL), and return then.

        Not called for an app that was never deployed.
        """


@dataclass
class AppRules:
    """How long changes of state take, which of them fail, and what users may create."""

    start_seconds: float = 0.0
    deploy_seconds: float = 0.0
    # How long the name of a deleted app stays taken, by the workspace's clock.
    delete_seconds: float = 20 * 60.0
    # The messages with which starts and deployments fail; "": they succeed.
    start_error: str = ""
    deploy_error: str = ""
    app_limit: int = 100
    may_users_create: bool = True


class AppService:
    """The Apps API without HTTP; ``user`` is the caller's name."""

    def __init__(
        self, apps: AppRegistry, files: WorkspaceTree, clock: Clock, workspace_id: str
    ) -> None:
        self._apps = apps
        self._files = files
        self._clock = clock
        self._workspace_id = workspace_id
        self._tasks: set[asyncio.Task[None]] = set()
        self.rules = AppRules()
        self.deployer: Deployer | None = None

    def create(self, user: str, body: dict[str, Any], *, no_compute: bool) -> App:
        """Create an app, and begin to start its compute unless ``no_compute``."""
        name = require_valid_name(body.get("name"))
        self._require_free(name)
        if not self.rules.may_users_create:
            raise errors.permission_denied("User does not have permission to create apps.")
        if len(self._apps.all()) >= self.rules.app_limit:
            raise PlatformError(
                400,
                "QUOTA_EXCEEDED",
                f"The workspace has reached the limit of {self.rules.app_limit} apps.",
            )
        app = App(name, user, f"https://{name}-{self._workspace_id}.aws.databricksapps.com")
        app.created_at = self._clock()
        app.description = str(body.get("description") or "")
        app.git_repository = body.get("git_repository")
        app.set_app("UNAVAILABLE", _NOT_DEPLOYED)
        app.set_compute("STOPPED", "App compute is stopped.")
        self._apps.add(app)
        if not no_compute:
            self._begin_start(app)
        return app

    def update(self, user: str, name: str, body: dict[str, Any]) -> App:
        """Change the description and the Git repository."""
        app = self._require_managed(user, name)
        app.description = str(body.get("description", app.description))
        app.git_repository = body.get("git_repository", app.git_repository)
        return app

    def get(self, name: str) -> App:
        """Return the app, which may be in deletion."""
        self._remove_deleted()
        return self._apps.get(name)

    def listing(self) -> list[App]:
        """Return every app."""
        self._remove_deleted()
        return self._apps.all()

    def deploy(self, user: str, name: str, request: dict[str, Any]) -> Deployment:
        """Begin a deployment; the compute must be active and no deployment in progress."""
        app = self._require_managed(user, name)
        _require_compute(app, "deploy", "ACTIVE")
        if app.pending is not None:
            raise PlatformError(
                409,
                "RESOURCE_CONFLICT",
                f"Cannot deploy app {name} as there is a deployment in progress.",
            )
        if not request.get("source_code_path") and not request.get("git_source"):
            request = {**request, "source_code_path": app.record()["default_source_code_path"]}
        deployment = Deployment(user, request, self._clock())
        app.deployments.append(deployment)
        app.set_app("DEPLOYING", "App is being deployed.")
        self._spawn(self._deploy(app, deployment))
        return deployment

    def start(self, user: str, name: str) -> App:
        """Begin to start a stopped app's compute, and its active deployment."""
        app = self._require_managed(user, name)
        _require_compute(app, "start", "STOPPED", "ERROR")
        self._begin_start(app)
        return app

    def stop(self, user: str, name: str) -> App:
        """Begin to stop the app and its compute."""
        app = self._require_managed(user, name)
        _require_compute(app, "stop", "ACTIVE")
        app.set_compute("STOPPING", "App compute is stopping.")
        self._spawn(self._stop(app))
        return app

    def delete(self, user: str, name: str) -> App:
        """Begin to delete; the name stays taken for ``AppRules.delete_seconds``."""
        app = self._require_managed(user, name)
        app.deleted_at = self._clock()
        app.set_compute("DELETING", "App is being deleted.")
        self._spawn(self._stop_program(app))
        return app

    async def close(self) -> None:
        """Cancel every change of state and stop every program."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for app in self._apps.all():
            await self._stop_program(app)

    def _require_free(self, name: str) -> None:
        self._remove_deleted()
        app = self._apps.named(name)
        if app is None:
            return
        if app.deleted_at is not None:
            raise PlatformError(
                400,
                "BAD_REQUEST",
                f"App {name} is not terminal: it is in DELETING state and was updated less than"
                " 20 minutes ago.",
            )
        raise errors.already_exists(f"An app with the same name already exists: {name}")

    def _require_managed(self, user: str, name: str) -> App:
        app = self.get(name)
        if user != app.creator and user not in app.managers:
            raise errors.permission_denied(
                f"User {user} does not have CAN_MANAGE permission on app {name}."
            )
        if app.deleted_at is not None:
            raise PlatformError(400, "BAD_REQUEST", f"App {name} is in DELETING state.")
        return app

    def _remove_deleted(self) -> None:
        reserved = timedelta(seconds=self.rules.delete_seconds)
        for app in self._apps.all():
            if app.deleted_at is not None and self._clock() >= app.deleted_at + reserved:
                self._apps.remove(app.name)

    def _begin_start(self, app: App) -> None:
        app.set_compute("STARTING", "App compute is starting.")
        self._spawn(self._start(app))

    async def _start(self, app: App) -> None:
        await asyncio.sleep(self.rules.start_seconds)
        if app.deleted_at is not None:
            return
        if self.rules.start_error:
            app.set_compute("ERROR", self.rules.start_error)
            return
        if app.active is not None and self.deployer is not None:
            try:
                await self.deployer.deploy(app, app.active)
            except DeploymentFailed as failure:
                app.set_app("CRASHED", str(failure))
        if app.active is not None and app.app_state != "CRASHED":
            app.set_app("RUNNING", "App is running.")
        app.set_compute("ACTIVE", "App compute is running.")

    async def _deploy(self, app: App, deployment: Deployment) -> None:
        try:
            await self._run_deployment(app, deployment)
        except DeploymentFailed as failure:
            deployment.state, deployment.message = "FAILED", str(failure)
            app.set_app("CRASHED" if self.deployer else "UNAVAILABLE", str(failure))
        else:
            deployment.state, deployment.message = "SUCCEEDED", "App started successfully"
            app.active = deployment
            app.set_app("RUNNING", "App is running.")
        deployment.updated_at = self._clock()

    async def _run_deployment(self, app: App, deployment: Deployment) -> None:
        git_url = str((app.git_repository or {}).get("url") or "")
        deployment.source = await fetch_source(
            self._files, deployment.creator, deployment.request, git_url
        )
        app_specification(deployment.source, deployment.request, app.resource_values)
        await asyncio.sleep(self.rules.deploy_seconds)
        if self.rules.deploy_error:
            raise DeploymentFailed(self.rules.deploy_error)
        if self.deployer is not None:
            await self.deployer.deploy(app, deployment)

    async def _stop(self, app: App) -> None:
        await self._stop_program(app)
        if app.deleted_at is None:
            app.set_compute("STOPPED", "App compute is stopped.")
            app.set_app("UNAVAILABLE", "App is stopped.")

    async def _stop_program(self, app: App) -> None:
        if self.deployer is not None and app.deployments:
            await self.deployer.stop(app)

    def _spawn(self, change: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(change)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _require_compute(app: App, verb: str, *states: str) -> None:
    if app.compute_state not in states:
        raise PlatformError(
            400,
            "BAD_REQUEST",
            f"Cannot {verb} app {app.name} as its compute is in {app.compute_state} state.",
        )
