"""Databricks Apps and their service principals."""

from __future__ import annotations

import hmac
import secrets
import uuid
from dataclasses import dataclass, field

from jupyter_dbx_agents.emulator.platform_errors import PlatformError, not_found, permission_denied


@dataclass
class App:
    """One app; `creator` is an e-mail, or a UUID if a service principal deployed it."""

    name: str
    creator: str
    url: str = ""
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_secret: str = field(default_factory=lambda: "dose" + secrets.token_hex(16), repr=False)
    description: str = ""
    # The HTTP status with which the Apps API answers instead of the record; 0 means the record.
    get_status: int = 0

    def record(self) -> dict[str, object]:
        """The Apps API's answer."""
        return {
            "name": self.name,
            "creator": self.creator,
            "updater": self.creator,
            "description": self.description,
            "url": self.url,
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, self.name)),
            "service_principal_client_id": self.client_id,
            "service_principal_id": int(uuid.UUID(self.client_id)) % 10**15,
            "service_principal_name": f"app-{self.name}",
            "default_source_code_path": f"/Workspace/Users/{self.creator}/apps/{self.name}",
            "compute_size": "MEDIUM",
            "compute_status": {"state": "ACTIVE", "message": "App compute is running."},
            "app_status": {"state": "RUNNING", "message": "App is running."},
        }


class AppRegistry:
    """The workspace's apps by name."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}

    def add(self, app: App) -> App:
        """Registers an app."""
        self._apps[app.name] = app
        return app

    def named(self, name: str) -> App | None:
        """The app, as its own settings have it."""
        return self._apps.get(name)

    def all(self) -> list[App]:
        """Every app."""
        return list(self._apps.values())

    def get(self, name: str) -> dict[str, object]:
        """`GET /api/2.0/apps/{name}`, or what has been set in its place."""
        app = self._apps.get(name)
        if app is None or app.get_status == 404:
            raise not_found(f"App with name {name} does not exist or is deleted.")
        if app.get_status == 403:
            raise permission_denied(f"User does not have permission to view app {name}.")
        if app.get_status:
            raise PlatformError(
                app.get_status, "INTERNAL_ERROR", "The Apps service is not available."
            )
        return app.record()

    def by_client(self, client_id: str, client_secret: str) -> App | None:
        """The app whose service principal has these credentials."""
        for app in self._apps.values():
            id_matches = hmac.compare_digest(app.client_id.encode(), client_id.encode())
            if id_matches and hmac.compare_digest(
                app.client_secret.encode(), client_secret.encode()
            ):
                return app
        return None
