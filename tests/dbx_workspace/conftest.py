"""A local workspace on free loopback ports, in an event loop of its own, for blocking clients."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from databricks.sdk import WorkspaceClient

from dbx_workspace.apps.records import App
from dbx_workspace.control_client import ControlClient
from dbx_workspace.server import LocalWorkspace
from tests.support.constants import OWNER

APP = "dbx-agents"

T = TypeVar("T")


class BackgroundLoop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Site:
    """A running workspace and its clients."""

    def __init__(self, loop: BackgroundLoop) -> None:
        self.loop = loop
        self.server = LocalWorkspace()
        self.workspace = self.server.workspace
        self.workspace.add_user(OWNER)
        self.app = self.workspace.apps.add(App(APP, OWNER))
        loop.run(self.server.start())
        self.url = self.server.url
        self.control = ControlClient(self.server.control_url)
        self.pat = self.control.mint(OWNER).token_value
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False, verify=tls)

    def sdk(self, token: str | None = None, **options: Any) -> WorkspaceClient:
        return WorkspaceClient(host=self.url, token=token or self.pat, auth_type="pat", **options)

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {token or self.pat}", **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def close(self) -> None:
        self.http.close()
        self.control.close()
        self.loop.run(self.server.stop())


@pytest.fixture(scope="session")
def background_loop() -> Iterator[BackgroundLoop]:
    loop = BackgroundLoop()
    yield loop
    loop.close()


@pytest.fixture
def site(background_loop: BackgroundLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    site = Site(background_loop)
    yield site
    site.close()
