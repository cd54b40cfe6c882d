"""The Apps front door in front of a real tornado app: HTTP, websockets, identity."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import websockets
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler
from websockets.typing import Subprotocol

from dbx_workspace.front_door.door import FrontDoor
from dbx_workspace.front_door.rules import FrontDoorLimits


class Echo(RequestHandler):
    def _reply(self) -> None:
        self.add_header("Set-Cookie", "a=1")
        self.add_header("Set-Cookie", "b=2")
        headers = [list(pair) for pair in self.request.headers.get_all()]
        size = len(self.request.body)
        self.write(json.dumps({"headers": headers, "uri": self.request.uri, "size": size}))

    get = put = post = delete = head = _reply


class Slow(RequestHandler):
    async def get(self) -> None:
        for number in range(3):
            self.write(f"{number}\n")
            await self.flush()
            await asyncio.sleep(0.15)


class Hanging(RequestHandler):
    has_left = asyncio.Event()

    async def get(self) -> None:
        await asyncio.sleep(30)

    def on_connection_close(self) -> None:
        Hanging.has_left.set()


class Firehose(RequestHandler):
    written = 0

    async def get(self) -> None:
        for _ in range(1000):
            self.write(b"x" * 100_000)
            await self.flush()
            Firehose.written += 100_000


@stream_request_body
class Rejecting(RequestHandler):
    def prepare(self) -> None:
        self.set_status(403)
        self.finish("no")

    def data_received(self, chunk: bytes) -> None: ...


class Socket(WebSocketHandler):
    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None

    async def open(self) -> None:
        await self.write_message(self.request.headers.get("X-Forwarded-Email", "nobody"))

    async def on_message(self, message: str | bytes) -> None:
        if message == "bye":
            self.close(4321, "see you")
        else:
            await self.write_message(message, binary=isinstance(message, bytes))


ROUTES = [
    ("/slow", Slow),
    ("/hanging", Hanging),
    ("/firehose", Firehose),
    ("/reject", Rejecting),
    ("/ws", Socket),
    ("/.*", Echo),
]


@asynccontextmanager
async def open_door(**options) -> AsyncIterator[tuple[FrontDoor, httpx.AsyncClient]]:
    server = HTTPServer(Application(ROUTES, log_function=lambda _handler: None))
    (listener,) = bind_sockets(0, "127.0.0.1")
    server.add_sockets([listener])
    door = FrontDoor(
        f"http://127.0.0.1:{listener.getsockname()[1]}", "owner@example.com", **options
    )
    await door.start()
    try:
        async with httpx.AsyncClient(base_url=door.url, timeout=60, trust_env=False) as client:
            yield door, client
    finally:
        await door.stop()
        server.stop()
        await server.close_all_connections()


async def _headers_seen(client: httpx.AsyncClient, **options) -> list[tuple[str, str]]:
    response = await client.get("/x", **options)
    return [(name, value) for name, value in response.json()["headers"]]


async def test_the_app_sees_the_visitor_and_no_forged_identity():
    forged = [
        ("X-Forwarded-Email", "evil@example.com"),
        ("x_forwarded_email", "evil@example.com"),
        ("X-Forwarded-Access-Token", "stolen"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-Ip", "1.2.3.4"),
        ("Forwarded", "for=1.2.3.4"),
        ("Authorization", "kept"),
    ]
    async with open_door() as (door, client):
        seen = await _headers_seen(client, headers=forged)
    values = dict(seen)
    assert values["X-Forwarded-Email"] == "owner@example.com"
    assert values["X-Forwarded-Preferred-Username"] == "owner@example.com"
    assert values["X-Forwarded-User"]
    assert values["X-Forwarded-Host"] == values["Host"] == door.url.removeprefix("http://")
    assert values["X-Forwarded-Proto"] == "http"
    assert values["X-Real-Ip"] == "127.0.0.1"
    assert values["X-Request-Id"]
    assert values["Authorization"] == "kept"
    assert len([name for name, _ in seen if "email" in name.lower()]) == 1
    for name in ("X-Forwarded-Access-Token", "X-Forwarded-For", "Forwarded"):
        assert name not in values
    assert not any(value in ("evil@example.com", "1.2.3.4") for _, value in seen)


async def test_host_and_access_token_are_options():
    async with open_door(keep_host=False, access_token="user-token") as (door, client):
        values = dict(await _headers_seen(client))
    assert values["Host"] == f"127.0.0.1:{door.app_port}"
    assert values["X-Forwarded-Host"] == door.url.removeprefix("http://")
    assert values["X-Forwarded-Access-Token"] == "user-token"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
async def test_methods_bodies_queries_and_repeated_headers_are_forwarded(method):
    body = b"x" * 3_000_000 if method in ("PUT", "POST") else b""
    async with open_door() as (_, client):
        response = await client.request(method, "/a%20b?c=%2F", content=body or None)
        assert response.json()["uri"] == "/a%20b?c=%2F"
        assert response.json()["size"] == len(body)
        assert response.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
        head = await client.head("/a")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["Content-Length"]) > 0


async def test_a_chunked_body_is_forwarded():
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"y" * 1000

    async with open_door() as (_, client):
        assert (await client.post("/a", content=chunks())).json()["size"] == 5000


async def test_a_response_is_streamed_as_it_arrives():
    loop = asyncio.get_running_loop()
    async with open_door() as (_, client), client.stream("GET", "/slow") as response:
        arrived = [(loop.time(), line) async for line in response.aiter_lines()]
    assert [line for _, line in arrived] == ["0", "1", "2"]
    assert arrived[2][0] - arrived[0][0] > 0.2


async def test_the_app_is_paused_while_the_visitor_does_not_read():
    Firehose.written = 0
    async with open_door() as (_, client), client.stream("GET", "/firehose") as response:
        chunks = response.aiter_raw()
        size = len(await anext(chunks))
        before = -1
        while before != Firehose.written:
            before = Firehose.written
            await asyncio.sleep(0.3)
        assert before < 50_000_000
        size += sum([len(chunk) async for chunk in chunks])
        assert size == Firehose.written == 100_000_000


async def test_the_apps_request_ends_when_the_visitor_leaves():
    Hanging.has_left = asyncio.Event()
    async with open_door() as (_, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/hanging", timeout=0.2)
        await asyncio.wait_for(Hanging.has_left.wait(), 5)


async def test_a_request_over_the_limit_is_a_504():
    async with open_door(limits=FrontDoorLimits(scale=0.002)) as (_, client):
        assert (await client.get("/hanging")).status_code == 504
        assert (await client.get("/x")).status_code == 200


async def test_a_stream_may_outlast_the_limit_of_requests_but_not_its_own():
    limits = FrontDoorLimits(request_seconds=0.2, stream_seconds=0)
    async with open_door(limits=limits) as (_, client):
        assert (await client.get("/slow")).text == "0\n1\n2\n"
        limits.stream_seconds = 0.25
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/slow")


async def test_a_silent_websocket_is_closed_and_one_with_pings_is_not():
    limits = FrontDoorLimits(scale=0.01)  # 0.6 s of silence
    async with open_door(limits=limits) as (door, _):
        url = door.url.replace("http", "ws", 1) + "/ws"
        async with websockets.connect(url, proxy=None, ping_interval=0.1) as socket:
            await socket.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 1.5)
            await socket.send("alive")
            assert await socket.recv() == "alive"
        async with websockets.connect(url, proxy=None, ping_interval=None) as socket:
            await socket.recv()
            with pytest.raises(websockets.ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 30)


async def test_a_websocket_is_closed_at_its_time_limit():
    limits = FrontDoorLimits(websocket_seconds=0.3)
    async with open_door(limits=limits) as (door, _):
        url = door.url.replace("http", "ws", 1) + "/ws"
        async with websockets.connect(url, proxy=None, ping_interval=0.05) as socket:
            with pytest.raises(websockets.ConnectionClosed):
                while True:
                    await asyncio.wait_for(socket.recv(), 30)


async def test_an_app_that_is_down_is_a_502():
    door = FrontDoor("http://127.0.0.1:9", "owner@example.com")
    await door.start()
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(2):
            response = await client.post(door.url, content=b"x" * 100_000)
            assert (response.status_code, response.text) == (502, "The app is not answering.")
    await door.stop()


async def test_an_early_error_reaches_a_visitor_who_is_still_sending():
    async with open_door() as (_, client):
        assert (await client.post("/reject", content=b"x" * 1000)).status_code == 403


async def test_a_websocket_is_relayed_with_its_subprotocol_pings_and_close_code():
    async with open_door() as (door, _):
        url = door.url.replace("http", "ws", 1) + "/ws"
        forged = {"X-Forwarded-Email": "evil@example.com"}
        async with websockets.connect(
            url,
            subprotocols=[Subprotocol("one"), Subprotocol("two")],
            additional_headers=forged,
            proxy=None,
        ) as socket:
            assert socket.subprotocol == "one"
            assert await socket.recv() == "owner@example.com"
            for message in ("text", b"\x00\xff", "x" * 500_000):
                await socket.send(message)
                assert await socket.recv() == message
            await asyncio.wait_for(await socket.ping(), 5)
            await socket.send("bye")
            with pytest.raises(websockets.ConnectionClosed):
                await socket.recv()
            assert (socket.close_code, socket.close_reason) == (4321, "see you")


async def test_a_rejected_upgrade_lets_no_smuggled_request_through():
    async with open_door() as (door, _):
        host, port = door.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nHost: x\r\n"
        forged = "GET /x HTTP/1.1\r\nHost: x\r\nX-Forwarded-Email: evil@example.com\r\n\r\n"
        # The route is not a websocket, so the app replies 200; the second request is smuggled.
        writer.write(f"GET /x HTTP/1.1\r\n{upgrade}\r\n{forged}".encode())
        responses = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert b"evil@example.com" not in responses
    assert responses.count(b"HTTP/1.1 ") == 1
