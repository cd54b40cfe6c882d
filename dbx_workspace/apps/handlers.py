"""The Apps API over HTTP."""

from __future__ import annotations

from typing import Any

from .. import platform_errors as errors
from ..web import WorkspaceHandler


class AppsApiHandler(WorkspaceHandler):
    """What the calls share: the scope, and the calling user."""

    required_scope = "apps"

    @property
    def user(self) -> str:
        """The calling user's name."""
        return self.token.principal


class AppsHandler(AppsApiHandler):
    """`/api/2.0/apps`."""

    def get(self) -> None:
        """Lists the apps."""
        self.write_json({"apps": [app.record() for app in self.workspace.app_service.listing()]})

    def post(self) -> None:
        """Creates one."""
        no_compute = self.get_query_argument("no_compute", "false").lower() == "true"
        app = self.workspace.app_service.create(self.user, self.json_body(), no_compute=no_compute)
        self.write_json(app.record())


class AppHandler(AppsApiHandler):
    """`/api/2.0/apps/{name}`."""

    def get(self, name: str) -> None:
        """Answers with the app's record, or what has been set in its place."""
        self.write_json(self.workspace.app_service.get(name).record())

    def patch(self, name: str) -> None:
        """Changes description and Git repository."""
        app = self.workspace.app_service.update(self.user, name, self.json_body())
        self.write_json(app.record())

    def delete(self, name: str) -> None:
        """Begins to delete."""
        self.write_json(self.workspace.app_service.delete(self.user, name).record())


class AppStartHandler(AppsApiHandler):
    """`POST /api/2.0/apps/{name}/start`."""

    def post(self, name: str) -> None:
        """Begins to start."""
        self.write_json(self.workspace.app_service.start(self.user, name).record())


class AppStopHandler(AppsApiHandler):
    """`POST /api/2.0/apps/{name}/stop`."""

    def post(self, name: str) -> None:
        """Begins to stop."""
        self.write_json(self.workspace.app_service.stop(self.user, name).record())


class DeploymentsHandler(AppsApiHandler):
    """`/api/2.0/apps/{name}/deployments`."""

    def get(self, name: str) -> None:
        """Lists the deployments, newest first."""
        deployments = reversed(self.workspace.app_service.get(name).deployments)
        self.write_json({"app_deployments": [d.record() for d in deployments]})

    def post(self, name: str) -> None:
        """Begins one."""
        deployment = self.workspace.app_service.deploy(self.user, name, self.json_body())
        self.write_json(deployment.record())


class DeploymentHandler(AppsApiHandler):
    """`GET /api/2.0/apps/{name}/deployments/{id}`."""

    def get(self, name: str, deployment_id: str) -> None:
        """Answers with its record."""
        for deployment in self.workspace.app_service.get(name).deployments:
            if deployment.deployment_id == deployment_id:
                return self.write_json(deployment.record())
        raise errors.not_found(f"Deployment {deployment_id} of app {name} does not exist.")


def app_routes(shared: dict[str, Any]) -> list[Any]:
    """The URL map of the Apps API."""
    app = r"/api/2\.0/apps/([^/]+)"
    return [
        (r"/api/2\.0/apps", AppsHandler, shared),
        (app, AppHandler, shared),
        (f"{app}/start", AppStartHandler, shared),
        (f"{app}/stop", AppStopHandler, shared),
        (f"{app}/deployments", DeploymentsHandler, shared),
        (f"{app}/deployments/([^/]+)", DeploymentHandler, shared),
    ]
