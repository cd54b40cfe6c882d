"""The operations that say which metastore and default catalog a workspace has."""

from __future__ import annotations

from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import ApiHandler, Json, Route, routes


def _metastore_assignment(call: ApiHandler) -> Json:
    """Return the metastore and the default catalog."""
    catalog = call.workspace.data.default_catalog
    if not catalog:
        raise PlatformError(
            404, "METASTORE_DOES_NOT_EXIST", "No metastore assigned for the current workspace."
        )
    workspace_id = int(call.workspace.workspace_id)
    return {
        "metastore_id": "2f1e3c6a-0000-4000-8000-000000000000",
        "workspace_id": workspace_id,
        "default_catalog_name": catalog,
    }


def _default_namespace(call: ApiHandler) -> Json:
    """Return the default catalog that an administrator has set."""
    chosen = call.workspace.data.chosen_catalog
    if not chosen:
        raise PlatformError(404, "NOT_FOUND", "Setting default_namespace_ws does not exist.")
    return {"namespace": {"value": chosen}, "setting_name": "default", "etag": "1"}


def catalog_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the metastore and the default catalog."""
    assignment = r"/api/2\.1/unity-catalog/current-metastore-assignment"
    setting = r"/api/2\.0/settings/types/default_namespace_ws/names/default"
    return [
        *routes(workspace, {assignment: {"GET": _metastore_assignment}}, scope="unity-catalog"),
        *routes(workspace, {setting: {"GET": _default_namespace}}, scope="settings"),
    ]
