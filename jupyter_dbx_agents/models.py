"""Which models the agents use, and through which of the workspace's addresses they are reached.

Gateway, in this order: a host that the user names, which is trusted (named but empty means: none);
the workspace's own ``/ai-gateway``, or the host derived from the workspace id and the cloud, each
only if it answers; the serving endpoints, which every workspace has.

Why ``/ai-gateway`` goes before the derived host: it is the workspace's origin, so that the token
goes nowhere else, and it is where the platform's own tools go now.  On Azure no host can be
derived: its name has a number in it that the workspace id does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from traitlets import TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from .environment import Environment, normalise_host
from .errors import TokenRefusedError, WorkspaceError, WorkspaceUnavailableError
from .secret import Secret
from .workspace_api import WorkspaceApi

# The first lists the gateway's endpoints and may be closed to a scoped token; the second is open
# to whoever may call a model.
WORKSPACE_GATEWAY_PROBES = (
    "/api/ai-gateway/v2/endpoints?page_size=1",
    "/ai-gateway/anthropic/v1/models",
)
DERIVED_GATEWAY_PROBE = "/anthropic/v1/models"
DERIVED_GATEWAY_HOSTS = {  # end of the workspace's host name -> end of the gateway's
    ".gcp.databricks.com": ".ai-gateway.gcp.databricks.com",
    ".cloud.databricks.com": ".ai-gateway.cloud.databricks.com",
}
UNANSWERED = (WorkspaceUnavailableError, TokenRefusedError)


class Dialect(StrEnum):
    """The API in which an agent speaks to its model."""

    ANTHROPIC = "anthropic"
    RESPONSES = "responses"
    CHAT = "chat"
    GEMINI = "gemini"


@dataclass(frozen=True)
class Gateway:
    """Where model calls go: the base URL of each dialect, and why this gateway was chosen.

    ``kind`` is ``gateway-host``, ``workspace-gateway`` or ``serving-endpoints``.
    """

    kind: str
    base_urls: Mapping[Dialect, str]
    reason: str


def gateway_host(host: str, reason: str) -> Gateway:
    """Return the layout of a gateway that has a host name of its own."""
    paths = {
        Dialect.ANTHROPIC: "/anthropic",
        Dialect.RESPONSES: "/openai/v1",
        Dialect.CHAT: "/mlflow/v1",
        Dialect.GEMINI: "/gemini",
    }
    return _gateway("gateway-host", host, paths, reason)


def workspace_gateway(host: str, reason: str) -> Gateway:
    """Return the layout of ``/ai-gateway`` on a workspace."""
    paths = {
        Dialect.ANTHROPIC: "/ai-gateway/anthropic",
        Dialect.RESPONSES: "/ai-gateway/codex/v1",
        Dialect.CHAT: "/ai-gateway/mlflow/v1",
        Dialect.GEMINI: "/ai-gateway/gemini",
    }
    return _gateway("workspace-gateway", host, paths, reason)


def serving_endpoints(host: str, reason: str) -> Gateway:
    """Return the layout of a workspace's serving endpoints, without a gateway."""
    paths = {
        Dialect.ANTHROPIC: "/serving-endpoints/anthropic",
        Dialect.RESPONSES: "/serving-endpoints",
        Dialect.CHAT: "/serving-endpoints",
        Dialect.GEMINI: "/serving-endpoints/google",
    }
    return _gateway("serving-endpoints", host, paths, reason)


def derived_gateway_host(workspace_host: str, workspace_id: str) -> str:
    """Return the address of a workspace's gateway by its cloud's rule, '' where there is none."""
    name = urlsplit(workspace_host).hostname or ""
    if not (workspace_id.isascii() and workspace_id.isdecimal()):
        return ""
    for ending, gateway_ending in DERIVED_GATEWAY_HOSTS.items():
        if name.endswith(ending):
            return f"https://{workspace_id}{gateway_ending}"
    return ""


