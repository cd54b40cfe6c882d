"""The control API: JSON over HTTP on a loopback port of its own, for tests and the demo.

- ``GET /`` → ``{workspace_id, users, apps: [{name, creator, client_id, client_secret}], time}``
- ``POST /tokens {user, scopes?, lifetime_seconds?, comment?}`` → ``{token_value, token_id}``: mint
  a sample PAT without the token API's checks
- ``GET /tokens?principal=`` → ``{tokens: [{token_id, status: live|expired|revoked, created_at,
  expires_at, revoked_at, last_used_at, accepted_count, refused_count, …}]}``, dead ones included
- ``POST /tokens/{id}/revoke`` → the token's history
- ``GET /requests?since=N&path=PREFIX`` → ``{requests: [{number, at, method, path, query, status,
  outcome: open|answered|client_gone|dropped, token_id, principal, model, seconds, fault, rule,
  pictures, cache_marks, tool, …}]}``
- ``DELETE /requests`` → ``{}``
- ``POST /faults {match, kind, method?, seconds?, status?, error_code?, message?, retry_after?,
  after_frames?, times?}`` → ``{fault_id}``; ``faults.Fault`` describes the kinds
- ``GET /faults`` → ``{faults: […]}``; ``DELETE /faults`` and ``DELETE /faults/{id}`` → ``{}``
- ``GET /switches``, ``PATCH /switches {…}`` → ``{tokens_disabled, token_quota, token_id_scheme:
  sha256|random, revocation_delay_seconds, gateway_present, largest_page,
  rules_seed (0: no rules by chance), output_tokens_per_minute (0: no limit), max_file_bytes}``
- ``GET /sign-in``, ``PATCH /sign-in {…}`` → the fields of ``rest.oauth.SignInRules`` and
  ``sessions``: what users have allowed; ``DELETE /sign-in`` → ``{}``: end all sessions
- ``POST /oauth-clients {client_id, redirect_urls}`` → ``{}``: register a public client
- ``GET /model-rules``, ``PATCH /model-rules {name: on?, "*": on?}`` → ``{name: {on, source}}``:
  what is refused of model calls; a refused request has the rule's name in the log
- ``GET /mcp``, ``PATCH /mcp {…}`` → the fields of ``mcp.state.McpSwitches``; ``DELETE /mcp`` →
  ``{}``: restart the MCP servers, which forget their sessions
- ``GET /app-rules``, ``PATCH /app-rules {…}`` → the fields of ``apps.service.AppRules``
- ``GET /front-door``, ``PATCH /front-door {…}`` → the fields of ``rules.FrontDoorLimits``
- ``POST /apps {name, creator}``, ``PATCH /apps/{name} {creator?, get_status?, description?}`` → the
  app; the Apps API returns the status ``get_status`` instead of its record, unless it is 0
- ``POST /users {user, display_name?, is_active?}`` → the user's SCIM record
- ``POST /models {models: [{name, api_types, is_ready?}]}`` → ``{}``: replace the served models
- ``GET /files?prefix=`` → ``{files: [{path, object_type, size, sha256, …}]}``
- ``POST /clock {advance_seconds}`` → ``{time}``: move the workspace's clock forward

Errors are ``{"message": …}`` with 400 or 404. Only ``POST /tokens`` and apps' records hold secrets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from tornado import web

from .apps.records import App
from .faults import Fault
from .models.catalog import ServedModel
from .platform_errors import PlatformError
from .rest.tokens import ALL_SCOPES, DEFAULT_LIFETIME_SECONDS
from .state import Workspace
from .web import Json, Operation, Operations, Route


class ControlHandler(web.RequestHandler):
    """One path of the control API: an operation per method."""

    def initialize(self, workspace: Workspace, operations: Mapping[str, Operation]) -> None:
        """Store the workspace and the operations of this path by method."""
        self.workspace, self._operations = workspace, operations

    def get(self, *arguments: str) -> None:
        """Run the method's operation and reply with what it returns."""
        operation = self._operations.get(self.request.method or "")
        if operation is None:
            raise web.HTTPError(405)
        self.write(operation(self, *arguments))

    post = patch = delete = get

    def json_body(self) -> dict[str, Any]:
        """Return the request's JSON object; raise ``TypeError`` for other JSON."""
        body = json.loads(self.request.body or b"{}")
        if not isinstance(body, dict):
            raise TypeError("send a JSON object")
        return body

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log a handler's failure, but not a caller's mistake."""
        if not _is_mistake(value):
            super().log_exception(typ, value, tb)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Reply with the error's message; a caller's mistake is a 400."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, PlatformError):
            self.set_status(error.status)
        elif _is_mistake(error):
            self.set_status(400)
        self.finish({"message": str(error)})


def _is_mistake(error: object) -> bool:
    return isinstance(error, (PlatformError, ValueError, TypeError, KeyError))


def _overview(call: ControlHandler) -> Json:
    workspace = call.workspace
    return {
        "workspace_id": workspace.workspace_id,
        "users": list(workspace.users),
        "apps": [_app(app) for app in workspace.apps.all()],
        "time": workspace.clock().isoformat(),
    }


def _tokens(call: ControlHandler) -> Json:
    principal = call.get_query_argument("principal", None)
    now, tokens = call.workspace.clock(), call.workspace.tokens.all()
    return {"tokens": [t.history(now) for t in tokens if principal in (None, t.principal)]}


def _mint(call: ControlHandler) -> Json:
    """Mint a sample PAT without the token API's checks."""
    body = call.json_body()
    user = call.workspace.add_user(body["user"])
    value, token = call.workspace.tokens.mint(
        user.user_name,
        lifetime_seconds=float(body.get("lifetime_seconds", DEFAULT_LIFETIME_SECONDS)),
        comment=str(body.get("comment", "sample")),
        scopes=body.get("scopes") or ALL_SCOPES,
    )
    return {"token_value": value, "token_id": token.token_id}


