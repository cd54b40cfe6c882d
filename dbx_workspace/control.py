"""The control API: JSON over HTTP on a port of its own, bound to loopback, for tests and the demo.

- `GET /` → `{workspace_id, users, apps: [{name, creator, client_id, client_secret}], time}`
- `POST /tokens {user, scopes?, lifetime_seconds?, comment?}` → `{token_value, token_id}`: a sample
  PAT, minted past the rules of the token API
- `GET /tokens?principal=` → `{tokens: [{token_id, status: live|expired|revoked, created_at,
  expires_at, revoked_at, last_used_at, accepted_count, refused_count, …}]}`, dead ones too
- `POST /tokens/{id}/revoke` → the token's history
- `GET /requests?since=N&path=PREFIX` → `{requests: [{number, at, method, path, query, status,
  outcome: open|answered|client_gone|dropped, token_id, principal, model, seconds, fault, …}]}`
- `DELETE /requests` → `{}`
- `POST /faults {match, kind, method?, seconds?, status?, error_code?, message?, retry_after?,
  after_frames?, times?}` → `{fault_id}`; the kinds are in `faults.py`
- `GET /faults` → `{faults: […]}`; `DELETE /faults` and `DELETE /faults/{id}` → `{}`
- `GET /switches`, `PATCH /switches {…}` → `{tokens_disabled, token_quota, token_id_scheme:
  sha256|random, revocation_delay_seconds, gateway_present, gateway_strict, max_file_bytes}`
- `GET /app-rules`, `PATCH /app-rules {…}` → the fields of `app_service.AppRules`: how long starts
  and deployments take, with which message they fail, who may create apps and how many
- `GET /front-door`, `PATCH /front-door {…}` → the fields of `front_door_limits.FrontDoorLimits`, in
  force at every door of this workspace
- `POST /apps {name, creator}` and `PATCH /apps/{name} {creator?, get_status?, description?}` → the
  app; `get_status` 403, 404, 500 … is answered instead of its record, 0 is the record
- `POST /users {user, display_name?, is_active?}` → the user's SCIM record
- `POST /models {models: [{name, api_types, is_ready?}]}` → `{}`: serves these from now on
- `GET /files?prefix=` → `{files: [{path, object_type, size, sha256, …}]}`
- `POST /clock {advance_seconds}` → `{time}`: moves the workspace's time forward

Errors are `{"message": …}` with 400 or 404. Only `POST /tokens` and the apps' records hold secrets.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from tornado import web

from .apps.records import App
from .faults import Fault
from .models.catalog import ServedModel
from .platform_errors import PlatformError
from .rest.tokens import ALL_SCOPES, DEFAULT_LIFETIME_SECONDS
from .state import Workspace

Json = dict[str, Any]


class ControlHandler(web.RequestHandler):
    """The base: JSON in, JSON out, messages for mistakes."""

    def initialize(self, workspace: Workspace) -> None:
        """Takes the workspace under control."""
        self.workspace = workspace

    def json_body(self) -> Json:
        """The body's object."""
        body = json.loads(self.request.body or b"{}")
        if not isinstance(body, dict):
            raise TypeError("send a JSON object")
        return body

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Mistakes of the caller are not logged."""
        if not _is_mistake(value):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Says what was wrong with the call."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, PlatformError):
            self.set_status(error.status)
        elif _is_mistake(error):
            self.set_status(400)
        self.finish({"message": str(error)})


def _is_mistake(error: object) -> bool:
    return isinstance(error, (PlatformError, ValueError, TypeError, KeyError))


class OverviewHandler(ControlHandler):
    """`/`."""

    def get(self) -> None:
        """Answers with what exists."""
        workspace = self.workspace
        self.write(
            {
                "workspace_id": workspace.workspace_id,
                "users": list(workspace.users),
                "apps": [_app(app) for app in workspace.apps.all()],
                "time": workspace.clock().isoformat(),
            }
        )


class TokensHandler(ControlHandler):
    """`/tokens`."""

    def get(self) -> None:
        """Lists every token's life."""
        principal = self.get_query_argument("principal", None)
        now = self.workspace.clock()
        tokens = [
            token.history(now)
            for token in self.workspace.tokens.all()
            if principal in (None, token.principal)
        ]
        self.write({"tokens": tokens})

    def post(self) -> None:
        """Mints a sample PAT, past the rules of the token API."""
        body = self.json_body()
        user = self.workspace.add_user(body["user"])
        value, token = self.workspace.tokens.mint(
            user.user_name,
            lifetime_seconds=float(body.get("lifetime_seconds", DEFAULT_LIFETIME_SECONDS)),
            comment=str(body.get("comment", "sample")),
            scopes=body.get("scopes") or ALL_SCOPES,
        )
        self.write({"token_value": value, "token_id": token.token_id})