class ModelTable(LoggingConfigurable):
    """The agents' models and the gateway that serves them."""

    anthropic_model = Unicode(
        help="Claude Code's model. Default: the variable ANTHROPIC_MODEL, "
        "or databricks-claude-opus-4-7.",
    ).tag(config=True)
    anthropic_sonnet_model = Unicode(
        "databricks-claude-sonnet-4-6",
        help="What Claude Code uses where it asks for 'sonnet', as its auto mode does.",
    ).tag(config=True)
    anthropic_small_model = Unicode(
        "databricks-claude-haiku-4-5",
        help="What Claude Code uses for small side jobs, and where it asks for 'haiku'.",
    ).tag(config=True)
    codex_model = Unicode(
        help="Codex' model. Default: the variable CODEX_MODEL, or databricks-gpt-5-5.",
    ).tag(config=True)
    gemini_model = Unicode(
        help="Gemini CLI's model. Default: the variable GEMINI_MODEL, "
        "or databricks-gemini-2-5-pro.",
    ).tag(config=True)
    hermes_model = Unicode(
        help="Hermes' model. Default: the variable HERMES_MODEL, or databricks-claude-opus-4-7.",
    ).tag(config=True)
    gateway_host = Unicode(
        None,
        allow_none=True,
        help="Address of the AI Gateway, such as https://1.ai-gateway.cloud.databricks.com or "
        "https://<workspace>/ai-gateway; it is trusted with the user's token. Empty: use no "
        "gateway but the serving endpoints. None: find out. Default: the variable "
        "DATABRICKS_GATEWAY_HOST.",
    ).tag(config=True)

    def __init__(self, environment: Environment, **kwargs: Any) -> None:
        self._environment = environment
        super().__init__(**kwargs)
        self.gateway = self._gateway_before_asking()

    @default("anthropic_model")
    def _default_anthropic_model(self) -> str:
        return self._setting("ANTHROPIC_MODEL", "databricks-claude-opus-4-7")

    @default("codex_model")
    def _default_codex_model(self) -> str:
        return self._setting("CODEX_MODEL", "databricks-gpt-5-5")

    @default("gemini_model")
    def _default_gemini_model(self) -> str:
        return self._setting("GEMINI_MODEL", "databricks-gemini-2-5-pro")

    @default("hermes_model")
    def _default_hermes_model(self) -> str:
        return self._setting("HERMES_MODEL", "databricks-claude-opus-4-7")

    @default("gateway_host")
    def _default_gateway_host(self) -> str | None:
        host = self._environment.settings.get("DATABRICKS_GATEWAY_HOST")
        return _checked_address(host) if host else host  # traitlets validates no default

    @validate("gateway_host")
    def _validate_gateway_host(self, proposal: dict[str, Any]) -> str | None:
        host: str | None = proposal["value"]
        return _checked_address(host) if host else host

    def _setting(self, variable: str, fallback: str) -> str:
        return self._environment.settings.get(variable) or fallback

    async def choose_gateway(self, api: WorkspaceApi, token: Secret) -> Gateway:
        """Choose the gateway, asking the workspace with ``token`` if need be; never raises.

        When the workspace cannot be asked now the choice so far stands, and this may be called
        again.
        """
        if self.gateway_host is None:
            try:
                self.gateway = await self._ask(api, token)
            except UNANSWERED as error:
                self.log.warning(
                    "Could not ask for the AI Gateway (%s) Models are called through %s meanwhile.",
                    error.message,
                    self.gateway.kind,
                )
        self.log.info("Models are called through %s: %s", self.gateway.kind, self.gateway.reason)
        return self.gateway

    def _gateway_before_asking(self) -> Gateway:
        host = self._environment.host
        if self.gateway_host:
            return _explicit(self.gateway_host)
        if self.gateway_host is None:
            return serving_endpoints(host, "The workspace was not yet asked for its AI Gateway.")
        return serving_endpoints(host, "The gateway's address is configured to be empty.")

    async def _ask(self, api: WorkspaceApi, token: Secret) -> Gateway:
        host = self._environment.host
        for path in WORKSPACE_GATEWAY_PROBES:
            if await _answers(api, path, token):
                return workspace_gateway(host, f"The workspace answers {path.partition('?')[0]}.")
        derived = derived_gateway_host(host, self._environment.workspace_id)
        if derived and await _host_answers(derived, token):
            return gateway_host(derived, f"{derived}, derived from the workspace's id, answers.")
        return serving_endpoints(host, "No AI Gateway of this workspace answers.")


async def _answers(api: WorkspaceApi, path: str, token: Secret) -> bool:
    """Whether a path exists for this user; raises one of UNANSWERED if that cannot be told now."""
    try:
        await api.get_json(path, token)
    except WorkspaceUnavailableError as error:
        # 501 is the answer of a server that has no such thing, and will be tomorrow too.
        if error.status != HTTPStatus.NOT_IMPLEMENTED:
            raise
        return False
    except TokenRefusedError:
        raise
    except WorkspaceError:
        return False
    return True


async def _host_answers(host: str, token: Secret) -> bool:
    """Whether a derived host is there; one that has no address is none."""
    api = WorkspaceApi(host)
    try:
        return await _answers(api, DERIVED_GATEWAY_PROBE, token)
    except UNANSWERED:
        return False
    finally:
        await api.close()


def _gateway(kind: str, host: str, paths: Mapping[Dialect, str], reason: str) -> Gateway:
    return Gateway(kind, {dialect: host + path for dialect, path in paths.items()}, reason)


def _explicit(address: str) -> Gateway:
    reason = "It is the configured address (gateway_host, DATABRICKS_GATEWAY_HOST)."
    if address.endswith("/ai-gateway"):
        return workspace_gateway(address.removesuffix("/ai-gateway"), reason)
    return gateway_host(address, reason)


def _checked_address(text: str) -> str:
    """Return an address to which the user's token may go; raises TraitError for any other."""
    address = normalise_host(text)
    parts = urlsplit(address)
    plain = bool(parts.hostname) and not (parts.query or parts.fragment or parts.username)
    if plain and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts))):
        return address
    raise TraitError(
        f"The gateway's address {text!r} is no https:// address. Set DATABRICKS_GATEWAY_HOST (or "
        "ModelTable.gateway_host) to one such as https://<workspace>/ai-gateway, or leave it unset."
    )


def _is_loopback(parts: Any) -> bool:
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return bool(parts.hostname == "localhost")
