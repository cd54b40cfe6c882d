"""The platform's own error responses: status, body and headers."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping


class PlatformError(Exception):
    """An error response of the platform; handlers raise it and ``web`` writes it."""

    def __init__(
        self,
        status: int,
        error_code: str | int,
        message: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {error_code}: {message}")
        self.status = status
        self.error_code = error_code
        self.message = message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """Return the JSON body of the response."""
        return {"error_code": self.error_code, "message": self.message}


# Each takes the message.  The textual code of a denied permission sets it apart from a dead token,
# whose code is a number.
invalid_parameter = functools.partial(PlatformError, 400, "INVALID_PARAMETER_VALUE")
malformed_request = functools.partial(PlatformError, 400, "MALFORMED_REQUEST")
permission_denied = functools.partial(PlatformError, 403, "PERMISSION_DENIED")
not_found = functools.partial(PlatformError, 404, "RESOURCE_DOES_NOT_EXIST")
already_exists = functools.partial(PlatformError, 409, "RESOURCE_ALREADY_EXISTS")


def invalid_access_token() -> PlatformError:
    """Return the REST APIs' error for an unknown, expired or revoked token."""
    return PlatformError(
        403,
        403,
        f"Invalid access token. [ReqId: {uuid.uuid4()}]",
        {"X-Databricks-Reason-Phrase": "Invalid access token."},
    )


def invalid_gateway_token() -> PlatformError:
    """Return the AI Gateway's error for the same tokens: a 400, not a 403."""
    return PlatformError(400, "BAD_REQUEST", "Invalid Token")


def credential_missing() -> PlatformError:
    """Return the error for a request without a bearer token."""
    return PlatformError(
        401,
        401,
        "Credential was not sent or was of an unsupported type for this API.",
        {"WWW-Authenticate": 'Bearer realm="DatabricksRealm"'},
    )


def missing_scope(scope: str) -> PlatformError:
    """Return the error for a token without the API scope of the route."""
    return permission_denied(f"Provided access token does not have required scopes: {scope}")


def no_such_route(method: str, path: str) -> PlatformError:
    """Return the error for a path that belongs to no API."""
    return PlatformError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")
