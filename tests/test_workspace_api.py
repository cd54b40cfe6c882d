"""What the workspace's replies say, in whichever shape they come."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jupyter_dbx_agents import workspace_api
from jupyter_dbx_agents.broker.gateway_errors import says_token_is_dead
from jupyter_dbx_agents.errors import WorkspaceUnavailableError
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import ErrorBody, WorkspaceApi, is_token_refusal, read_error
from tests.broker.scripted_gateway import Exchange, scripted_gateway


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"error_code": "QUOTA_EXCEEDED", "message": "full"}', ("full", "QUOTA_EXCEEDED")),
        (
            b'{"error_code": 403, "message": "Invalid access token"}',
            ("Invalid access token", "403"),
        ),
        (
            b'{"error": "invalid_client", "error_description": "unknown"}',
            ("unknown", "invalid_client"),
        ),
        (b'{"error": "not found"}', ("not found", "not found")),
        (b'{"type": "error", "error": {"type": "x", "message": "overloaded"}}', ("overloaded", "")),
        (b'{"error": {"code": 400}}', ("", "")),
        (b'"plain"', ("plain", "")),
        (b"[1]", ("", "")),
        (b"<html>Bad Gateway</html>", ("", "")),
        (b"\xff\xfe\x00", ("", "")),
        (b"", ("", "")),
        (b"[" * 3000, ("", "")),
    ],
)
def test_an_error_body_is_read_in_every_shape(body: bytes, read: tuple[str, str]):
    assert read_error(body) == ErrorBody(*read)


@contextlib.asynccontextmanager
async def answering(body: bytes, *, drops: bool = False) -> AsyncIterator[WorkspaceApi]:
    """A workspace with one answer; ``drops``: it never ends, and comes a byte at a time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            length = 100_000 if drops else len(body)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            while drops:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    calls: list[Any] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    api = WorkspaceApi(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield api
    finally:
        await api.close()
        server.close()
        await asyncio.gather(*calls)  # they end with the connection


async def test_an_answer_that_never_ends_is_given_up_also_by_the_look_up_of_the_owner(monkeypatch):
    monkeypatch.setattr(workspace_api, "TOTAL_TIMEOUT_SECONDS", 0.5)
    async with asyncio.timeout(20), answering(b"", drops=True) as api:
        with pytest.raises(WorkspaceUnavailableError):
            await api.me(Secret("dapi"))
        with pytest.raises(WorkspaceUnavailableError):
            await api.app_creator("app", "id", Secret("secret"))
        with pytest.raises(WorkspaceUnavailableError):
            await api.get_json("/api/2.0/apps/app", Secret("secret"))


async def test_an_odd_entry_of_a_token_list_spoils_neither_the_others_nor_itself():
    good = {"token_id": "a", "comment": "c", "creation_time": 0, "expiry_time": -1}
    odd = {**good, "token_id": "b", "expiry_time": 10**17, "scopes": "all"}
    body = {"token_infos": [odd, None, {}, "?", {**good, "scopes": ["scim", "sql"]}]}
    async with answering(json.dumps(body).encode()) as api:
        listed = await api.list_tokens(Secret("dapi"))
    assert [info.token_id for info in listed] == ["b", "", "", "", "a"]
    assert listed[0].expires_at is None
    assert listed[-1].scopes == frozenset({"scim", "sql"})


async def test_a_user_has_a_login_name_and_addresses():
    user = {
        "userName": "Jane_corp.com#EXT#@tenant.example",
        "emails": [{"value": "Jane@Corp.com"}, {"value": "no address"}, None, {}],
    }
    async with answering(json.dumps(user).encode()) as api:
        me = await api.me(Secret("dapi"))
    assert me.addresses == {"jane_corp.com#ext#@tenant.example", "jane@corp.com"}


def test_an_error_that_is_nested_too_deeply_says_nothing():
    assert read_error(b"[" * 100_000) == ErrorBody("", "")


async def drop_by_drop(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.chunk(b" ")
        await asyncio.sleep(0.05)


async def test_a_call_whose_answer_comes_drop_by_drop_ends():
    async with scripted_gateway(drop_by_drop) as workspace:
        api = WorkspaceApi(workspace.url)
        with pytest.raises(WorkspaceUnavailableError, match="TimeoutError"):
            async with asyncio.timeout(20):
                await api.call("GET", "/api/any", Secret("dapi"), most_seconds=0.3)
        await api.close()


async def test_no_proxy_sees_a_token_for_a_workspace_on_this_machine(monkeypatch):
    async def user(exchange: Exchange) -> None:
        await exchange.reply(200, b'{"userName":"a"}')

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with scripted_gateway(user) as proxy, scripted_gateway(user) as workspace:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        here, elsewhere = WorkspaceApi(workspace.url), WorkspaceApi("http://workspace.example")
        assert (await here.me(Secret("dapi"))).user_name == "a"
        assert (len(workspace.seen), len(proxy.seen)) == (1, 0)
        await elsewhere.me(Secret("dapi"))
        assert (len(workspace.seen), len(proxy.seen)) == (1, 1)
        await here.close()
        await elsewhere.close()


@pytest.mark.parametrize(
    ("status", "message", "is_refused"),
    [
        (401, "anything", True),
        (403, "Invalid access token. [ReqId: 3f-4]", True),
        (403, "Invalid access token", True),
        (403, "Invalid Token", True),
        (400, "Invalid Token", True),
        (400, "Invalid access token.", True),
        (403, "The access token has expired.", True),
        (403, "User does not have permission.", False),
        (400, "The file invalid token.md does not exist", False),
        (400, "messages: invalid token count", False),
        (404, "Invalid Token", False),
        (500, "Invalid Token", False),
    ],
)
def test_one_list_has_the_sentences_for_a_token_that_is_not_accepted(status, message, is_refused):
    assert is_token_refusal(status, message) is is_refused
    assert says_token_is_dead(status, json.dumps({"message": message})) is is_refused


@pytest.mark.parametrize(
    ("status", "message", "is_refused"),
    [
        (401, "", True),
        (400, "Invalid Token", True),
        (400, "The file invalid token.md cannot be written.", False),
        (403, "The file Invalid Token.md is not yours.", False),
    ],
)
def test_a_message_that_names_a_file_refuses_no_token(status, message, is_refused):
    assert is_token_refusal(status, message) is is_refused
