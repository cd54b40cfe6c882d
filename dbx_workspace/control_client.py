"""A blocking client of the control API, for tests and the demo."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import httpx

Json = dict[str, Any]


class ControlError(Exception):
    """The control API rejected a call; the text says why."""


@dataclass(frozen=True)
class SamplePat:
    """A PAT that was minted for a test, with its value."""

    token_value: str
    token_id: str


class ControlClient(contextlib.AbstractContextManager["ControlClient"]):
    """One connection to the control API at ``url``."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        # trust_env=False: loopback is never reached through a proxy.
        # An empty TLS context, because loading the default one takes longer than most calls here.
        self._http = httpx.Client(
            base_url=url,
            timeout=timeout_seconds,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def __exit__(self, *_error: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def overview(self) -> Json:
        """Return the workspace's id, users, apps with their credentials, and time."""
        return self._call("GET", "/")

    def mint(
        self,
        user: str,
        *,
        scopes: list[str] | None = None,
        lifetime_seconds: float | None = None,
        comment: str = "sample",
    ) -> SamplePat:
        """Mint a PAT for a user, who is added if new."""
        body: Json = {"user": user, "scopes": scopes, "comment": comment}
        if lifetime_seconds is not None:
            body["lifetime_seconds"] = lifetime_seconds
        return SamplePat(**self._call("POST", "/tokens", body))

    def revoke(self, token_id: str) -> Json:
        """Revoke a token as an administrator does; return its history."""
        return self._call("POST", f"/tokens/{token_id}/revoke")

    def tokens(self, principal: str | None = None) -> list[Json]:
        """Return the history of every token, dead ones included, oldest first."""
        query = {"principal": principal} if principal else {}
        return list(self._call("GET", "/tokens", query=query)["tokens"])

    def requests(self, since: int = 0, path: str = "") -> list[Json]:
        """Return the logged requests after number ``since`` whose path starts with ``path``."""
        query = {"since": since, "path": path}
        return list(self._call("GET", "/requests", query=query)["requests"])

    def clear_requests(self) -> None:
        """Empty the request log."""
        self._call("DELETE", "/requests")

    def add_fault(self, match: str, kind: str, **options: Any) -> str:
        """Add a fault and return its id; options are the fields of ``faults.Fault``."""
        fault = self._call("POST", "/faults", {"match": match, "kind": kind, **options})
        return str(fault["fault_id"])

    def faults(self) -> list[Json]:
        """Return all faults with their ``used_count``."""
        return list(self._call("GET", "/faults")["faults"])

    def clear_faults(self, fault_id: str | None = None) -> None:
        """Remove one fault, or all."""
        self._call("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")

    def switches(self) -> Json:
        """Return the workspace's switches."""
        return self._call("GET", "/switches")

    def switch(self, **changes: Any) -> Json:
        """Set switches, such as ``tokens_disabled`` or ``token_quota``; return all of them."""
        return self._call("PATCH", "/switches", changes)

    def rule_sign_in(self, **changes: Any) -> Json:
        """Change who may sign in, and how: ``rest.oauth.SignInRules``; return all, and sessions."""
        return self._call("PATCH", "/sign-in", changes)

    def end_sign_ins(self) -> None:
        """End every OAuth session, as an administrator does."""
        self._call("DELETE", "/sign-in")

    def add_oauth_client(self, client_id: str, redirect_urls: list[str]) -> None:
        """Register a public OAuth client, or change its redirects."""
        body = {"client_id": client_id, "redirect_urls": redirect_urls}
        self._call("POST", "/oauth-clients", body)

    def add_app(self, name: str, creator: str) -> Json:
        """Add an app; return it with its ``client_id`` and ``client_secret``."""
        return self._call("POST", "/apps", {"name": name, "creator": creator})

    def change_app(self, name: str, **changes: Any) -> Json:
        """Change ``creator``, ``description`` or ``get_status`` of an app; return it."""
        return self._call("PATCH", f"/apps/{name}", changes)

    def rule_apps(self, **changes: Any) -> Json:
        """Change how apps are created and deployed: the fields of ``apps.service.AppRules``."""
        return self._call("PATCH", "/app-rules", changes)

    def rule_models(self, changes: dict[str, bool] | None = None) -> Json:
        """Switch rules of ``models.rules`` on or off by name, all with ``*``; return all."""
        return self._call("PATCH", "/model-rules", changes or {})

    def rule_mcp(self, **changes: Any) -> Json:
        """Change the fields of ``mcp.state.McpSwitches``; return all of them."""
        return self._call("PATCH", "/mcp", changes)

    def restart_mcp(self) -> None:
        """Have the MCP servers forget their sessions."""
        self._call("DELETE", "/mcp")

    def limit_front_door(self, **changes: float) -> Json:
        """Change the fields of ``front_door.rules.FrontDoorLimits``; return all of them."""
        return self._call("PATCH", "/front-door", changes)

    def add_user(self, user: str, *, is_active: bool = True) -> Json:
        """Add a user, or change whether one is active; return the SCIM record."""
        return self._call("POST", "/users", {"user": user, "is_active": is_active})

    def serve_models(self, models: list[Json]) -> None:
        """Replace the served models; each is ``{name, api_types, is_ready?}``."""
        self._call("POST", "/models", {"models": models})

    def files(self, prefix: str = "") -> list[Json]:
        """Return the workspace's objects below a path prefix, with their ``sha256``."""
        return list(self._call("GET", "/files", query={"prefix": prefix})["files"])

    def advance_clock(self, seconds: float) -> None:
        """Move the workspace's clock forward, so that tokens expire without waiting."""
        self._call("POST", "/clock", {"advance_seconds": seconds})

    def wait_for(
        self, condition: Callable[[Self], bool], what: str, timeout_seconds: float = 10.0
    ) -> None:
        """Poll until ``condition(self)`` holds; raise ``TimeoutError`` that names ``what``."""
        deadline = time.monotonic() + timeout_seconds
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the local workspace did not see {what} in time")
            time.sleep(0.02)

    def _call(self, method: str, path: str, body: Json | None = None, query: Any = None) -> Json:
        response = self._http.request(method, path, json=body, params=query)
        if response.is_error:
            raise ControlError(f"{method} {path}: {response.status_code} {response.text}")
        result: Json = response.json()
        return result
