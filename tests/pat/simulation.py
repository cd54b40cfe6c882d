"""A workspace's token API without a socket, in a loop whose time passes as fast as it can.

The token store is the local workspace's own; what is simulated is what goes wrong: lists of lagging
replicas, servers that do not know a token yet, and every fault of every call.
"""

import asyncio
import functools
import json
import random
import selectors
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import httpx

from dbx_workspace.platform_errors import PlatformError, invalid_access_token
from dbx_workspace.rest.oauth import AuthorizationRequest, AuthorizationServer, OAuthError
from dbx_workspace.rest.tokens import Token, TokenStore
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOST = "https://workspace.example.com"
Headers = Mapping[str, str]
FAULTS = ("down", "lost", "busy", "broken", "dead", "forbidden", "odd", "hang", "late", "bug")


class WarpLoop(asyncio.SelectorEventLoop):
    """A loop without input or output, in which waiting takes no time."""

    def __init__(self) -> None:
        self._warped_seconds = 0.0
        selector = selectors.SelectSelector()
        select = selector.select

        def warp(timeout: float | None = None) -> Any:
            if timeout is None:
                raise RuntimeError("everybody waits for ever")
            self._warped_seconds += max(timeout, 0.0)
            return select(0)

        selector.select = warp  # type: ignore[method-assign]
        super().__init__(selector)

    def time(self) -> float:
        """Return the virtual seconds since the loop began."""
        return self._warped_seconds


