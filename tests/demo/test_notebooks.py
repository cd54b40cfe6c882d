"""Notebooks: a real kernel of the running server, over its websocket, as JupyterLab talks to it."""

import ast
import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.support.running_app import RunningApp, eventually

ROOT = Path(__file__).resolve().parents[2]
ROTATIONS = 5
# In the documentation's words, so that it is what is tested.
FRESH_HEADERS = """
from databricks.sdk.core import Config
config = Config()
def credentials():
    return config.authenticate
"""


class Kernel:
    """One kernel's websocket."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def run(self, code: str, seconds: float = 60.0) -> str:
        """Execute code and return what it prints; an exception in it fails the test."""
        request_id = uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        header = {
            "msg_id": request_id,
            "msg_type": "execute_request",
            "session": uuid.uuid4().hex,
            "username": "",
            "version": "5.3",
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self._socket.send(json.dumps({**message, "channel": "shell", "buffers": []}))
        printed = ""
        while True:
            reply = json.loads(self._socket.recv(timeout=seconds))
            if reply["parent_header"].get("msg_id") != request_id:
                continue
            kind, content = reply["msg_type"], reply["content"]
            assert kind != "error", "\n".join(content["traceback"])
            printed += content["text"] if kind == "stream" else ""
            if kind == "status" and content["execution_state"] == "idle":
                return printed


@contextlib.contextmanager
def new_kernel(app: RunningApp) -> Iterator[Kernel]:
    number = app.owner.json("POST", "/api/kernels", {})["id"]
    address = f"{app.owner.url.replace('http', 'ws', 1)}/api/kernels/{number}/channels"
    headers = {"Cookie": f"_xsrf={app.owner.xsrf}", "Origin": app.owner.url}
    try:
        with connect(address, additional_headers=headers, max_size=None) as socket:
            yield Kernel(socket)
    finally:
        app.owner.http.delete(f"/api/kernels/{number}")


@pytest.fixture(scope="module")
def kernel(app: RunningApp) -> Iterator[Kernel]:
    app.log_in()
    with new_kernel(app) as made:
        yield made


def test_a_kernel_has_the_clean_environment_of_a_terminal(app: RunningApp, kernel: Kernel):
    environment = ast.literal_eval(kernel.run("import os; print(dict(os.environ))"))
    assert not [name for name in environment if name.startswith("DATABRICKS_")]
    assert not [value for value in environment.values() if "dapi" in value]
    assert environment["HOME"] == str(app.home)
    assert environment["PATH"].split(":")[0] == f"{app.home}/.local/bin"
    assert kernel.run("import shutil; print(shutil.which('jupyter-dbx-agents'))").strip() != "None"


def test_a_kernel_has_the_libraries_that_the_documentation_names(kernel: Kernel):
    text = " ".join((ROOT / "docs/notebooks.md").read_text(encoding="utf-8").split())
    named = re.findall(r"`([\w-]+)`", text.partition("among them ")[2].partition(", and on")[0])
    assert len(named) > 3
    kernel.run(f"import importlib.metadata as m; print([m.version(name) for name in {named}])")
    required = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"^pandas\b", required, re.MULTILINE), "say in the docs that it is there"


def test_a_workspace_client_in_a_notebook_lives_through_rotations(app: RunningApp, kernel: Kernel):
    kernel.run("from databricks.sdk import WorkspaceClient; workspace = WorkspaceClient()")
    first = app.pat()["rotations"]
    before = app.control.requests(path="/api/2.0/preview/scim")

    def ask() -> bool:
        assert (
            kernel.run("print(workspace.current_user.me().user_name)").strip()
            == (app.lines["owner"])
        )
        return bool(app.pat()["rotations"] >= first + ROTATIONS)

    eventually(ask, 90, f"{ROTATIONS} rotations")
    calls = app.control.requests(since=before[-1]["number"], path="/api/2.0/preview/scim")
    ours = [call for call in calls if "databricks-sdk-py" in call["user_agent"]]
    assert len({call["token_id"] for call in ours}) >= ROTATIONS - 1
    assert {call["status"] for call in ours} == {200}


def test_what_the_sql_connector_is_given_is_fresh_each_time_it_asks(
    app: RunningApp, kernel: Kernel
):
    kernel.run(FRESH_HEADERS)
    kernel.run(
        "import httpx; headers = credentials()\n"
        "address = config.host + '/api/2.0/preview/scim/v2/Me'"
    )
    first = app.pat()["rotations"]
    seen = set()

    def ask() -> bool:
        seen.add(kernel.run("print(hash(headers()['Authorization']))"))
        status = kernel.run("print(httpx.get(address, headers=headers()).status_code)")
        assert status.strip() == "200"
        return bool(app.pat()["rotations"] >= first + 3)

    eventually(ask, 60, "three rotations")
    assert len(seen) >= 3


def test_a_kernel_keeps_the_token_rotating_as_a_terminal_does(app: RunningApp, kernel: Kernel):
    first = app.pat()["rotations"]
    eventually(lambda: app.pat()["rotations"] > first, 30, "a rotation")
    assert app.status()["sessions"]["kernels"] >= 1
