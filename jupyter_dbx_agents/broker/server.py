"""The broker's server: its port, its URL map, and what its handlers share."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from tornado import httpserver, netutil, web
from traitlets import Integer, TraitError, validate
from traitlets.config import LoggingConfigurable

from ..models import Gateway, ModelTable
from ..pat import PatSource
from ..secret import Secret
from .access import Capabilities, new_secret
from .ledger import AccessLog, UsageLedger
from .metadata_service import MetadataServiceHandler
from .model_proxy import ModelProxyHandler
from .upstream import Upstream

LOOPBACK = "127.0.0.1"
# How long an agent's call may wait for the look at a gateway through which it failed.
GATEWAY_CHECK_SECONDS = 3.0
GatewayFailed = Callable[[Gateway], Coroutine[Any, Any, bool]]
URL_MAP = [(r"/metadata/.*", MetadataServiceHandler), (r".*", ModelProxyHandler)]


async def _never_another(_failed: Gateway) -> bool:
    return False


class Broker(LoggingConfigurable):
    """A loopback server that lends the current PAT to agents and SDKs.

    ``gateway_failed`` is told of a gateway through which a call failed, and looks for another.
    """

    max_body_bytes = Integer(
        64 * 1024 * 1024,
        help="Largest request of an agent, in bytes; it is held in memory, so that the call can be "
        "repeated with a new token. Images and long conversations make requests of some MiB.",
    ).tag(config=True)

    def __init__(
        self,
        *,
        pats: PatSource,
        models: ModelTable,
        workspace_host: str,
        gateway_failed: GatewayFailed = _never_another,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._gateway_failed = gateway_failed
        self.pats = pats
        self.models = models
        self.workspace_host = workspace_host
        self.capabilities = Capabilities()
        self.metadata_path = Secret(f"/metadata/{new_secret().reveal()}")
        self.usage = UsageLedger()
        self.access_log = AccessLog(self.log, self.usage)
        self.port = 0
        self._server: httpserver.HTTPServer | None = None
        self._calls: set[asyncio.Future[Any]] = set()

    @validate("max_body_bytes")
    def _validate_max_body_bytes(self, proposal: dict[str, Any]) -> int:
        if proposal["value"] <= 0:
            raise TraitError("Broker.max_body_bytes must be positive.")
        return int(proposal["value"])

    @property
    def url(self) -> str:
        """Where agents find the broker, once it is started."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def metadata_service_url(self) -> Secret:
        """Where SDKs get tokens, once the broker is started; whoever has it gets them."""
        return Secret(self.url + self.metadata_path.reveal())

    def capability(self, agent: str) -> Secret:
        """Return the secret with which an agent calls; it lives as long as this process."""
        return self.capabilities.of(agent)

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        self.upstream = Upstream(self.pats)
        (socket,) = netutil.bind_sockets(0, LOOPBACK)
        self.port = socket.getsockname()[1]
        self._server = httpserver.HTTPServer(
            web.Application(
                [(pattern, handler, {"broker": self}) for pattern, handler in URL_MAP],
                log_function=lambda _: None,  # tornado's line contains the path; ours does not
            ),
            # No limit here, so that the handlers are asked, which count and answer 413 in the
            # agent's shape; tornado's own answer has none.
            max_body_size=sys.maxsize,
        )
        self._server.add_sockets([socket])

    async def stop(self) -> None:
        """Break off the calls in flight and close every connection; nothing if not started."""
        if self._server is None:
            return
        self._server.stop()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self._server.close_all_connections()
        await self.upstream.close()

    async def finds_another_gateway(self, failed: Gateway) -> bool:
        """Report a gateway through which a call failed; whether another is in force, or soon."""
        check = asyncio.ensure_future(self._gateway_failed(failed))
        self.keep(check)
        await asyncio.wait({check}, timeout=GATEWAY_CHECK_SECONDS)
        return self.models.gateway != failed

    def keep(self, call: asyncio.Future[Any]) -> None:
        """Hold a call's task while it lasts, so that it is neither lost nor outlives the broker."""
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
