"""The webhook: its shapes, without a word of the conversation; retried, bounded, and quiet."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from jupyter_dbx_agents.agents.attention import webhook as module
from jupyter_dbx_agents.agents.attention.session import SessionState
from jupyter_dbx_agents.agents.attention.states import State
from jupyter_dbx_agents.agents.attention.webhook import Webhook, render

TITLES = {"codex": "Codex"}
NEED: SessionState = {
    "id": "x",
    "terminal": "1",
    "agent": "codex",
    "program": "codex",
    "folder": "/home/me/projects/hello",
    "state": State.PERMISSION,
    "since": datetime.now(UTC).isoformat(),
    "text": "rm -rf secret-of-the-conversation",
    "revision": 1,
    "seen": False,
    "settled": True,
}
SAID = "Codex in hello asks for permission."


class Service:
    """A service with webhooks, which answers as it is told to."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.is_slow, self.release = False, asyncio.Event()
        self.is_endless = False
        self.got: list[tuple[str, str]] = []


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Service, str]]:
    service = Service()

    class Handler(web.RequestHandler):
        async def post(self) -> None:
            is_slow, service.is_slow = service.is_slow, False
            if is_slow:
                await service.release.wait()
            service.got.append(
                (self.request.body.decode(), self.request.headers.get("Content-Type", ""))
            )
            self.set_status(service.answers.pop(0) if service.answers else 200)
            while service.is_endless and not service.release.is_set():
                self.write(b"x" * 65536)
                await self.flush()
                await asyncio.sleep(0.01)

    server = HTTPServer(web.Application([(r"/secret", Handler)]))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    try:
        yield service, f"http://127.0.0.1:{port}/secret"
    finally:
        service.release.set()
        server.stop()
        await server.close_all_connections()


@contextlib.asynccontextmanager
async def running(url: str, is_needed: bool = True, shape: str = "json") -> AsyncIterator[Webhook]:
    hook = Webhook(TITLES, lambda _need: is_needed, log=logging.getLogger("webhook"))
    hook.url, hook.shape, hook.delay_seconds = url, shape, 0.0
    task = asyncio.create_task(hook.run())
    try:
        yield hook
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(count: int, service: Service) -> None:
    async with asyncio.timeout(10):
        while len(service.got) < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("shape", ["slack", "teams", "ntfy", "json"])
def test_each_shape_says_agent_project_and_kind_and_nothing_of_the_conversation(shape: str):
    body, kind = render(shape, NEED, TITLES)
    assert SAID in body.decode()
    assert "secret" not in body.decode()
    assert "/home" not in body.decode()
    if shape == "ntfy":
        assert (body.decode(), kind) == (SAID, "text/plain; charset=utf-8")
    else:
        assert kind == "application/json"
        assert json.loads(body)


def test_a_folders_name_notifies_nobody_else_in_slack():
    body, _ = render("slack", {**NEED, "folder": "/projects/<!channel>"}, TITLES)
    assert json.loads(body)["text"] == "Codex in &lt;!channel&gt; asks for permission."


async def test_a_failure_that_may_pass_is_retried_and_the_message_comes_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
    async with serving() as (service, url), running(url, shape="slack") as hook:
        service.answers = [503, 429, 200]
        hook.tell(NEED)
        await until(3, service)
        hook.tell(NEED)
        await until(4, service)
        assert {body for body, _ in service.got} == {json.dumps({"text": SAID})}


async def test_a_refusal_is_not_repeated_and_the_url_is_not_logged(
    caplog: pytest.LogCaptureFixture,
):
    async with serving() as (service, url), running(url) as hook:
        service.answers = [404]
        hook.tell(NEED)
        await until(1, service)
        async with asyncio.timeout(5):
            while not (said := [r.getMessage() for r in caplog.records if r.name == "webhook"]):
                await asyncio.sleep(0.01)
        assert said == ["The webhook was not called: HTTP 404. Check Webhook.url."]
        assert len(service.got) == 1


async def test_what_was_seen_meanwhile_is_not_sent_and_a_flood_is_bounded():
    async with serving() as (service, url), running(url, is_needed=False) as hook:
        for _ in range(10 * module.MOST_WAITING):
            hook.tell(NEED)
        await asyncio.sleep(0.2)
        assert service.got == []


async def test_needs_of_one_moment_wait_together_and_behind_no_slow_answer():
    async with serving() as (service, url), running(url) as hook:
        service.is_slow, hook.delay_seconds = True, 0.3
        began = asyncio.get_running_loop().time()
        for _ in range(10):
            hook.tell(NEED)
        await until(9, service)
        assert asyncio.get_running_loop().time() - began < 2
        service.release.set()
        await until(10, service)


async def test_an_answer_without_an_end_is_not_read_and_what_is_seen_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.05)
    async with serving() as (service, url), running(url) as hook:
        service.is_endless = True
        for _ in range(2 * module.MOST_AT_ONCE):
            hook.tell(NEED)
        await until(2 * module.MOST_AT_ONCE, service)
        service.is_endless = False
        service.answers = [503, 503]
        asked: list[bool] = []  # it is seen after the first try

        def is_needed(_need: SessionState) -> bool:
            asked.append(not asked)
            return asked[-1]

        hook._is_needed = is_needed
        hook.tell(NEED)
        async with asyncio.timeout(5):
            while len(asked) < 2:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert service.answers == [503]


async def test_the_certificates_are_read_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    threads: list[threading.Thread] = []
    create = ssl.create_default_context

    def noting(*arguments: Any, **options: Any) -> ssl.SSLContext:
        threads.append(threading.current_thread())
        return create(*arguments, **options)

    monkeypatch.setattr(ssl, "create_default_context", noting)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # other ones than the tests before
    async with serving() as (service, url), running(url) as hook:
        for _ in range(3):
            hook.tell(NEED)
        await until(3, service)
    assert threads
    assert threading.main_thread() not in threads
