"""The one list of MCP servers: what is offered to all agents, what the owner adds, bad input."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from jupyter_dbx_agents.agents import AGENTS
from jupyter_dbx_agents.agents.mcp.servers import McpServers
from jupyter_dbx_agents.background import Listeners
from jupyter_dbx_agents.broker.mcp.paths import is_listed
from jupyter_dbx_agents.config_files.managed import STATE_FOLDER
from jupyter_dbx_agents.errors import RequestError
from jupyter_dbx_agents.local_channel.paths import MCP_PATH
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.web.operations import Services
from jupyter_dbx_agents.web.rest import rest_routes
from tests.support.agent_context import context_of

HOST = "https://ws.example.com"
SPACE = "/api/2.0/mcp/genie/01ef"
FOREIGN = {"url": "https://docs.example/mcp", "headers": {"Authorization": "Bearer s3cret"}}


@dataclass
class Seen:
    state: str = "unknown"
    problem: str = ""
    tools: list[Any] = field(default_factory=list)
    is_read_only: bool = False
    path: str = ""


class Workspace:
    """What the broker is to the list."""

    def __init__(self) -> None:
        self.on_change = Listeners("x", logging.getLogger())
        self.paths: dict[str, tuple[str, ...]] = {}
        self.servers: dict[str, Seen] = {}
        self.checked: list[str] = []

    is_listed = staticmethod(is_listed)

    def offer(self, paths: Any) -> None:
        self.paths = dict(paths)
        self.servers = {n: self.servers.get(n, Seen(path=each[0])) for n, each in paths.items()}

    def seen(self, name: str) -> Seen | None:
        return self.servers.get(name)

    async def check(self, name: str) -> None:
        self.checked.append(name)


def list_of(home: Path, workspace: Workspace | None = None, **traits: Any) -> McpServers:
    return McpServers(
        home, HOST, workspace or Workspace(), lambda: "http://127.0.0.1:1234", **traits
    )


def test_sql_genie_and_search_are_offered_with_the_agents_secret_only(tmp_path: Path):
    offered = list_of(tmp_path).offered(Secret("capability"))
    assert list(offered) == ["dbx-sql", "dbx-genie", "web-search"]
    assert offered["dbx-sql"]["url"] == "http://127.0.0.1:1234/mcp/dbx-sql"
    assert offered["dbx-sql"]["headers"] == {"x-api-key": Secret("capability")}


def test_what_the_workspace_does_not_have_is_not_offered_and_said(tmp_path: Path):
    workspace = Workspace()
    servers = list_of(tmp_path, workspace)
    changes: list[int] = []
    servers.on_offer.append(lambda: changes.append(1))
    workspace.on_change.notify()
    assert not changes
    workspace.servers["web-search"].state = "missing"
    workspace.on_change.notify()
    assert changes == [1]
    assert "web-search" not in servers.offered(Secret("x"))
    assert "does not have it" in servers.model("web-search")["message"]


async def test_a_server_is_added_switched_and_removed_and_all_that_is_kept(tmp_path: Path):
    workspace = Workspace()
    servers = list_of(tmp_path, workspace)
    added = await servers.add("sales", {"url": f"{HOST}{SPACE}"})
    assert (added["address"], added["is_added"], added["is_foreign"]) == (SPACE, True, False)
    assert workspace.paths["sales"] == (SPACE,)
    assert workspace.checked == ["sales"]
    await servers.switch("dbx-genie", is_on=False)
    again = list_of(tmp_path)
    assert again.model("sales")["enabled"]
    assert again.model("dbx-genie")["state"] == "off"
    assert "dbx-genie" not in again.offered(Secret("x"))
    await servers.remove("sales")
    assert "sales" not in workspace.paths
    assert "sales" not in [model["name"] for model in list_of(tmp_path).status()]


async def test_a_foreign_server_goes_to_each_agent_and_its_secrets_are_not_shown(tmp_path: Path):
    workspace = Workspace()
    servers = list_of(tmp_path, workspace)
    added = await servers.add("docs", FOREIGN)
    assert added["is_foreign"] and "s3cret" not in json.dumps(servers.status())
    assert servers.offered(Secret("x"))["docs"] == FOREIGN
    assert "docs" not in workspace.paths
    kept = tmp_path / STATE_FOLDER / "mcp.json"
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        (
            {"url": "https://me:pass@mcp.example:8080/api/0123456789abcdefghijk/mcp?key=s3cret#a"},
            "https://mcp.example:8080/api/…/mcp?…",
        ),
        ({"url": "https://docs.example/mcp"}, "https://docs.example/mcp"),
        (
            {"command": "npx", "args": ["-y", "a", "b", "--token", "s3cret", "--key=s3cret"]},
            "npx -y … --token … --key=…",
        ),
        ({"command": "run", "args": ["-s3cret-of-more-than-20-characters"]}, "run …"),
        ({"command": "run"}, "run"),
    ],
)
async def test_what_may_be_a_secret_in_an_address_is_not_shown_and_the_agents_get_it(
    tmp_path: Path, server: dict[str, Any], shown: str
):
    servers = list_of(tmp_path)
    assert (await servers.add("x", server))["address"] == shown
    assert servers.offered(Secret("x"))["x"] == {
        key: tuple(value) if isinstance(value, list) else value for key, value in server.items()
    }


@pytest.mark.parametrize(
    "url",
    [
        "HTTPS://WS.Example.com/api/2.0/mcp/genie/01ef",
        "https://ws.example.com:443/api/2.0/mcp/genie/01ef",
        "https://ws.example.com/api/2.0/mcp/genie/01ef?o=1234",
    ],
)
async def test_a_url_of_the_workspace_is_one_however_it_is_written(tmp_path: Path, url: str):
    added = await list_of(tmp_path).add("sales", {"url": url})
    assert (added["address"], added["is_foreign"]) == (SPACE, False)


@pytest.mark.parametrize(
    ("name", "server", "said"),
    [
        ("dbx-sql", {"path": SPACE}, "is there already"),
        ("a b", {"path": SPACE}, "not a valid name"),
        ("x", {"path": "/api/2.0/token/list"}, "not an MCP server of the workspace"),
        ("x", {"path": f"{SPACE}/../../token"}, "not an MCP server of the workspace"),
        ("x", {"path": 1}, "not an MCP server of the workspace"),
        ("x", {"url": f"{HOST}/api/2.0/token/list"}, "not an MCP server of the workspace"),
        ("x", {}, "needs a url or a command"),
        ("x", {"url": "https://[bad/mcp"}, "is not a URL"),
        ("x", {"url": "https://e.example", "headers": {"a": "b\r\nc: d"}}, "of one line"),
        ("x", {"command": "c", "env": {"a\n": "b"}}, "of one line"),
        ("x", {"url": "https://e.example", "env": {}}, "does not go with url"),
        ("x", {"command": "c", "args": "x"}, "must be a list of strings"),
    ],
)
async def test_bad_input_is_refused_with_what_to_do(
    tmp_path: Path, name: str, server: dict[str, Any], said: str
):
    with pytest.raises(RequestError) as error:
        await list_of(tmp_path).add(name, server)
    assert said in error.value.message
    assert error.value.hint


@pytest.mark.parametrize("name", ["sales", "Sales", "my_server", "2-a"])
async def test_what_can_be_added_has_an_address_in_the_rest_api(tmp_path: Path, name: str):
    await list_of(tmp_path).add(name, {"path": SPACE})
    routes = rest_routes(cast(Services, None))
    found = [route for route, *_ in routes if re.fullmatch(route, f"{MCP_PATH}/{name}")]
    assert len(found) == 2  # its own, and that of unknown paths, which comes last


async def test_unknown_and_built_in_servers_are_not_removed(tmp_path: Path):
    servers = list_of(tmp_path)
    with pytest.raises(RequestError, match="no MCP server"):
        await servers.remove("none")
    with pytest.raises(RequestError, match="not added by you"):
        await servers.remove("dbx-sql")


def test_many_tools_are_warned_of(tmp_path: Path):
    workspace = Workspace()
    servers = list_of(tmp_path, workspace)
    workspace.servers["dbx-sql"].tools = [{}] * 2000
    assert "2000 tools fill" in servers.model("dbx-sql")["hint"]


def test_an_administrator_offers_more_and_switches_off_with_a_reason(tmp_path: Path):
    servers = list_of(
        tmp_path, servers={"sales": SPACE}, disabled={"web-search": "No data may leave."}
    )
    assert "sales" in servers.offered(Secret("x"))
    assert servers.model("web-search")["message"] == "No data may leave."
    with pytest.raises(RequestError):
        list_of(tmp_path, servers={"x": "/api/2.0/token/list"})


def test_without_a_workspace_nothing_is_offered(tmp_path: Path):
    servers = McpServers(tmp_path, "", Workspace(), lambda: "")
    assert servers.status() == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"servers": 1}',
        '{"servers": {"x": {"a": 1}}}',
        '{"servers": {"x": {"path": "/api/2.0/token/create"}}}',
        '{"servers": {"x": {"path": 3}}}',
        '{"servers": {"x": "path"}}',
        '{"servers": {"a b": {"path": "/api/2.0/mcp/sql"}}}',
    ],
)
async def test_a_broken_file_is_left_and_said(tmp_path: Path, content: str):
    path = tmp_path / STATE_FOLDER / "mcp.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    servers = list_of(tmp_path)
    assert "dbx-sql" in servers.offered(Secret("x"))
    with pytest.raises(Exception, match="cannot be read"):
        await servers.add("sales", {"path": SPACE})
    assert path.read_text() == content


def test_each_agent_gets_a_server_in_its_own_words(tmp_path: Path):
    given = list_of(tmp_path).offered(Secret("capability"))
    expected = {
        "claude-code": ("type", "http"),
        "codex": ("tool_timeout_sec", 600),
        "gemini-cli": ("httpUrl", "http://127.0.0.1:1234/mcp/dbx-sql"),
        "opencode": ("oauth", False),
        "hermes": ("timeout", 600),
    }
    for agent in AGENTS:
        files = agent.config_files(context_of(tmp_path, agent, mcp_servers=given))
        (server,) = [
            file.keys[key]["dbx-sql"]
            for file in files
            for key in ("mcpServers", "mcp_servers", "mcp")
            if key in file.keys
        ]
        key, value = expected[agent.name]
        assert server[key] == value
        assert "timeout_seconds" not in server
        headers = server.get("headers") or server["http_headers"]
        assert headers == {"x-api-key": Secret("capability")}
