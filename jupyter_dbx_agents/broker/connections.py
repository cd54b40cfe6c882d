"""Connections to the gateway, kept open between calls: a TLS handshake costs more than the rest."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import cast
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from .gateway_connection import GatewayConnection, GatewayGoneError

CONNECT_SECONDS = 10.0
# A model may think for minutes before its first byte; nothing shorter than the agents' own limits.
READ_SECONDS = 600.0
# Below the 60 s after which load balancers commonly drop an idle connection.
IDLE_SECONDS = 50.0
IDLE_CONNECTIONS = 20
DEFAULT_PORTS = {"https": 443, "http": 80}


class Connections:
    """Idle connections by origin; to be closed.

    A proxy named by the environment applies, as it does for the workspace's other APIs: a tunnel to
    ``https`` gateways through an ``http`` proxy.
    """

    def __init__(self) -> None:
        self._idle: list[tuple[str, float, GatewayConnection]] = []
        self._tls = httpx.create_ssl_context()  # the certificates that the other APIs trust

    def close(self) -> None:
        """Close those that are idle."""
        for _, _, connection in self._idle:
            connection.abort()
        self._idle.clear()

    def take_idle(self, origin: str) -> GatewayConnection | None:
        """Return the connection that was used last, if it still stands."""
        self._drop_old()
        for index in range(len(self._idle) - 1, -1, -1):
            if self._idle[index][0] == origin:
                return self._idle.pop(index)[2]
        return None

    def give_back(self, origin: str, connection: GatewayConnection) -> None:
        """Keep a connection for the next call if it is fit for one."""
        if not connection.is_reusable:
            connection.abort()
            return
        self._drop_old()
        self._idle.append((origin, time.monotonic(), connection))
        if len(self._idle) > IDLE_CONNECTIONS:
            self._idle.pop(0)[2].abort()

    async def open(self, origin: str) -> GatewayConnection:
        """Open a connection; raises GatewayGoneError."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._open(urlsplit(origin))
        except (OSError, TimeoutError) as error:  # ssl errors are OSErrors
            raise GatewayGoneError(type(error).__name__, answer_begun=False) from None

    async def _open(self, origin: SplitResult) -> GatewayConnection:
        host, port = origin.hostname or "", origin.port or DEFAULT_PORTS[origin.scheme]
        loop = asyncio.get_running_loop()
        if (proxy := _proxy_for(origin)) is not None:
            return await self._open_tunnel(proxy, host, port)
        tls: ssl.SSLContext | None = self._tls if origin.scheme == "https" else None
        _, connection = await loop.create_connection(_new_connection, host, port, ssl=tls)
        return connection

    async def _open_tunnel(self, proxy: SplitResult, host: str, port: int) -> GatewayConnection:
        """Ask a proxy for a way through (RFC 9110 §9.3.6), then speak TLS with the gateway."""
        loop = asyncio.get_running_loop()
        proxy_port = proxy.port or DEFAULT_PORTS["http"]
        transport, way = await loop.create_connection(
            _new_connection, proxy.hostname or "", proxy_port
        )
        target = f"{host}:{port}"
        head = await way.ask(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        if head.status != 200:  # noqa: PLR2004 the only one that opens the tunnel
            way.abort()
            raise GatewayGoneError(f"proxy answered {head.status}", answer_begun=False)
        connection = _new_connection()
        secured = await loop.start_tls(transport, connection, self._tls, server_hostname=host)
        connection.connection_made(cast(asyncio.Transport, secured))
        return connection

    def _drop_old(self) -> None:
        oldest = time.monotonic() - IDLE_SECONDS
        kept = []
        for entry in self._idle:
            if entry[1] >= oldest and entry[2].is_usable:
                kept.append(entry)
            else:
                entry[2].abort()
        self._idle = kept


def _new_connection() -> GatewayConnection:
    return GatewayConnection(READ_SECONDS)


def _proxy_for(origin: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an ``https`` gateway."""
    proxy = getproxies().get("https") if origin.scheme == "https" else None
    if not proxy or proxy_bypass(origin.hostname or ""):
        return None
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")
