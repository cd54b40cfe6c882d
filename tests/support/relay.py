"""A connection that can be cut: a TCP relay between the browser and the front door."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from urllib.parse import urlsplit


class Relay:
    """Listens on a port of its own; ``cut`` and ``mend`` are the network."""

    def __init__(self, target_url: str) -> None:
        self.target = urlsplit(target_url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._websockets: dict[asyncio.StreamWriter, bytes] = {}  # with what asks for them
        self._lost: set[asyncio.StreamWriter] = set()
        self._sent_bytes: Counter[asyncio.StreamWriter] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.mend()

    def mend(self) -> None:
        """Let connections through again, and count anew what is sent on them."""
        self._sent_bytes.clear()
        self._is_cut = False
        self._most_bytes: int | None = None
        self._held_bytes: int | None = None
        self._answer, self._answered_path = b"", b""
        self._swallowed_path: bytes | None = None
        self._delay_seconds = 0.0

    def be_far_away(self, seconds: float) -> None:
        """Carry everything that comes from now on so much later, each way."""
        self._delay_seconds = seconds

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._is_cut = True
        self._call(self._close_all())

    def cut_after(self, sent_bytes: int) -> None:
        """Cut each connection on which the browser has sent more than so many bytes."""
        self._most_bytes = sent_bytes

    def hold_after(self, sent_bytes: int) -> None:
        """Take no more on each connection on which the browser has sent more than so many bytes."""
        self._held_bytes = sent_bytes

    def answer(self, status: str, *headers: str, path: str = "/") -> None:
        """End all connections, and answer those that begin with a path in place of the server."""
        lines = [f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "Connection: close", "", ""]
        self._answer, self._answered_path = "\r\n".join(lines).encode(), f" {path}".encode()
        self._call(self._close_all())

    def be_silent(self) -> None:
        """Carry nothing more on the open websockets, nor on new connections; tell neither end."""
        self.swallow("/")
        self.lose_websockets()

    def swallow(self, path: str) -> None:
        """Say nothing to those who ask for what begins with a path, from now on."""
        self._swallowed_path = f" {path}".encode()

    def lose_websockets(self) -> None:
        """Carry nothing more on the open websockets; tell neither end."""
        self._lost |= self._websockets.keys()

    def close_websockets(self, code: int, path: str = "/") -> None:
        """Close the open websockets that begin with a path politely, as a proxy does."""
        frame = bytes([0x88, 2]) + code.to_bytes(2)
        for writer, head in list(self._websockets.items()):
            if f" {path}".encode() in head:
                self._lost.add(writer)
                self._loop.call_soon_threadsafe(writer.write, frame)

    def stop(self) -> None:
        """Close everything."""
        self.cut()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close_all(self) -> None:
        closing = set(self._writers)  # where the network is not cut, others begin meanwhile
        for writer in closing:
            writer.transport.abort()
        while closing & self._writers:
            await asyncio.sleep(0.01)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not self._is_cut:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other end is down: so is this one
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._lost.discard(writer)
            self._websockets.pop(writer, None)
            self._sent_bytes.pop(writer, None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked = head.split(b"\r\n")[0]
        if self._swallowed_path and self._swallowed_path in asked:
            await reader.read()
        elif self._answer and self._answered_path in asked:
            writer.write(self._answer)
            writer.write_eof()
            await reader.read()
        else:
            if b"\r\nUpgrade: websocket\r\n" in head:
                self._websockets[writer] = asked
            await self._carry(head, reader, writer)

    async def _carry(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        other_reader, other_writer = await asyncio.open_connection(
            self.target.hostname, self.target.port
        )
        other_writer.write(head)
        try:
            ways = [
                asyncio.create_task(self._pump(reader, other_writer, writer)),
                asyncio.create_task(self._pump(other_reader, writer, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            other_writer.transport.abort()

    async def _pump(self, source, sink, browser: asyncio.StreamWriter) -> None:
        while data := await source.read(64 * 1024):
            if sink is not browser:
                self._sent_bytes[browser] += len(data)
                if self._has_sent(browser, self._most_bytes):
                    return
                while self._has_sent(browser, self._held_bytes):
                    await asyncio.sleep(0.02)
            if browser not in self._lost:
                if self._delay_seconds:
                    self._loop.call_later(self._delay_seconds, sink.write, data)
                else:
                    sink.write(data)
                await sink.drain()
        await asyncio.sleep(2 * self._delay_seconds)  # what is under way arrives

    def _has_sent(self, browser: asyncio.StreamWriter, most_bytes: int | None) -> bool:
        return most_bytes is not None and self._sent_bytes[browser] > most_bytes