class RevokeHandler(ControlHandler):
    """`/tokens/{id}/revoke`."""

    def post(self, token_id: str) -> None:
        """Revokes at once."""
        token = self.workspace.tokens.revoke(token_id)
        self.write(token.history(self.workspace.clock()))


class RequestsHandler(ControlHandler):
    """`/requests`."""

    def get(self) -> None:
        """Lists what was asked of the workspace."""
        since = int(self.get_query_argument("since", "0"))
        entries = self.workspace.requests.since(since, self.get_query_argument("path", ""))
        self.write({"requests": [entry.as_json() for entry in entries]})

    def delete(self) -> None:
        """Forgets the log."""
        self.workspace.requests.clear()
        self.write({})


class FaultsHandler(ControlHandler):
    """`/faults` and `/faults/{id}`."""

    def get(self, _fault_id: str | None = None) -> None:
        """Lists the faults."""
        self.write({"faults": self.workspace.faults.listing()})

    def post(self, _fault_id: str | None = None) -> None:
        """Arms one."""
        fault = self.workspace.faults.add(Fault(**self.json_body()))
        self.write({"fault_id": fault.fault_id})

    def delete(self, fault_id: str | None = None) -> None:
        """Disarms one or all."""
        self.workspace.faults.clear(fault_id)
        self.write({})


class SwitchesHandler(ControlHandler):
    """`/switches`."""

    def get(self) -> None:
        """Answers with all switches."""
        self.write(self._values())

    def patch(self) -> None:
        """Sets the given ones; an unknown name changes nothing."""
        changes = self.json_body()
        unknown = set(changes) - set(self._values())
        if unknown:
            raise ValueError(f"unknown switches {sorted(unknown)}: use {sorted(self._values())}")
        new = {**self._values(), **changes}
        if new["token_id_scheme"] not in ("sha256", "random"):
            raise ValueError("token_id_scheme is sha256 or random")
        tokens, switches = self.workspace.tokens, self.workspace.switches
        tokens.are_disabled = bool(new["tokens_disabled"])
        tokens.quota = int(new["token_quota"])
        tokens.id_scheme = new["token_id_scheme"]
        tokens.revocation_delay_seconds = float(new["revocation_delay_seconds"])
        switches.is_gateway_present = bool(new["gateway_present"])
        switches.is_gateway_strict = bool(new["gateway_strict"])
        self.workspace.files.max_file_bytes = int(new["max_file_bytes"])
        self.write(self._values())

    def _values(self) -> Json:
        tokens, switches = self.workspace.tokens, self.workspace.switches
        return {
            "tokens_disabled": tokens.are_disabled,
            "token_quota": tokens.quota,
            "token_id_scheme": tokens.id_scheme,
            "revocation_delay_seconds": tokens.revocation_delay_seconds,
            "gateway_present": switches.is_gateway_present,
            "gateway_strict": switches.is_gateway_strict,
            "max_file_bytes": self.workspace.files.max_file_bytes,
        }


