"""The broker's server: its port, its URL map, its start and its stop."""

import sys
from typing import Any

from tornado import httpserver, netutil, web
from traitlets import Float, Integer, TraitError, validate
from traitlets.config import LoggingConfigurable

from ..models import Gateway, ModelTable
from ..pat import PatSource
from ..pat.clock import Clock, SystemClock
from ..secret import Secret
from .mcp.handler import McpHandler
from .mcp.service import STALL_SECONDS, McpService
from .metadata_service import MetadataServiceHandler
from .model_proxy import ModelProxyHandler
from .shared import GatewayFailed, Shared, Use

LOOPBACK = "127.0.0.1"
# An agent sends a request at once; the memory reserved for one that stalls is needed by others.
BODY_SECONDS = 120.0
URL_MAP = [
    (r"/metadata/.*", MetadataServiceHandler),
    (r"/mcp/.*", McpHandler),
    (r".*", ModelProxyHandler),
]


async def _never_another(_failed: Gateway) -> bool:
    return False


class Broker(LoggingConfigurable):
    """A loopback server that puts the current PAT into agents' calls and hands it to SDKs.

    ``gateway_failed`` is called with a gateway through which a call failed; it returns whether
    another one is in force.
    """

    max_body_bytes = Integer(
        64 * 1024 * 1024,
        help="Largest request of an agent, in bytes; it is held in memory, so that the call can be "
        "repeated with a new token. Images and long conversations make requests of some MiB.",
    ).tag(config=True)
    max_held_bytes = Integer(
        256 * 1024 * 1024,
        help="Most memory, in bytes, for the requests of all agents that wait for the beginning of "
        "an answer; an agent whose request does not fit is told to retry. At least max_body_bytes. "
        "Each agent has a 64th of it beside what all share, so that its small calls always fit.",
    ).tag(config=True)

    mcp_stall_seconds = Float(
        STALL_SECONDS,
        min=0.1,
        help="How long (seconds) an MCP server of the workspace may send nothing during a call; "
        "then the agent gets an error.",
    ).tag(config=True)

    def __init__(
        self,
        *,
        pats: PatSource,
        models: ModelTable,
        workspace_host: str,
        gateway_failed: GatewayFailed = _never_another,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.shared = Shared(
            pats,
            models,
            workspace_host,
            gateway_failed,
            self.max_body_bytes,
            max(self.max_held_bytes, self.max_body_bytes),
            Use(clock or SystemClock()),
            self.log,
        )
        self.shared.mcp.stall_seconds = self.mcp_stall_seconds
        self.usage = self.shared.usage
        self._server: httpserver.HTTPServer | None = None

    @validate("max_body_bytes", "max_held_bytes")
    def _validate_bytes(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] <= 0:
            raise TraitError(f"Broker.{proposal['trait'].name} must be positive.")
        return int(proposal["value"])

    @property
    def port(self) -> int:
        """The port on which the broker listens; 0 until it is started."""
        return self.shared.port

    @property
    def url(self) -> str:
        """Where agents find the broker, once it is started."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def metadata_service_url(self) -> Secret:
        """Where SDKs get tokens, once the broker is started; whoever has it gets them."""
        return Secret(self.url + self.shared.metadata_path.reveal())

    @property
    def mcp(self) -> McpService:
        """The workspace's MCP servers, as agents reach them."""
        return self.shared.mcp

    def was_used_within(self, seconds: float) -> bool:
        """Whether a program calls a model now, or did so or took a token within the last seconds.

        So agents in the background count as sessions, though no terminal or page shows them.
        """
        return self.shared.use.was_within(seconds)

    def capability(self, agent: str) -> Secret:
        """Return the secret with which an agent calls; it lives as long as this process."""
        return self.shared.capabilities.of(agent)

    def secrets(self) -> list[Secret]:
        """Return all that programs of this machine hold, for what must not contain any."""
        return [*self.shared.capabilities.all(), self.shared.metadata_path]

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        (socket,) = netutil.bind_sockets(0, LOOPBACK)
        self.shared.port = socket.getsockname()[1]
        self._server = httpserver.HTTPServer(
            web.Application(
                [(pattern, handler, {"shared": self.shared}) for pattern, handler in URL_MAP],
                log_function=lambda _: None,  # tornado's line contains the path; ours does not
            ),
            # No limit here: tornado's own answer to a larger body is not in the agent's shape;
            # the handlers count and answer 413.
            max_body_size=sys.maxsize,
            body_timeout=BODY_SECONDS,
        )
        self._server.add_sockets([socket])

    async def stop(self) -> None:
        """Break off the calls in flight and close every connection; nothing if not started."""
        if self._server is None:
            return
        self._server.stop()
        await self.shared.tasks.stop()
        await self._server.close_all_connections()
        await self.shared.upstream.close()