class SimulatedClock:
    """A clock on the loop's time; ``slept_seconds`` are those that its timers did not count."""

    def __init__(self) -> None:
        self.slept_seconds = 0.0
        self.wall_offset_seconds = 0.0

    def now(self) -> datetime:
        return T0 + timedelta(seconds=asyncio.get_running_loop().time() + self.slept_seconds)

    def to_unix(self, instant: datetime) -> float:
        return instant.timestamp() + self.wall_offset_seconds

    async def wait(self, wake: asyncio.Event, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await wake.wait()
        except TimeoutError:
            return
        wake.clear()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Call(NamedTuple):
    """What a call sends."""

    path: str
    token: str
    content: Mapping[str, Any]


class SimulatedClient:
    """What takes the place of httpx's client, which takes most of the time of a history."""

    def __init__(self, answer: Callable[[Call], Awaitable[tuple[int, bytes, Headers]]]) -> None:
        self._answer = answer

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Headers | None = None,
        json: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        token = (headers or {}).get("Authorization", "").removeprefix("Bearer ")
        path = path.removeprefix(HOST)
        status, content, found = await self._answer(Call(path, token, json or data or {}))
        request = _request(method, path)
        return httpx.Response(status, content=content, headers=found, request=request)


@functools.cache
def _request(method: str, path: str) -> httpx.Request:
    return httpx.Request(method, f"{HOST}{path}")


class SimulatedWorkspace:
    """The token API for ``owner``, with faults at a probability of ``fault_rate`` a call.

    ``is_honest`` lists have the older token if they have the younger one, as replicas do; others
    lack any entries.
    """

    def __init__(self, chance: random.Random, clock: SimulatedClock, owner: str) -> None:
        self._chance, self._clock, self._owner = chance, clock, owner
        self.tokens = TokenStore(clock.now)
        self.sign_in = AuthorizationServer(clock.now, self.tokens)
        self.ended_on_request: set[str] = set()  # ids of the access tokens of revoked sessions
        self.fault_rate = 0.0
        self.list_lag_seconds = 0.0
        self.new_token_lag_seconds = 0.0
        self.is_honest = True
        self.odd_rate = 0.05
        self.on_create: Callable[[], None] = lambda: None

    def api(self) -> WorkspaceApi:
        """Return the product's client of this workspace."""
        api = WorkspaceApi(HOST)
        api._client = SimulatedClient(self._answer)  # type: ignore[assignment]
        return api

    def of(self, secret: Secret) -> Token:
        """Return the record of a token."""
        token_id = self.tokens.id_of(secret.reveal())
        return next(t for t in self.tokens.all() if t.token_id == token_id)

    def consent(self, address: str) -> str:
        """Return the address where the browser ends after the owner has allowed a sign-in."""
        given = dict(parse_qsl(urlsplit(address).query))
        names = ("client_id", "redirect_uri", "scope", "state")
        client_id, redirect, scope, state = (given[name] for name in names)
        challenge = (given["code_challenge"], given["code_challenge_method"])
        asked = AuthorizationRequest(client_id, redirect, tuple(scope.split()), state, *challenge)
        return f"{redirect}/?code={self.sign_in.allow(asked, self._owner)}&state={state}"

    async def _answer(self, call: Call) -> tuple[int, bytes, Headers]:
        await asyncio.sleep(self._chance.choice((0, 0, 0.05)))
        fault = ""
        if self._chance.random() < self.fault_rate:
            fault = self._chance.choice(FAULTS)
        if call.path.endswith("/create"):
            self.on_create()
        await self._fail_before(fault)
        try:
            status, body, headers = 200, self._act(call, fault), {}
        except PlatformError as error:
            status, body, headers = error.status, error.body(), error.headers
        except OAuthError as error:
            status, body, headers = error.status, error.body(), {}
        if fault in ("lost", "late"):
            await asyncio.sleep(15 if fault == "late" else 0)
            raise httpx.ReadError("")
        content = b"<html>" if fault == "odd" else json.dumps(body).encode()
        return status, content, headers

    async def _fail_before(self, fault: str) -> None:
        if fault == "down":
            raise httpx.ConnectError("")
        if fault == "hang":
            await asyncio.sleep(15)
            raise httpx.ReadTimeout("")
        if fault == "bug":
            raise RuntimeError("a fault of our own")

    def _act(self, call: Call, fault: str) -> Any:
        if fault == "busy":
            raise PlatformError(429, "REQUEST_LIMIT_EXCEEDED", "Busy.", {"Retry-After": "40"})
        if fault == "broken":
            raise PlatformError(503, "TEMPORARILY_UNAVAILABLE", "Broken.")
        if fault == "forbidden":
            raise PlatformError(403, "PERMISSION_DENIED", "Blocked by an access list.")
        if call.path.startswith("/oidc/"):
            return self._authorize(call)
        token = self.tokens.authenticate(call.token)
        is_new = token is not None and self._age(token) < self.new_token_lag_seconds
        if token is None or fault == "dead" or (is_new and self._chance.random() < 0.5):
            raise invalid_access_token()
        body = call.content
        match call.path.rpartition("/")[2]:
            case "Me":
                return {"userName": token.principal, "active": True}
            case "list":
                return {"token_infos": self._list(token.principal)}
            case "create":
                value, made = self.tokens.create(
                    token,
                    lifetime_seconds=body["lifetime_seconds"],
                    comment=body["comment"],
                    scopes=body.get("scopes") or ["all-apis"],
                )
                return {"token_value": value, "token_info": made.public_info()}
            case _:
                self.tokens.delete(token.principal, body["token_id"])
                return {}

    def _authorize(self, call: Call) -> Any:
        """Do what the authorization server does."""
        form = call.content
        match call.path.rpartition("/")[2], form.get("grant_type"):
            case "token", "authorization_code":
                names = ("code", "client_id", "redirect_uri", "code_verifier")
                return self.sign_in.exchange(*(form[name] for name in names)).body()
            case "token", _:
                return self.sign_in.refresh(form["refresh_token"], form["client_id"]).body()
            case "revoke", _:
                accepted = {t.token_id for t in self.tokens.all() if t.revoked_at is None}
                self.sign_in.revoke(form["token"])
                revoked = {t.token_id for t in self.tokens.all() if t.revoked_at is not None}
                self.ended_on_request |= accepted & revoked
                return {}
        return {
            "issuer": f"{HOST}/oidc",
            "authorization_endpoint": f"{HOST}/oidc/v1/authorize",
            "token_endpoint": f"{HOST}/oidc/v1/token",
            "revocation_endpoint": f"{HOST}/oidc/v1/revoke",
            "code_challenge_methods_supported": ["S256"],
        }

    def _age(self, token: Token) -> float:
        return (self._clock.now() - token.created_at).total_seconds()

    def _list(self, principal: str) -> list[Any]:
        """Return the tokens as a replica knows them, in any order, some in odd form."""
        at = self._clock.now() - timedelta(seconds=self._chance.uniform(0, self.list_lag_seconds))
        known = [
            token
            for token in self.tokens.all()
            if token.principal == principal
            and token.created_at <= at < token.expires_at
            and (token.revoked_at is None or at < token.revoked_at)
        ]
        if not self.is_honest:
            known = [token for token in known if self._chance.random() < 0.7]
        entries: list[Any] = [token.public_info() for token in known]
        self._chance.shuffle(entries)
        for number, entry in enumerate(entries):
            if self._chance.random() < self.odd_rate:
                entries[number] = self._odd(entry)
        return entries

    def _odd(self, entry: dict[str, Any]) -> Any:
        return self._chance.choice(
            (
                None,
                "?",
                {},
                {**entry, "creation_time": 10**19},
                {**entry, "expiry_time": "soon", "comment": None},
                {key: value for key, value in entry.items() if key != "token_id"},
            )
        )
