"""The workspace's REST API over plain HTTP: users, tokens, the app's creator.

Without the SDK, whose default credential chain must never answer for a pasted token.
See docs/decisions/0010-no-sdk-in-the-server.md

Sources of protocol facts: the Token, SCIM and Apps APIs as published, and the SDK's source.
"""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx

from .addresses import is_on_this_machine, normalise_email
from .errors import (
    TokenRefusedError,
    WorkspaceError,
    WorkspacePermissionError,
    WorkspaceUnavailableError,
)
from .secret import Secret

REQUEST_TIMEOUT_SECONDS = 15.0  # between two bytes (httpx's read timeout)
# A reply that trickles in never times out between two bytes; the calls here are small.
TOTAL_TIMEOUT_SECONDS = 30.0
# The same for a call of any size, such as a file's upload.
LONGEST_CALL_SECONDS = 600.0
# The scope of a token without restriction.
ALL_SCOPES = "all-apis"
# The sentences for a token that is not accepted, in full: "invalid token" may also occur in a
# complaint about a prompt or a file.  The platform's (403, with a numeric error_code, as missing
# permissions have) and the AI Gateway's (400, or 403).
TOKEN_REFUSALS = re.compile(
    r"invalid (access )?token[.!]?(\s*\[ReqId: [^\]]*\])?[.!]?"
    r"|(the )?(access )?token (is|has) (expired|been revoked|invalid|not valid)[.!]?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class WorkspaceUser:
    """Who a token acts as; ``user_name`` is the login name (a UUID for a service principal).

    A guest's login name is not their e-mail address: ``addresses`` are all names of the person, in
    the form in which addresses are compared.
    """

    user_name: str
    active: bool
    emails: frozenset[str] = frozenset()

    @property
    def addresses(self) -> frozenset[str]:
        """The login name and the e-mail addresses."""
        return self.emails | {self.user_name}


@dataclass(frozen=True)
class TokenInfo:
    """One token of the user, without its value.

    ``expires_at`` is None for no expiry, and ``scopes`` is None for a token without restriction.
    What an entry of a list lacks, or has in an odd form, is '' or None: an entry that cannot be
    read is a token all the same.
    """

    token_id: str
    comment: str
    created_at: datetime | None
    expires_at: datetime | None
    scopes: frozenset[str] | None = None


@dataclass(frozen=True)
class MintedToken:
    """A token just created, with its value."""

    value: Secret
    info: TokenInfo


class WorkspaceApi:
    """Calls to one workspace; every method may raise a WorkspaceError.

    ``host`` is an origin such as ``https://adb-1.azuredatabricks.net``.
    """

    def __init__(self, host: str, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self.host = host
        # trust_env: a corporate proxy applies, but not to this machine, where it would only see the
        # token; the environment's CA bundle always does.  Redirects never carry a token away.
        self._client = httpx.AsyncClient(
            base_url=host,
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=not is_on_this_machine(host),
            verify=httpx.create_ssl_context(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def me(self, token: Secret) -> WorkspaceUser:
        """Return the token's user (SCIM ``Me``)."""
        body = _json_object(await self._send("GET", "/api/2.0/preview/scim/v2/Me", token))
        return WorkspaceUser(
            user_name=str(body.get("userName", "")).lower(),
            active=body.get("active", True) is not False,
            emails=_emails(body.get("emails")),
        )

    async def create_token(
        self,
        token: Secret,
        *,
        lifetime_seconds: int,
        comment: str,
        scopes: frozenset[str] | None = None,
    ) -> MintedToken:
        """Create a token of the same user; with ``scopes`` None it is not restricted."""
        payload: dict[str, Any] = {"lifetime_seconds": lifetime_seconds, "comment": comment}
        if scopes is not None:
            payload["scopes"] = sorted(scopes)
        body = _json_object(await self._send("POST", "/api/2.0/token/create", token, payload))
        with _as_documented("/api/2.0/token/create"):
            value, info = str(body["token_value"]), _token_info(body["token_info"])
            if not info.token_id:
                raise ValueError("no token_id")
            return MintedToken(Secret(value), info)

    async def list_tokens(self, token: Secret) -> list[TokenInfo]:
        """List the user's own valid tokens in this workspace."""
        body = _json_object(await self._send("GET", "/api/2.0/token/list", token))
        with _as_documented("/api/2.0/token/list"):
            return [_token_info(info) for info in body.get("token_infos") or []]

    async def delete_token(self, token: Secret, token_id: str) -> None:
        """Revoke one token; one that does not exist any more counts as revoked."""
        try:
            await self._send("POST", "/api/2.0/token/delete", token, {"token_id": token_id})
        except WorkspaceError as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    async def get_json(self, path: str, token: Secret) -> dict[str, Any]:
        """GET any JSON object of the workspace."""
        return _json_object(await self._send("GET", path, token))

    async def app_creator(self, app_name: str, client_id: str, client_secret: Secret) -> str:
        """Return ``creator`` of an app, as seen by the app's own service principal."""
        async with self._total_limit():
            bearer = await self._service_principal_token(client_id, client_secret)
        body = await self.get_json(f"/api/2.0/apps/{app_name}", bearer)
        return str(body.get("creator", ""))

    async def public_json(self, path: str) -> dict[str, Any]:
        """GET a JSON object of the workspace that needs no token."""
        return _json_object(await self._send_public("GET", path))

    async def post_form(self, address: str, form: Mapping[str, str]) -> dict[str, Any]:
        """POST a form without a token, as OAuth endpoints take it; {} for an empty reply.

        ``address`` is a path or a whole URL, of the workspace's own origin.  Redirects are refused.
        """
        response = await self._send_public("POST", address, data=dict(form))
        return _json_object(response) if response.content.strip() else {}

    async def _send_public(self, method: str, address: str, **options: Any) -> httpx.Response:
        async with self._total_limit():
            response = await self._request(method, address, **options)
        if response.status_code == HTTPStatus.UNAUTHORIZED:  # about the client, not about a token
            message, code = read_error(response.content)
            raise WorkspacePermissionError(
                message or response.reason_phrase, status=response.status_code, error_code=code
            )
        _raise_for_error(response)
        return response

    async def _service_principal_token(self, client_id: str, client_secret: Secret) -> Secret:
        """OAuth client-credentials grant at the workspace's own token endpoint."""
        response = await self._request(
            "POST",
            "/oidc/v1/token",
            data={"grant_type": "client_credentials", "scope": "all-apis"},
            auth=httpx.BasicAuth(client_id, client_secret.reveal()),
        )
        _raise_for_error(response)
        with _as_documented("/oidc/v1/token"):
            return Secret(str(_json_object(response)["access_token"]))

    async def call(
        self,
        method: str,
        path: str,
        token: Secret,
        *,
        most_seconds: float = LONGEST_CALL_SECONDS,
        **options: Any,
    ) -> httpx.Response:
        """Send any request with the token; ``options`` are those of ``httpx.AsyncClient.request``.

        Raises a WorkspaceError for an answer that is an error, or not there after ``most_seconds``.
        """
        headers = {"Authorization": f"Bearer {token.reveal()}", **options.pop("headers", {})}
        try:
            async with asyncio.timeout(most_seconds):
                response = await self._request(method, path, headers=headers, **options)
        except TimeoutError:
            raise _unavailable(self.host, "TimeoutError") from None
        _raise_for_error(response)
        return response

    async def read(
        self, path: str, token: Secret, most_bytes: int, params: Mapping[str, str]
    ) -> bytes | None:
        """Return a file; None if it is larger, and then the rest is not read.

        Raises WorkspaceError.
        """
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        content = bytearray()
        try:
            async with (
                asyncio.timeout(LONGEST_CALL_SECONDS),
                self._client.stream("GET", path, headers=headers, params=params) as response,
            ):
                if not response.is_success:
                    await response.aread()
                    _raise_for_error(response)
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > most_bytes:
                        return None
        except TimeoutError:
            raise _unavailable(self.host, "TimeoutError") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unavailable(self.host, type(error).__name__) from None
        return bytes(content)

    async def _send(
        self, method: str, path: str, token: Secret, payload: dict[str, Any] | None = None
    ) -> httpx.Response:
        async with self._total_limit():
            return await self.call(method, path, token, json=payload)

    @contextlib.asynccontextmanager
    async def _total_limit(self) -> AsyncIterator[None]:
        """Limit the time of a small call, from its first byte to the last of its answer."""
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT_SECONDS):
                yield
        except TimeoutError:
            raise _unavailable(self.host, "TimeoutError") from None

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return await self._client.request(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # ``from None``: the request object, with its header, must not travel in a traceback.
            raise _unavailable(self.host, type(error).__name__) from None


def _unavailable(host: str, reason: str) -> WorkspaceUnavailableError:
    if not host:
        return WorkspaceUnavailableError(
            "DATABRICKS_HOST is not set, so there is no workspace to call.",
            "Set it to the workspace's address and restart.",
        )
    return WorkspaceUnavailableError(
        f"The workspace {host} does not answer ({reason}).",
        "Check its address and the network, or try again in a moment.",
    )


@contextlib.contextmanager
def _as_documented(path: str) -> Iterator[None]:
    """Translate the errors of reading a reply that lacks its documented fields."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise WorkspaceUnavailableError(
            f"The workspace answered {path} with an unexpected response ({type(error).__name__}).",
            "Try again in a moment.",
        ) from error


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise WorkspaceError(
            f"The workspace answered {response.request.url.path} with something other than a JSON "
            "object.",
            "Check that DATABRICKS_HOST is a workspace's address.",
            status=response.status_code,
        )
    return body


def _raise_for_error(response: httpx.Response) -> None:
    """Translate an error reply into this package's tree."""
    if response.is_success:
        return
    status, (message, code) = response.status_code, read_error(response.content)
    message = message or response.reason_phrase
    if is_token_refusal(status, message):
        raise TokenRefusedError("The workspace refuses the token.", status=status, error_code=code)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise WorkspaceUnavailableError(
            f"The workspace cannot answer now (HTTP {status}).",
            "Try again in a moment.",
            status=status,
            retry_after_seconds=_retry_after_seconds(response.headers),
        )
    kind = WorkspacePermissionError if status == HTTPStatus.FORBIDDEN else WorkspaceError
    raise kind(message, status=status, error_code=code)


class ErrorBody(NamedTuple):
    """The message and the code of an error reply; each '' if the reply has none.

    The code is the platform's ``error_code``, or the ``error`` of OAuth.
    """

    message: str
    code: str


def read_error(body: bytes | str) -> ErrorBody:
    """Read an error body of the platform, of OAuth or of a model API."""
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorBody("", "")
    if isinstance(error, dict) and isinstance(error.get("error"), dict) and "message" not in error:
        error = error["error"]
    if not isinstance(error, dict):
        return ErrorBody(error if isinstance(error, str) else "", "")
    oauth_code = error.get("error", "")
    message = error.get("message") or error.get("error_description") or oauth_code
    code = error.get("error_code", oauth_code if isinstance(oauth_code, str) else "")
    return ErrorBody(str(message or ""), str(code))


def is_token_refusal(status: int, message: str) -> bool:
    """Whether a reply refuses the token itself (and not only what its user may do).

    401 from any endpoint; 400 and 403 with one of the sentences of TOKEN_REFUSALS.
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    is_suspect = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)
    return is_suspect and TOKEN_REFUSALS.fullmatch(message.strip()) is not None


def _retry_after_seconds(headers: httpx.Headers) -> float:
    """Return the seconds that Retry-After asks for, 0.0 if it is absent.

    It may be a time (RFC 9110, 10.2.3), by the server's clock.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        pause = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return max(0.0, pause.total_seconds())


def _token_info(info: object) -> TokenInfo:
    """Return an entry of a token list; one of odd form spoils neither the list nor itself."""
    entry = info if isinstance(info, dict) else {}
    return TokenInfo(
        token_id=str(entry.get("token_id") or ""),
        comment=str(entry.get("comment") or ""),
        created_at=_instant(entry.get("creation_time")),
        expires_at=_instant(entry.get("expiry_time")),
        scopes=_scopes(entry.get("scopes")),
    )


def _scopes(value: object) -> frozenset[str] | None:
    """Return a token's scopes; None if it is not restricted, as no token was before scopes."""
    if not isinstance(value, list) or not value or ALL_SCOPES in value:
        return None
    return frozenset(map(str, value))


def _emails(value: object) -> frozenset[str]:
    """Return the addresses of a SCIM record, as they are compared."""
    entries = (
        [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    )
    found = (normalise_email(str(entry.get("value", ""))) for entry in entries)
    return frozenset(email for email in found if email is not None)


def _instant(epoch_milliseconds: object) -> datetime | None:
    """Return an instant; None for -1 (never) and for what no calendar has."""
    try:
        milliseconds = int(str(epoch_milliseconds))
        return None if milliseconds < 0 else datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
