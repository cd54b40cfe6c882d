"""A connection that can be cut: a TCP relay between the browser and the front door."""

from __future__ import annotations

import asyncio
import threading
from urllib.parse import urlsplit


class Relay:
    """Listens on a port of its own; ``cut`` and ``mend`` are the network."""

    def __init__(self, target_url: str) -> None:
        self.target = urlsplit(target_url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._most_bytes: int | None = None
        self._held_bytes: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        self._is_cut = True
        self._call(self._close_all())

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut, self._most_bytes, self._held_bytes = False, None, None

    def cut_after(self, sent_bytes: int) -> None:
        """Cut each connection on which the browser has sent more than so many bytes."""
        self._most_bytes = sent_bytes

    def hold_after(self, sent_bytes: int) -> None:
        """Take no more on each connection on which the browser has sent more than so many bytes."""
        self._held_bytes = sent_bytes

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
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.01)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not self._is_cut:
                await self._carry(reader, writer)
        except OSError:
            pass  # the other end is down: so is this one
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(
            self.target.hostname, self.target.port
        )
        try:
            ways = [
                asyncio.create_task(self._pump(reader, other_writer, limited=True)),
                asyncio.create_task(self._pump(other_reader, writer, limited=False)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            other_writer.transport.abort()

    async def _pump(self, source, sink, *, limited: bool) -> None:
        carried = 0
        while data := await source.read(64 * 1024):
            carried += len(data)
            if limited and self._most_bytes is not None and carried > self._most_bytes:
                return
            while limited and self._held_bytes is not None and carried > self._held_bytes:
                await asyncio.sleep(0.02)
            sink.write(data)
            await sink.drain()
