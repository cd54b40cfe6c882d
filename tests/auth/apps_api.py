"""A workspace's OAuth and Apps endpoints, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler


class AppsApi:
    """Knows one app; its creator is None while the Apps service is out of order."""

    def __init__(self, creator: str | None) -> None:
        self.creator = creator
        self.seen: list[str] = []

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve in the running loop; yields the workspace's address."""
        routes = [(r"/oidc/v1/token", _Token), (r"/api/2.0/apps/(.+)", _App)]
        [socket] = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(Application(routes, api=self, log_function=lambda _: None))
        server.add_sockets([socket])
        try:
            yield f"http://127.0.0.1:{socket.getsockname()[1]}"
        finally:
            server.stop()
            await server.close_all_connections()


@contextlib.contextmanager
def serving_in_a_thread(api: AppsApi) -> Iterator[str]:
    """Serve beside a test that has no event loop."""
    ready, done = threading.Event(), asyncio.Event()
    address: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with api.serving() as host:
            address.append(host)
            ready.set()
            await done.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)


class _Token(RequestHandler):
    def post(self) -> None:
        self.settings["api"].seen.append(self.request.headers["Authorization"].split()[0])
        self.write(json.dumps({"access_token": "service-principal-bearer"}))


class _App(RequestHandler):
    def get(self, name: str) -> None:
        api: AppsApi = self.settings["api"]
        api.seen.append(f"{name} as {self.request.headers['Authorization'].split()[1]}")
        if api.creator is None:
            self.set_status(503)
        else:
            self.write(json.dumps({"name": name, "creator": api.creator}))
