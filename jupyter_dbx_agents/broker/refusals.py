"""The broker's own answers, in the error shape of the API that an agent uses.

An agent should show our message, and at once; which status achieves that was measured with the real
programs, see ``NEEDED_STATUS``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..models import Dialect
from ..pat import PatSource, PatState

# Long enough for a rotation or a restart of the gateway, short enough not to be noticed.
RETRY_AFTER_SECONDS = 2
HAS_NO_TOKEN = frozenset({PatState.NEEDED, PatState.EXPIRED})
# The status when somebody has to paste a token.  Measured with the real programs, one-shot and
# (except OpenCode) interactive, where the next prompt works once there is a token:
NEEDED_STATUS: Mapping[Dialect, HTTPStatus] = {
    # Claude Code 2.1.330: 400, 402, 422, 428 are shown after one try (0.8 s); 403 too, but as
    # "Failed to authenticate", "Please run /login", which misleads; 401, 409 and 503 are silently
    # retried for more than a minute in one-shot use.
    Dialect.ANTHROPIC: HTTPStatus.BAD_REQUEST,
    # Codex 0.169: 400 alone is shown after one try (0.4 s), with its body as it is; 402, 403, 409,
    # 422, 428 after 6 tries (6-7 s), 503 after 30 (29 s).
    Dialect.RESPONSES: HTTPStatus.BAD_REQUEST,
    # OpenCode 1.18: 400, 402, 422, 428 are shown after one try; 409 is retried for more than a
    # minute.
    Dialect.CHAT: HTTPStatus.BAD_REQUEST,
    # Gemini CLI 0.61: any of 400, 402, 403, 409, 422, 428 is shown after one try (2.5-3.4 s).
    Dialect.GEMINI: HTTPStatus.BAD_REQUEST,
}
ANTHROPIC_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}
GEMINI_STATUSES: Mapping[int, str] = {
    400: "FAILED_PRECONDITION",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Refusal:
    """Why a call gets no answer from the gateway: a status, a sentence, and when to retry."""

    status: int
    code: str
    message: str
    retry_after_seconds: int | None = None


TOKEN_ON_ITS_WAY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "token_on_its_way",
    "A Databricks token is on its way. Try again in a moment.",
    RETRY_AFTER_SECONDS,
)


def no_capability() -> Refusal:
    """Refuse a caller without the secret of this process."""
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "invalid_capability",
        "This call lacks the secret of the running server. Restart the agent in a new terminal: it "
        "was started under an earlier server.",
    )


def not_served(path: str) -> Refusal:
    """Refuse a path that is not forwarded."""
    return Refusal(HTTPStatus.NOT_FOUND, "not_found", f"The broker does not serve {path}.")


def from_browser(reason: str) -> Refusal:
    """Refuse what a web page seems to have sent."""
    return Refusal(HTTPStatus.FORBIDDEN, "forbidden", reason)


def too_large(max_body_bytes: int) -> Refusal:
    """Refuse a body that is too large to be held in memory."""
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "request_too_large",
        f"The request is larger than {max_body_bytes} bytes. Send less, or raise "
        "Broker.max_body_bytes.",
    )


def too_many_bytes() -> Refusal:
    """Refuse a body for which there is no memory now; agents retry."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "too_many_bytes",
        "The requests that wait for an answer take all the memory that the broker may use. Try "
        "again in a moment; if it persists, raise Broker.max_held_bytes.",
        RETRY_AFTER_SECONDS,
    )


UNREACHABLE = "gateway_unreachable"
GATEWAY_BROKE_OFF = "gateway_broke_off"


def unreachable(host: str, reason: str, *, was_sent: bool) -> Refusal:
    """Report a gateway that does not answer; agents retry."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        GATEWAY_BROKE_OFF if was_sent else UNREACHABLE,
        f"{host} does not answer ({reason}). Try again; if it persists, check "
        "the workspace and the network.",
        RETRY_AFTER_SECONDS,
    )


def redirected(host: str) -> Refusal:
    """Refuse to follow a redirect: it would carry the PAT to another host."""
    return Refusal(
        HTTPStatus.BAD_GATEWAY,
        "gateway_redirects",
        f"{host} answered with a redirect, which is not followed: it would carry the token to "
        "another host. Check DATABRICKS_HOST and DATABRICKS_GATEWAY_HOST.",
    )


def still_refused(host: str) -> Refusal:
    """Report a gateway that refuses a token which the workspace accepts: it may lag behind."""
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "token_not_yet_known",
        f"{host} refuses the Databricks token although the workspace accepts it. Try again; if it "
        "persists, ask a workspace admin whether personal access tokens may call models.",
        RETRY_AFTER_SECONDS,
    )


def without_pat(pats: PatSource, dialect: Dialect | None) -> Refusal:
    """Answer an agent (or an SDK: None) without a PAT: retry while one is expected, else why."""
    if pats.state not in HAS_NO_TOKEN:
        return TOKEN_ON_ITS_WAY
    # An SDK never gets 404, which means "not configured" to it.
    status = NEEDED_STATUS[dialect] if dialect else HTTPStatus.SERVICE_UNAVAILABLE
    return Refusal(status, "token_needed", pats.message)


def render(refusal: Refusal, dialect: Dialect | None) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a refusal."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    else:
        # The SDKs that agents are built on obey it: Claude Code shows a 401 after one try (0.9 s)
        # instead of repeating it for more than a minute.
        headers["x-should-retry"] = "false"
    if dialect is Dialect.RESPONSES and refusal.status == HTTPStatus.BAD_REQUEST:
        # Codex shows the whole body of a 400: let it be the sentence alone.
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return headers, refusal.message.encode()
    return headers, json.dumps(_shape(refusal, dialect)).encode()


def _shape(refusal: Refusal, dialect: Dialect | None) -> dict[str, Any]:
    status, message = int(refusal.status), refusal.message
    if dialect is Dialect.ANTHROPIC:
        kind = ANTHROPIC_TYPES.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if dialect is Dialect.GEMINI:
        name = GEMINI_STATUSES.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": name}}
    kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": refusal.code}}
