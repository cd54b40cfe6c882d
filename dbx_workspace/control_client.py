"""A small client of the control API, for tests and the demo."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

Json = dict[str, Any]


class ControlError(Exception):
    """The control API refused a call; the text says why."""


@dataclass(frozen=True)
class SamplePat:
    """A PAT made for a test, with its value."""

    token_value: str
    token_id: str


class ControlClient:
    """Calls the control API at `url`, blocking."""

    def __init__(self, url: str, timeout_seconds: float = 10.0) -> None:
        # trust_env=False: a proxy configured for the outside has no business on loopback.
        # An empty TLS context, because loading the default one takes longer than most calls here.
        self._http = httpx.Client(
            base_url=url,
            timeout=timeout_seconds,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()

    def overview(self) -> Json:
        """The workspace's id, users, apps with their credentials, and its time."""
        return self._call("GET", "/")

    def mint(
        self,
        user: str,
        *,
        scopes: list[str] | None = None,
        lifetime_seconds: float | None = None,
        comment: str = "sample",
    ) -> SamplePat:
        """Makes a sample PAT; the user is added if new."""
        body: Json = {"user": user, "scopes": scopes, "comment": comment}
        if lifetime_seconds is not None:
            body["lifetime_seconds"] = lifetime_seconds
        return SamplePat(**self._call("POST", "/tokens", body))

    def revoke(self, token_id: str) -> Json:
        """Revokes a token from outside; answers with its history."""
        return self._call("POST", f"/tokens/{token_id}/revoke")

    def tokens(self, principal: str | None = None) -> list[Json]:
        """The life of every token, dead ones included, oldest first."""
        query = {"principal": principal} if principal else {}
        return list(self._call("GET", "/tokens", query=query)["tokens"])

    def requests(self, since: int = 0, path: str = "") -> list[Json]:
        """What was asked of the workspace after entry number `since`, below a path prefix."""
        query = {"since": since, "path": path}
        return list(self._call("GET", "/requests", query=query)["requests"])

    def clear_requests(self) -> None:
        """Forgets the request log."""
        self._call("DELETE", "/requests")

    def add_fault(self, match: str, kind: str, **options: Any) -> str:
        """Arms a fault and returns its id; options are the fields of `faults.Fault`."""
        fault = self._call("POST", "/faults", {"match": match, "kind": kind, **options})
        return str(fault["fault_id"])

    def faults(self) -> list[Json]:
        """All faults with their `used_count`."""
        return list(self._call("GET", "/faults")["faults"])

    def clear_faults(self, fault_id: str | None = None) -> None:
        """Disarms one fault or all."""
        self._call("DELETE", f"/faults/{fault_id}" if fault_id else "/faults")

    def switches(self) -> Json:
        """The workspace's switches."""
        return self._call("GET", "/switches")

    def switch(self, **changes: Any) -> Json:
        """Turns switches: `tokens_disabled`, `token_quota`, `token_id_scheme` and so on."""
        return self._call("PATCH", "/switches", changes)

    def add_app(self, name: str, creator: str) -> Json:
        """Adds an app; the answer holds its `client_id` and `client_secret`."""
        return self._call("POST", "/apps", {"name": name, "creator": creator})

    def change_app(self, name: str, **changes: Any) -> Json:
        """Changes `creator`, `description` or `get_status` of an app."""
        return self._call("PATCH", f"/apps/{name}", changes)

    def rule_apps(self, **changes: Any) -> Json:
        """Changes how apps start, deploy and may be made: the fields of `app_service.AppRules`."""
        return self._call("PATCH", "/app-rules", changes)

    def limit_front_door(self, **changes: float) -> Json:
        """Changes how long requests, streams and websockets may last, or their `scale`."""
        return self._call("PATCH", "/front-door", changes)

    def add_user(self, user: str, *, is_active: bool = True) -> Json:
        """Adds a user or changes whether one is active."""
        return self._call("POST", "/users", {"user": user, "is_active": is_active})

    def serve_models(self, models: list[Json]) -> None:
        """Serves exactly these models: `{name, api_types, is_ready?}`."""
        self._call("POST", "/models", {"models": models})

    def files(self, prefix: str = "") -> list[Json]:
        """The workspace's objects with their `sha256`."""
        return list(self._call("GET", "/files", query={"prefix": prefix})["files"])

    def advance_clock(self, seconds: float) -> None:
        """Moves the workspace's time forward: tokens expire without waiting."""
        self._call("POST", "/clock", {"advance_seconds": seconds})

    def wait_for(
        self, condition: Callable[[Self], bool], what: str, timeout_seconds: float = 10.0
    ) -> None:
        """Polls until `condition(self)` holds; raises `TimeoutError` naming `what`."""
        deadline = time.monotonic() + timeout_seconds
        while not condition(self):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the local workspace did not get to see {what}")
            time.sleep(0.02)

    def _call(self, method: str, path: str, body: Json | None = None, query: Any = None) -> Json:
        response = self._http.request(method, path, json=body, params=query)
        if response.is_error:
            raise ControlError(f"{method} {path}: {response.status_code} {response.text}")
        answer: Json = response.json()
        return answer
