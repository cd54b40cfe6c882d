"""Apps and their deployments as records."""

from __future__ import annotations

import hmac
import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ..platform_errors import PlatformError, invalid_parameter, not_found, permission_denied

ComputeState = Literal["STARTING", "ACTIVE", "STOPPING", "STOPPED", "ERROR", "DELETING"]
AppState = Literal["DEPLOYING", "RUNNING", "CRASHED", "UNAVAILABLE"]
DeploymentState = Literal["IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELLED"]

# The limit is that of the platform's own command line, the characters those of its documentation.
MAX_NAME_CHARACTERS = 30
_NAME = re.compile(rf"[a-z0-9-]{{2,{MAX_NAME_CHARACTERS}}}")


@dataclass
class Deployment:
    """One deployment of an app; ``request`` is the body of the API call."""

    creator: str
    request: dict[str, Any]
    created_at: datetime
    deployment_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: DeploymentState = "IN_PROGRESS"
    message: str = "Deployment is in progress."
    updated_at: datetime | None = None
    # The snapshot that runs: content by path below the source folder, unaffected by later changes.
    source: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def record(self) -> dict[str, object]:
        """Return the Apps API's ``AppDeployment``."""
        copied = ("source_code_path", "git_source", "command", "env_vars")
        return {
            **{name: self.request[name] for name in copied if self.request.get(name)},
            "deployment_id": self.deployment_id,
            "mode": self.request.get("mode", "SNAPSHOT"),
            "creator": self.creator,
            "create_time": _timestamp(self.created_at),
            "update_time": _timestamp(self.updated_at or self.created_at),
            "status": {"state": self.state, "message": self.message},
        }


@dataclass
class App:
    """One app; ``creator`` is an e-mail, or a UUID if a service principal deployed it."""

    name: str
    creator: str
    url: str = ""
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_secret: str = field(default_factory=lambda: "dose" + secrets.token_hex(16), repr=False)
    description: str = ""
    # The HTTP status that the Apps API returns instead of the record; 0: the record.
    get_status: int = 0
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    compute_state: ComputeState = "ACTIVE"
    compute_message: str = "App compute is running."
    app_state: AppState = "RUNNING"
    app_message: str = "App is running."
    git_repository: dict[str, Any] | None = None
    deployments: list[Deployment] = field(default_factory=list)
    active: Deployment | None = None
    deleted_at: datetime | None = None
    # Users who may deploy, start, stop and delete, apart from the creator.
    managers: set[str] = field(default_factory=set)
    # The values of its resources, such as a secret, by the key that ``valueFrom`` names.
    resource_values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def pending(self) -> Deployment | None:
        """The deployment in progress."""
        return next((d for d in self.deployments if d.state == "IN_PROGRESS"), None)

    def set_compute(self, state: ComputeState, message: str) -> None:
        """Set the state of the app's compute."""
        self.compute_state, self.compute_message = state, message

    def set_app(self, state: AppState, message: str) -> None:
        """Set the state of the app's program."""
        self.app_state, self.app_message = state, message

    def record(self) -> dict[str, object]:
        """Return the Apps API's ``App``."""
        record: dict[str, object] = {
            "name": self.name,
            "creator": self.creator,
            "updater": self.creator,
            "create_time": _timestamp(self.created_at),
            "description": self.description,
            "url": self.url,
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, self.name)),
            "service_principal_client_id": self.client_id,
            "service_principal_id": int(uuid.UUID(self.client_id)) % 10**15,
            "service_principal_name": f"app-{self.name}",
            "default_source_code_path": self._default_source_code_path(),
            "compute_size": "MEDIUM",
            "compute_status": {"state": self.compute_state, "message": self.compute_message},
            "app_status": {"state": self.app_state, "message": self.app_message},
        }
        if self.git_repository:
            record["git_repository"] = self.git_repository
        for name, deployment in (
            ("active_deployment", self.active),
            ("pending_deployment", self.pending),
        ):
            if deployment is not None:
                record[name] = deployment.record()
        return record

    def _default_source_code_path(self) -> object:
        path = self.active.request.get("source_code_path") if self.active else None
        return path or f"/Workspace/Users/{self.creator}/apps/{self.name}"


class AppRegistry:
    """The workspace's apps by name."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}

    def add(self, app: App) -> App:
        """Add an app and return it."""
        self._apps[app.name] = app
        return app

    def remove(self, name: str) -> None:
        """Remove an app, if there is one of that name."""
        self._apps.pop(name, None)

    def named(self, name: str) -> App | None:
        """Return the app of that name, or None, whatever ``get_status`` is."""
        return self._apps.get(name)

    def all(self) -> list[App]:
        """Return every app."""
        return list(self._apps.values())

    def get(self, name: str) -> App:
        """Return the app; raise ``PlatformError`` if there is none or its ``get_status`` is set."""
        app = self._apps.get(name)
        if app is None or app.get_status == 404:
            raise not_found(f"App with name {name} does not exist or is deleted.")
        if app.get_status == 403:
            raise permission_denied(f"User does not have permission to view app {name}.")
        if app.get_status:
            raise PlatformError(
                app.get_status, "INTERNAL_ERROR", "The Apps service is not available."
            )
        return app

    def by_credentials(self, client_id: str, client_secret: str) -> App | None:
        """Return the app whose service principal has these credentials, or None."""
        for app in self._apps.values():
            id_matches = hmac.compare_digest(app.client_id.encode(), client_id.encode())
            if id_matches and hmac.compare_digest(
                app.client_secret.encode(), client_secret.encode()
            ):
                return app
        return None


def require_valid_name(name: object) -> str:
    """Return the name; raise ``PlatformError`` if the platform does not allow it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid_parameter(
            f"App name {name!r} is invalid: it must have 2 to {MAX_NAME_CHARACTERS} characters and"
            " contain only lowercase alphanumeric characters and hyphens."
        )
    return name


def _timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
