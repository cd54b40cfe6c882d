"""The platform's own error answers: status, body and headers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping


class PlatformError(Exception):
    """An answer that the platform gives instead of the requested one."""

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
        """The JSON body of the answer."""
        return {"error_code": self.error_code, "message": self.message}


def invalid_access_token() -> PlatformError:
    """The REST APIs' answer to an unknown, expired or revoked token: its code is a number."""
    return PlatformError(
        403,
        403,
        f"Invalid access token. [ReqId: {uuid.uuid4()}]",
        {"X-Databricks-Reason-Phrase": "Invalid access token."},
    )


def invalid_gateway_token() -> PlatformError:
    """The AI Gateway's answer to the same tokens: a 400, not a 403."""
    return PlatformError(400, "BAD_REQUEST", "Invalid Token")


def credential_missing() -> PlatformError:
    """The answer to a request that carries no bearer credential."""
    return PlatformError(
        401,
        401,
        "Credential was not sent or was of an unsupported type for this API.",
        {"WWW-Authenticate": 'Bearer realm="DatabricksRealm"'},
    )


def missing_scope(scope: str) -> PlatformError:
    """The answer to a scoped token that lacks the API scope of the route."""
    return PlatformError(
        403, "PERMISSION_DENIED", f"Provided access token does not have required scopes: {scope}"
    )


def permission_denied(message: str) -> PlatformError:
    """A real permission error, told from a dead token by its textual code."""
    return PlatformError(403, "PERMISSION_DENIED", message)


def invalid_parameter(message: str) -> PlatformError:
    """A request that the API understands and refuses."""
    return PlatformError(400, "INVALID_PARAMETER_VALUE", message)


def malformed_request(message: str) -> PlatformError:
    """A body that is not what the API can read."""
    return PlatformError(400, "MALFORMED_REQUEST", message)


def not_found(message: str) -> PlatformError:
    """The named thing does not exist."""
    return PlatformError(404, "RESOURCE_DOES_NOT_EXIST", message)


def already_exists(message: str) -> PlatformError:
    """The named thing is in the way."""
    return PlatformError(409, "RESOURCE_ALREADY_EXISTS", message)


def no_such_route(method: str, path: str) -> PlatformError:
    """No API lives at this path."""
    return PlatformError(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")