def _revoke(call: ControlHandler, token_id: str) -> Json:
    return call.workspace.tokens.revoke(token_id).history(call.workspace.clock())


def _requests(call: ControlHandler) -> Json:
    since = int(call.get_query_argument("since", "0"))
    entries = call.workspace.requests.since(since, call.get_query_argument("path", ""))
    return {"requests": [entry.as_json() for entry in entries]}


def _clear_requests(call: ControlHandler) -> Json:
    call.workspace.requests.clear()
    return {}


def _faults(call: ControlHandler, _fault_id: str | None = None) -> Json:
    return {"faults": call.workspace.faults.listing()}


def _add_fault(call: ControlHandler, _fault_id: str | None = None) -> Json:
    return {"fault_id": call.workspace.faults.add(Fault(**call.json_body())).fault_id}


def _clear_faults(call: ControlHandler, fault_id: str | None = None) -> Json:
    """Remove one fault, or all."""
    call.workspace.faults.clear(fault_id)
    return {}


def _switches(call: ControlHandler) -> Json:
    tokens, switches = call.workspace.tokens, call.workspace.switches
    return {
        "tokens_disabled": tokens.are_disabled,
        "token_quota": tokens.quota,
        "token_id_scheme": tokens.id_scheme,
        "revocation_delay_seconds": tokens.revocation_delay_seconds,
        "gateway_present": switches.is_gateway_present,
        "largest_page": switches.largest_page,
        "rules_seed": call.workspace.model_rules.seed,
        "output_tokens_per_minute": call.workspace.output_budget.tokens_per_minute,
        "max_file_bytes": call.workspace.files.max_file_bytes,
    }


def _set_switches(call: ControlHandler) -> Json:
    """Set the given switches; an unknown name changes nothing."""
    changes, values = call.json_body(), _switches(call)
    unknown = set(changes) - set(values)
    if unknown:
        raise ValueError(f"unknown switches {sorted(unknown)}: use {sorted(values)}")
    new = {**values, **changes}
    if new["token_id_scheme"] not in ("sha256", "random"):
        raise ValueError("set token_id_scheme to sha256 or random")
    tokens, switches = call.workspace.tokens, call.workspace.switches
    tokens.are_disabled = bool(new["tokens_disabled"])
    tokens.quota = int(new["token_quota"])
    tokens.id_scheme = new["token_id_scheme"]
    tokens.revocation_delay_seconds = float(new["revocation_delay_seconds"])
    switches.is_gateway_present = bool(new["gateway_present"])
    switches.largest_page = int(new["largest_page"])
    call.workspace.model_rules.seed = int(new["rules_seed"])
    call.workspace.output_budget.tokens_per_minute = int(new["output_tokens_per_minute"])
    call.workspace.files.max_file_bytes = int(new["max_file_bytes"])
    return _switches(call)


def _add_app(call: ControlHandler, _name: str | None = None) -> Json:
    body = call.json_body()
    return _app(call.workspace.apps.add(App(body["name"], body["creator"])))


def _change_app(call: ControlHandler, name: str | None = None) -> Json:
    """Change what the Apps API returns for an app."""
    app = call.workspace.apps.named(name or "")
    if app is None:
        raise KeyError(f"no app named {name}: POST /apps first")
    body = call.json_body()
    app.creator = str(body.get("creator", app.creator))
    app.description = str(body.get("description", app.description))
    app.get_status = int(body.get("get_status", app.get_status))
    return _app(app)


def _model_rules(call: ControlHandler) -> Json:
    return call.workspace.model_rules.listing()


def _set_model_rules(call: ControlHandler) -> Json:
    """Switch rules by name, or all with ``*``; an unknown name changes nothing."""
    call.workspace.model_rules.switch(call.json_body())
    return call.workspace.model_rules.listing()


