"""The addresses at which a workspace serves models, and which of them answers.

In this order: a host that the user names, which is trusted (named but empty means: none); the
workspace's own ``/ai-gateway``, or the host derived from the workspace id and the cloud, each only
if it answers; the serving endpoints, which every workspace has.

Why ``/ai-gateway`` goes before the derived host: it is the workspace's origin, so that the token
goes nowhere else, and it is where the platform's own tools go now.  On Azure no host can be
derived: its name contains a number that does not follow from the workspace id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlsplit

from traitlets import TraitError

from ..addresses import is_loopback, with_scheme
from ..environment import Environment
from ..errors import TokenRefusedError, WorkspaceError, WorkspaceUnavailableError
from ..secret import Secret
from ..workspace_api import WorkspaceApi

# The first lists the gateway's endpoints and may be closed to a scoped token; the second is open
# to whoever may call a model.
LISTING_PROBE = "/api/ai-gateway/v2/endpoints?page_size=1"
MODELS_PROBE = "/ai-gateway/anthropic/v1/models"
DERIVED_GATEWAY_PROBE = "/anthropic/v1/models"
DERIVED_GATEWAY_HOSTS = {  # end of the workspace's host name -> end of the gateway's
    ".gcp.databricks.com": ".ai-gateway.gcp.databricks.com",
    ".cloud.databricks.com": ".ai-gateway.cloud.databricks.com",
}
# What a path answers that has no server behind it now.  Not 429: that is a gateway which is busy;
# and the serving endpoints have none of its limits and guardrails.
DEAD_STATUSES = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
# Our own checks of a model send this to the broker: they are not use of the app.
CHECK_HEADER = "X-Dbx-Agents-Check"
# The workspace itself did not answer: that says nothing about the gateway.
UNANSWERED = (WorkspaceUnavailableError, TokenRefusedError)


class Dialect(StrEnum):
    """The API with which an agent calls its model."""

    ANTHROPIC = "anthropic"
    RESPONSES = "responses"
    CHAT = "chat"
    GEMINI = "gemini"


class GatewayKind(StrEnum):
    """Where a workspace serves models: on the gateway's own host, below its own, or without one."""

    HOST = "gateway-host"
    WORKSPACE = "workspace-gateway"
    SERVING_ENDPOINTS = "serving-endpoints"


# The path of each dialect's base URL.
LAYOUTS: Mapping[GatewayKind, Mapping[Dialect, str]] = {
    GatewayKind.HOST: {
        Dialect.ANTHROPIC: "/anthropic",
        Dialect.RESPONSES: "/openai/v1",
        Dialect.CHAT: "/mlflow/v1",
        Dialect.GEMINI: "/gemini",
    },
    GatewayKind.WORKSPACE: {
        Dialect.ANTHROPIC: "/ai-gateway/anthropic",
        Dialect.RESPONSES: "/ai-gateway/codex/v1",
        Dialect.CHAT: "/ai-gateway/mlflow/v1",
        Dialect.GEMINI: "/ai-gateway/gemini",
    },
    GatewayKind.SERVING_ENDPOINTS: {
        Dialect.ANTHROPIC: "/serving-endpoints/anthropic",
        Dialect.RESPONSES: "/serving-endpoints",
        Dialect.CHAT: "/serving-endpoints",
        Dialect.GEMINI: "/serving-endpoints/gemini",
    },
}


@dataclass(frozen=True)
class Gateway:
    """Where model calls go: the base URL of each dialect, and why this gateway was chosen."""

    kind: GatewayKind
    base_urls: Mapping[Dialect, str]
    reason: str

    @classmethod
    def at(cls, kind: GatewayKind, host: str, reason: str) -> Gateway:
        """Return a gateway of one kind on a host."""
        paths = LAYOUTS[kind]
        return cls(kind, {dialect: host + path for dialect, path in paths.items()}, reason)


