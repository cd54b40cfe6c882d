"""What the platform's proxies cut is brought back, and what they need to see is shown to them.

The limits are the platform's, scaled down; so are the pings.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator

import pytest
from jupyter_server.base.websocket import WS_PING_INTERVAL
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dbx_workspace.front_door.rules import FrontDoorLimits
from jupyter_dbx_agents.lifecycle.preferences import WEBSOCKET_PING_SECONDS
from tests.support.running_app import Browser, RunningApp
from tests.support.terminal_client import ANSI

SCALE = 1 / 25
PINGS = (
    "--ServerApp.websocket_ping_interval=1",  # of 25 s
    "--ServerApp.tornado_settings={'ws_ping_interval': 1200}",  # of 30 s
)
IDLE_SECONDS = FrontDoorLimits().websocket_idle_seconds * SCALE


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app behind front doors."""
    folder = tmp_path_factory.mktemp("doors")
    home, log = folder / "home", folder / "log"
    running = RunningApp(home, log, "--DbxAgentsApp.install_agents=False", *PINGS)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def owner(app: RunningApp) -> Iterator[Browser]:
    """The owner, and the limits as they were afterwards."""
    app.log_in()
    yield app.owner
    app.control.limit_front_door(scale=1, websocket_seconds=0)


def websocket(owner: Browser, path: str) -> ClientConnection:
    """A websocket that sends nothing by itself but answers to pings, as a browser's."""
    headers = {"Cookie": f"_xsrf={owner.xsrf}", "Origin": owner.url}
    address = owner.url.replace("http", "ws", 1) + path
    return connect(address, additional_headers=headers, max_size=None, ping_interval=None)


def test_the_pings_come_well_within_the_time_of_silence_that_proxies_allow():
    allowed = FrontDoorLimits().websocket_idle_seconds
    assert allowed / 2 >= WEBSOCKET_PING_SECONDS
    assert allowed / 2 >= WS_PING_INTERVAL / 1000


@pytest.mark.parametrize("kind", ["terminal", "events"])
def test_a_websocket_on_which_nothing_happens_stays_open(
    app: RunningApp, owner: Browser, kind: str
):
    name = owner.json("POST", "/api/terminals")["name"]
    paths = {"terminal": f"/terminals/websocket/{name}", "events": "/api/events/subscribe"}
    app.control.limit_front_door(scale=SCALE)
    with websocket(owner, paths[kind]) as socket:
        ends_at = time.monotonic() + 2 * IDLE_SECONDS  # longer than the doors allow
        while (left := ends_at - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):  # nothing comes but pings, and beats of events
                socket.recv(timeout=left)
        owner.json("POST", "/dbx-agents/api/pat/rotate")
        if kind == "terminal":
            socket.send(json.dumps(["stdin", "echo al''ive\n"]))
        wanted = "alive" if kind == "terminal" else "rotations"
        while wanted not in str(socket.recv(timeout=60)):
            pass
    owner.http.delete(f"/api/terminals/{name}")


def test_a_stream_that_lasts_longer_than_a_websocket_is_whole_after_each_reconnection(
    app: RunningApp, owner: Browser
):
    name = owner.json("POST", "/api/terminals")["name"]
    app.control.limit_front_door(websocket_seconds=1)
    program = "for n in $(seq 60); do echo tick $n.; sleep 0.1; done; echo fin''ished\n"
    connections, shown = 0, ""
    while "finished" not in shown:
        connections += 1
        shown = ""
        with websocket(owner, f"/terminals/websocket/{name}") as socket:
            socket.send(json.dumps(["set_size", 40, 200, 800, 1600]))
            if connections == 1:
                socket.send(json.dumps(["stdin", program]))
            with contextlib.suppress(ConnectionClosed):
                while "finished" not in shown:
                    kind, *content = json.loads(socket.recv(timeout=60))
                    shown += ANSI.sub("", content[0]) if kind == "stdout" else ""
    ticks = [int(number) for number in re.findall(r"tick (\d+)\.", shown)]
    assert ticks == list(range(1, 61))
    assert connections > 3
    owner.http.delete(f"/api/terminals/{name}")