def _mcp(call: ControlHandler) -> Json:
    return asdict(call.workspace.mcp.switches)


def _set_mcp(call: ControlHandler) -> Json:
    """Set the given switches; an unknown name changes nothing."""
    mcp = call.workspace.mcp
    mcp.change(**call.json_body())
    return _mcp(call)


def _restart_mcp(call: ControlHandler) -> Json:
    call.workspace.mcp.restart()
    return {}


def _app_rules(call: ControlHandler) -> Json:
    return asdict(call.workspace.app_service.rules)


def _set_app_rules(call: ControlHandler) -> Json:
    """Set the given rules; an unknown name changes nothing."""
    service = call.workspace.app_service
    service.rules = replace(service.rules, **call.json_body())
    return asdict(service.rules)


def _sign_in(call: ControlHandler) -> Json:
    server = call.workspace.sign_in
    return {**asdict(server.rules), "sessions": server.sessions()}


def _set_sign_in(call: ControlHandler) -> Json:
    """Set the given rules of signing in; an unknown name changes nothing."""
    server = call.workspace.sign_in
    server.rules = replace(server.rules, **call.json_body())
    return _sign_in(call)


def _end_sign_ins(call: ControlHandler) -> Json:
    call.workspace.sign_in.end_sessions()
    return {}


def _add_oauth_client(call: ControlHandler) -> Json:
    body = call.json_body()
    redirects = tuple(str(each) for each in body["redirect_urls"])
    call.workspace.sign_in.clients[str(body["client_id"])] = redirects
    return {}


def _front_door(call: ControlHandler) -> Json:
    return asdict(call.workspace.front_door)


def _set_front_door(call: ControlHandler) -> Json:
    """Set the given limits; an unknown name changes nothing."""
    limits = call.workspace.front_door
    for name, value in asdict(replace(limits, **call.json_body())).items():
        setattr(limits, name, float(value))
    return asdict(limits)


def _add_user(call: ControlHandler) -> Json:
    """Add a user, or change whether an existing one is active."""
    body = call.json_body()
    user = call.workspace.add_user(body["user"], body.get("display_name", ""))
    user.is_active = bool(body.get("is_active", user.is_active))
    return user.scim()


def _serve_models(call: ControlHandler) -> Json:
    call.workspace.models.replace(
        [
            ServedModel(m["name"], tuple(m["api_types"]), bool(m.get("is_ready", True)))
            for m in call.json_body()["models"]
        ]
    )
    return {}


def _files(call: ControlHandler) -> Json:
    """Return the objects below a prefix, each with a hash of its content."""
    prefix = call.get_query_argument("prefix", "")
    nodes = [n for n in call.workspace.files.all() if n.path.startswith(prefix)]
    return {"files": [{**n.info(), "sha256": hashlib.sha256(n.content).hexdigest()} for n in nodes]}


def _advance_clock(call: ControlHandler) -> Json:
    call.workspace.clock.advance(float(call.json_body()["advance_seconds"]))
    return {"time": call.workspace.clock().isoformat()}


OPERATIONS: Operations = {
    r"/": {"GET": _overview},
    r"/tokens": {"GET": _tokens, "POST": _mint},
    r"/tokens/([0-9a-f]+)/revoke": {"POST": _revoke},
    r"/requests": {"GET": _requests, "DELETE": _clear_requests},
    r"/faults(?:/([0-9a-f]+))?": {"GET": _faults, "POST": _add_fault, "DELETE": _clear_faults},
    r"/switches": {"GET": _switches, "PATCH": _set_switches},
    r"/apps(?:/([^/]+))?": {"POST": _add_app, "PATCH": _change_app},
    r"/sign-in": {"GET": _sign_in, "PATCH": _set_sign_in, "DELETE": _end_sign_ins},
    r"/oauth-clients": {"POST": _add_oauth_client},
    r"/model-rules": {"GET": _model_rules, "PATCH": _set_model_rules},
    r"/mcp": {"GET": _mcp, "PATCH": _set_mcp, "DELETE": _restart_mcp},
    r"/app-rules": {"GET": _app_rules, "PATCH": _set_app_rules},
    r"/front-door": {"GET": _front_door, "PATCH": _set_front_door},
    r"/users": {"POST": _add_user},
    r"/models": {"POST": _serve_models},
    r"/files": {"GET": _files},
    r"/clock": {"POST": _advance_clock},
}


def _app(app: App) -> Json:
    return {
        "name": app.name,
        "creator": app.creator,
        "client_id": app.client_id,
        "client_secret": app.client_secret,
        "get_status": app.get_status,
    }


def control_routes(workspace: Workspace) -> list[Route]:
    """Return the URL map of the control API."""
    return [
        (path, ControlHandler, {"workspace": workspace, "operations": operations})
        for path, operations in OPERATIONS.items()
    ]
