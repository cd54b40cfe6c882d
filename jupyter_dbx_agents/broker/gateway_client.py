"""The gateway's HTTP client: keep-alive, the environment's proxy, and how a call fails.

Why aiohttp's client: its parser is written in C, an answer is read no faster than the agent reads,
and it reports whether a call was sent on a connection that had been idle.  Measured on two cores
(``benchmarks/broker.py``): 1.4 ms added to a call and 117 MiB/s, for 6 MiB of memory; a client of
our own in Python added 1.0 to 1.3 ms, at 73 MiB/s; httpx 2.2 to 2.5 ms, at 20 MiB/s.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from ..addresses import is_on_this_machine
from .gateway_errors import (
    PEEK_BYTES,
    SUSPECT,
    GatewayGoneError,
    decoded,
    says_token_is_dead,
)

CONNECT_SECONDS = 10.0
# A model may think for minutes before its first byte; not shorter than the agents' own limits.
READ_SECONDS = 600.0
# A whole call.  The longest answers take some minutes; one that only ever sends signs of life would
# hold its connection for good.
TOTAL_SECONDS = 3600.0
# Below the 60 s after which load balancers commonly drop an idle connection.
IDLE_SECONDS = 50.0
MAX_HEAD_BYTES = 64 * 1024
# How much is buffered for an agent that reads slowly; at twice this, reading pauses.
BUFFER_BYTES = 128 * 1024
# A larger body is sent in pieces of this size, which does not block the event loop.  aiohttp's own
# payload for that (of ``io.BytesIO``) copies the whole body first: 2 ms for 4 MiB.
PIECE_BYTES = 128 * 1024
# What aiohttp would add by itself; an agent's headers pass as they are.
NOT_ADDED = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)
NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError)
# Not allowed in headers, but aiohttp's parser passes them on.
CONTROL_CHARACTERS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Answer:
    """The gateway's answer: its head is here, its body is read as it comes; to be closed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = [(_text(name), _text(value)) for name, value in response.raw_headers]
        # Else its end is that of the connection, as in HTTP/1.0: a cut answer looks complete.
        self.has_known_end = bool(
            self.header("content-length") or "chunked" in self.header("transfer-encoding").lower()
        )
        self._response = response
        self._rest = self._read()
        self._peeked: list[bytes] = []

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, not decoded; raises GatewayGoneError if it breaks off."""
        for chunk in self._peeked:
            yield chunk
        async for chunk in self._rest:
            yield chunk

    async def says_token_is_dead(self) -> bool:
        """Whether this is a refusal of the token, for which the beginning of the body is read."""
        if self.status not in SUSPECT:
            return False
        return says_token_is_dead(self.status, await self.beginning())

    async def beginning(self) -> str:
        """Return the beginning of the body, which is still to come; raises GatewayGoneError."""
        try:
            await self._peek()
        except BaseException:  # also when the agent disconnects: the gateway must notice
            self.close()
            raise
        return decoded(self.header("content-encoding"), b"".join(self._peeked))

    def header(self, name: str) -> str:
        """Return the value of a header, '' without one."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    async def _peek(self) -> None:
        size = sum(map(len, self._peeked))
        while size < PEEK_BYTES:
            chunk = await anext(self._rest, None)
            if chunk is None:
                return
            self._peeked.append(chunk)
            size += len(chunk)

    async def _read(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise GatewayGoneError(_reason(error)) from None

    def close(self) -> None:
        """Close the connection if there is more to read; else keep it for the next call."""
        self._response.close()


class GatewayClient:
    """Connections to the gateway; to be closed."""

    def __init__(self) -> None:
        tls = httpx.create_ssl_context()  # the certificates that the other APIs trust
        # No limit: an agent waits for each call.
        self._kept = _session(
            aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=IDLE_SECONDS)
        )
        self._fresh = _session(aiohttp.TCPConnector(limit=0, ssl=tls, force_close=True))

    async def close(self) -> None:
        """Close all connections."""
        await self._kept.close()
        await self._fresh.close()

    async def send(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes,
        *,
        reuse: bool = True,
    ) -> Answer:
        """Send a request once and return the answer's beginning.  Raises GatewayGoneError.

        Without ``reuse`` it opens a connection for this call.
        """
        sent = SimpleNamespace(was_idle=False)
        session = self._kept if reuse else self._fresh
        try:
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=CIMultiDict([*headers, *_length(body)]),
                data=_pieces(body) if _is_large(body) else body,
                allow_redirects=False,
                proxy=_proxy_for(url),
                trace_request_ctx=sent,
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            lost = isinstance(error, aiohttp.ServerDisconnectedError | OSError)
            raise GatewayGoneError(
                _reason(error),
                was_idle=sent.was_idle and lost,
                was_sent=not isinstance(error, NEVER_SENT),
            ) from None
        if any(CONTROL_CHARACTERS.search(value) for _, value in response.raw_headers):
            response.close()
            raise GatewayGoneError("its headers are malformed")
        return Answer(response)


def _is_large(body: bytes) -> bool:
    return len(body) > PIECE_BYTES


def _length(body: bytes) -> list[tuple[str, str]]:
    """Return the header that aiohttp adds for a body in one piece only."""
    return [("Content-Length", str(len(body)))] if _is_large(body) else []


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    """Yield the pieces of a body, none of them copied; others have their turn between two."""
    whole = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        yield whole[start : start + PIECE_BYTES]
        await asyncio.sleep(0)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
        ),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=NOT_ADDED,
        read_bufsize=BUFFER_BYTES,
        max_line_size=MAX_HEAD_BYTES,
        max_field_size=MAX_HEAD_BYTES,
        trace_configs=[tracing],
    )


async def _note_reuse(_session: Any, context: SimpleNamespace, _parameters: Any) -> None:
    context.trace_request_ctx.was_idle = True


def _proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an ``https`` gateway elsewhere.

    Not left to aiohttp's ``trust_env``, which fails for a host that is in ``~/.netrc``.
    """
    target = URL(url)
    proxy = getproxies().get("https") if target.scheme == "https" else None
    if not proxy or is_on_this_machine(url) or proxy_bypass(target.host or ""):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _reason(error: Exception) -> str:
    """Return the type of a failure: its text may quote what was sent."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return type(error.certificate_error).__name__
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"proxy answered {error.status}"
    return type(error).__name__


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")
