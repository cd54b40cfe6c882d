"""The operations of the Apps API."""

from __future__ import annotations

from .. import platform_errors as errors
from ..state import Workspace
from ..web import ApiHandler, Json, Operations, Route, routes


def _list_apps(call: ApiHandler) -> Json:
    """Return all apps."""
    return {"apps": [app.record() for app in call.workspace.app_service.listing()]}


def _create_app(call: ApiHandler) -> Json:
    """Create an app, and start its compute unless ``no_compute``."""
    no_compute = call.get_query_argument("no_compute", "false").lower() == "true"
    service, user = call.workspace.app_service, call.token.principal
    return service.create(user, call.json_body(), no_compute=no_compute).record()


def _get_app(call: ApiHandler, name: str) -> Json:
    """Return the app's record, or the error that a test set in its place."""
    return call.workspace.app_service.get(name).record()


def _update_app(call: ApiHandler, name: str) -> Json:
    """Change the description and the Git repository of an app."""
    service, user = call.workspace.app_service, call.token.principal
    return service.update(user, name, call.json_body()).record()


def _delete_app(call: ApiHandler, name: str) -> Json:
    """Begin to delete an app."""
    return call.workspace.app_service.delete(call.token.principal, name).record()


def _start_app(call: ApiHandler, name: str) -> Json:
    """Begin to start an app."""
    return call.workspace.app_service.start(call.token.principal, name).record()


def _stop_app(call: ApiHandler, name: str) -> Json:
    """Begin to stop an app."""
    return call.workspace.app_service.stop(call.token.principal, name).record()


def _list_deployments(call: ApiHandler, name: str) -> Json:
    """Return the deployments, newest first."""
    deployments = reversed(call.workspace.app_service.get(name).deployments)
    return {"app_deployments": [deployment.record() for deployment in deployments]}


def _deploy(call: ApiHandler, name: str) -> Json:
    """Begin a deployment of an app."""
    service, user = call.workspace.app_service, call.token.principal
    return service.deploy(user, name, call.json_body()).record()


def _get_deployment(call: ApiHandler, name: str, deployment_id: str) -> Json:
    """Return a deployment's record."""
    for deployment in call.workspace.app_service.get(name).deployments:
        if deployment.deployment_id == deployment_id:
            return deployment.record()
    raise errors.not_found(f"Deployment {deployment_id} of app {name} does not exist.")


def app_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the Apps API."""
    app = r"/api/2\.0/apps/([^/]+)"
    operations: Operations = {
        r"/api/2\.0/apps": {"GET": _list_apps, "POST": _create_app},
        app: {"GET": _get_app, "PATCH": _update_app, "DELETE": _delete_app},
        f"{app}/start": {"POST": _start_app},
        f"{app}/stop": {"POST": _stop_app},
        f"{app}/deployments": {"GET": _list_deployments, "POST": _deploy},
        f"{app}/deployments/([^/]+)": {"GET": _get_deployment},
    }
    return routes(workspace, operations, scope="apps")