class AppsControlHandler(ControlHandler):
    """`/apps` and `/apps/{name}`."""

    def post(self, _name: str | None = None) -> None:
        """Adds an app."""
        body = self.json_body()
        self.write(_app(self.workspace.apps.add(App(body["name"], body["creator"]))))

    def patch(self, name: str | None = None) -> None:
        """Changes what the Apps API says about one."""
        app = self.workspace.apps.named(name or "")
        if app is None:
            raise KeyError(f"no app named {name}: POST /apps first")
        body = self.json_body()
        app.creator = str(body.get("creator", app.creator))
        app.description = str(body.get("description", app.description))
        app.get_status = int(body.get("get_status", app.get_status))
        self.write(_app(app))


class AppRulesHandler(ControlHandler):
    """`/app-rules`."""

    def get(self) -> None:
        """Answers with all rules."""
        self.write(asdict(self.workspace.app_service.rules))

    def patch(self) -> None:
        """Sets the given ones; an unknown name changes nothing."""
        service = self.workspace.app_service
        service.rules = replace(service.rules, **self.json_body())
        self.write(asdict(service.rules))


class FrontDoorHandler(ControlHandler):
    """`/front-door`."""

    def get(self) -> None:
        """Answers with the limits."""
        self.write(asdict(self.workspace.front_door))

    def patch(self) -> None:
        """Sets the given ones; an unknown name changes nothing."""
        limits = self.workspace.front_door
        for name, value in asdict(replace(limits, **self.json_body())).items():
            setattr(limits, name, float(value))
        self.write(asdict(limits))


class UsersHandler(ControlHandler):
    """`/users`."""

    def post(self) -> None:
        """Adds a user, or changes whether an existing one is active."""
        body = self.json_body()
        user = self.workspace.add_user(body["user"], body.get("display_name", ""))
        user.is_active = bool(body.get("is_active", user.is_active))
        self.write(user.scim())


class ModelsControlHandler(ControlHandler):
    """`/models`."""

    def post(self) -> None:
        """Replaces the served models."""
        models = [
            ServedModel(m["name"], tuple(m["api_types"]), bool(m.get("is_ready", True)))
            for m in self.json_body()["models"]
        ]
        self.workspace.models.replace(models)
        self.write({})


class FilesControlHandler(ControlHandler):
    """`/files`."""

    def get(self) -> None:
        """Lists every object with a hash of its content."""
        prefix = self.get_query_argument("prefix", "")
        nodes = [n for n in self.workspace.files.all() if n.path.startswith(prefix)]
        files = [{**n.info(), "sha256": hashlib.sha256(n.content).hexdigest()} for n in nodes]
        self.write({"files": files})


class ClockHandler(ControlHandler):
    """`/clock`."""

    def post(self) -> None:
        """Moves the workspace's time forward."""
        self.workspace.clock.advance(float(self.json_body()["advance_seconds"]))
        self.write({"time": self.workspace.clock().isoformat()})


def _app(app: App) -> Json:
    return {
        "name": app.name,
        "creator": app.creator,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "get_status": app.get_status,
    }


def control_routes(workspace: Workspace) -> list[Any]:
    """The URL map."""
    shared = {"workspace": workspace}
    return [
        (r"/", OverviewHandler, shared),
        (r"/tokens", TokensHandler, shared),
        (r"/tokens/([0-9a-f]+)/revoke", RevokeHandler, shared),
        (r"/requests", RequestsHandler, shared),
        (r"/faults(?:/([0-9a-f]+))?", FaultsHandler, shared),
        (r"/switches", SwitchesHandler, shared),
        (r"/apps(?:/([^/]+))?", AppsControlHandler, shared),
        (r"/app-rules", AppRulesHandler, shared),
        (r"/front-door", FrontDoorHandler, shared),
        (r"/users", UsersHandler, shared),
        (r"/models", ModelsControlHandler, shared),
        (r"/files", FilesControlHandler, shared),
        (r"/clock", ClockHandler, shared),
    ]