def explicit_gateway(address: str) -> Gateway:
    """Return the layout of the address that the user names."""
    reason = "It is the configured address (gateway_host, DATABRICKS_GATEWAY_HOST)."
    if address.endswith("/ai-gateway"):
        return Gateway.at(GatewayKind.WORKSPACE, address.removesuffix("/ai-gateway"), reason)
    return Gateway.at(GatewayKind.HOST, address, reason)


def derived_gateway_host(workspace_host: str, workspace_id: str) -> str:
    """Return the address of a workspace's gateway by its cloud's rule, '' if there is none."""
    name = urlsplit(workspace_host).hostname or ""
    if not (workspace_id.isascii() and workspace_id.isdecimal()):
        return ""
    for ending, gateway_ending in DERIVED_GATEWAY_HOSTS.items():
        if name.endswith(ending):
            return f"https://{workspace_id}{gateway_ending}"
    return ""


def checked_address(text: str) -> str:
    """Return an address to which the user's token may go; raises TraitError for any other."""
    address = with_scheme(text)
    parts = urlsplit(address)
    plain = bool(parts.hostname) and not (parts.query or parts.fragment or parts.username)
    if plain and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    ):
        return address
    raise TraitError(
        f"The gateway's address {text!r} is not an https:// address. Set DATABRICKS_GATEWAY_HOST "
        "(or ModelTable.gateway_host) to one such as https://<workspace>/ai-gateway, or leave it "
        "unset."
    )


async def find_gateway(environment: Environment, api: WorkspaceApi, token: Secret) -> Gateway:
    """Probe for the workspace's gateway; raises one of UNANSWERED if it does not answer now."""
    host = environment.host
    for path in (LISTING_PROBE, MODELS_PROBE):
        if await _answers(api, path, token):
            return Gateway.at(
                GatewayKind.WORKSPACE, host, f"The workspace answers {path.partition('?')[0]}."
            )
    derived = derived_gateway_host(host, environment.workspace_id)
    if derived and await _host_answers(derived, token):
        return Gateway.at(
            GatewayKind.HOST, derived, f"{derived}, derived from the workspace's id, answers."
        )
    return Gateway.at(
        GatewayKind.SERVING_ENDPOINTS, host, "No AI Gateway of this workspace answers."
    )


async def gateway_works(gateway: Gateway, api: WorkspaceApi, token: Secret) -> bool:
    """Whether a gateway that was found serves models now, probed where models are called.

    Raises one of UNANSWERED if the workspace itself does not answer: no gateway is better then.
    """
    if gateway.kind is GatewayKind.HOST:
        base = gateway.base_urls[Dialect.ANTHROPIC].removesuffix("/anthropic")
        return await _host_answers(base, token)
    try:
        if await _answers(api, MODELS_PROBE, token):
            return True
    except WorkspaceUnavailableError as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            return True
        if error.status not in DEAD_STATUSES:
            raise
        await _answers(api, "/api/2.0/preview/scim/v2/Me", token)  # raises if all of it is down
        return False
    return await _answers(api, LISTING_PROBE, token)


async def _answers(api: WorkspaceApi, path: str, token: Secret) -> bool:
    """Whether a path exists for this user; raises one of UNANSWERED if that is unknown."""
    try:
        await api.get_json(path, token)
    except WorkspaceUnavailableError as error:
        # 501 means that the server does not have the path, now or later.
        if error.status != HTTPStatus.NOT_IMPLEMENTED:
            raise
        return False
    except TokenRefusedError:
        raise
    except WorkspaceError:
        return False
    return True


async def _host_answers(host: str, token: Secret) -> bool:
    """Whether a derived host exists and answers."""
    api = WorkspaceApi(host)
    try:
        return await _answers(api, DERIVED_GATEWAY_PROBE, token)
    except UNANSWERED as error:
        return error.status == HTTPStatus.TOO_MANY_REQUESTS
    finally:
        await api.close()
