"""All state of the local workspace in one object, without HTTP."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from .apps.records import AppRegistry
from .apps.service import AppService
from .clock import AdjustableClock
from .faults import FaultRegistry
from .front_door.rules import FrontDoorLimits
from .mcp.state import McpState
from .models.catalog import ModelCatalog
from .models.rules import OutputBudget, RuleBook
from .request_log import RequestLog
from .rest.files import WorkspaceTree
from .rest.mlflow import TraceStore
from .rest.oauth import AuthorizationServer
from .rest.tokens import TokenStore

DEFAULT_WORKSPACE_ID = "1234567890123456"


@dataclass
class User:
    """A user of the workspace; ``user_name`` is the login name.

    That is the ``email`` address, too, except for a guest.
    """

    user_name: str
    display_name: str = ""
    is_active: bool = True
    email: str = ""
    user_id: str = field(default_factory=lambda: str(uuid.uuid4().int % 10**16))

    def scim(self) -> dict[str, object]:
        """Return the SCIM ``Me`` record."""
        return {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": self.user_id,
            "userName": self.user_name,
            "displayName": self.display_name or self.user_name.split("@")[0],
            "active": self.is_active,
            "emails": [{"type": "work", "value": self.email or self.user_name, "primary": True}],
            "groups": [{"display": "users", "type": "direct", "value": "1001"}],
        }


@dataclass
class Switches:
    """Properties of the workspace that tests change."""

    is_gateway_present: bool = True
    # A longer page of models is cancelled (499).
    largest_page: int = 100


@dataclass
class Data:
    """The data and compute that the workspace has; none of its own.

    ``warehouses`` are records as the SQL Warehouses API returns them; ``chosen_catalog`` is the
    default catalog that an administrator has set.  ``lake`` is what has the data, if something
    does (see ``lake``, which knows this module).
    """

    warehouses: list[dict[str, object]] = field(default_factory=list)
    default_catalog: str = ""
    chosen_catalog: str = ""
    lake: object | None = None


class Workspace:
    """One workspace: users, tokens, apps, files, models, faults and the request log."""

    def __init__(
        self, clock: AdjustableClock | None = None, workspace_id: str = DEFAULT_WORKSPACE_ID
    ) -> None:
        self.clock = clock or AdjustableClock()
        self.workspace_id = workspace_id
        self.users: dict[str, User] = {}
        self.tokens = TokenStore(self.clock)
        self.sign_in = AuthorizationServer(self.clock, self.tokens)
        self.files = WorkspaceTree(self.clock)
        self.apps = AppRegistry()
        self.app_service = AppService(self.apps, self.files, self.clock, workspace_id)
        self.models = ModelCatalog()
        self.model_rules = RuleBook()
        self.output_budget = OutputBudget(self.clock)
        self.traces = TraceStore()
        self.mcp = McpState()
        self.faults = FaultRegistry()
        self.requests = RequestLog()
        self.switches = Switches()
        self.data = Data()
        self.front_door = FrontDoorLimits()

    def add_user(self, user_name: str, display_name: str = "", *, is_active: bool = True) -> User:
        """Add a user with a home directory, or return the existing one."""
        user = self.users.get(user_name)
        if user is None:
            user = self.users[user_name] = User(user_name, display_name, is_active)
            self.files.add_home(user_name)
        return user
