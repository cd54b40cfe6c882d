"""Real agents and the workspace's data: one session over rotations, a restart and a refusal."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.effort import ALL_ROTATIONS, IS_LONG
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

from .test_real_agents import PAIRS, READY, answers, last_number, put

MCP = "/dbx-agents/api/mcp"
FUNCTIONS = "/api/2.0/mcp/functions/samples/tools"
HELD = "samples__tools__distance_km"
QUERY = {"query": "SELECT name FROM samples.bakehouse.franchises ORDER BY revenue DESC"}
FEW = {"query": "SELECT name FROM samples.bakehouse.franchises ORDER BY revenue DESC LIMIT 1"}
ROUND = (
    ("execute_sql_read_only", QUERY),
    ("genie_ask", {"question": "How many trips are there?"}),
    ("samples__tools__add_days", {"start": "2024-02-28", "days": 2}),
)
PLACES = {"lat1": 48.8, "lon1": 2.3, "lat2": 51.5, "lon2": 0}
QUESTION = "\n".join(
    f"tool: {name} {json.dumps(arguments)}" for name, arguments in (*ROUND, (HELD, PLACES), *ROUND)
)
# Each asks before it calls a tool; here as the owner who has said yes to those that only read.
ONCE = {
    "claude-code": "claude -p --allowedTools mcp__dbx-sql mcp__dbx-genie mcp__samples -- {}",
    "codex": "codex exec --skip-git-repo-check {}",
    "gemini-cli": "gemini -y -p {}",
    "opencode": "opencode run {}",
    "hermes": "hermes chat -Q -q {}",
}


@pytest.fixture
def functions(app: RunningApp) -> Iterator[None]:
    """A server of functions that the owner has added."""
    app.until_installed()
    app.log_in()
    added = app.owner.json("POST", MCP, {"name": "samples", "path": FUNCTIONS})
    assert (added["state"], added["tools"], added["read_only"]) == ("ready", 2, True)
    codex = app.home / ".codex" / "config.toml"
    eventually(lambda: "[mcp_servers.samples]" in codex.read_text(), 30, "the agents' files")
    (app.home / "question").write_text(QUESTION)
    yield
    app.control.rule_mcp(held_tools=[])
    app.owner.json("DELETE", f"{MCP}/samples")


def ask(app: RunningApp, agent: str, said: dict[str, str]) -> None:
    """Have an agent make all calls in one session."""
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        said[agent] = terminal.run(ONCE[agent].format('"$(cat ~/question)"'), 240)


def calls(app: RunningApp, since: int) -> Counter[tuple[str, int | None]]:
    """How many calls of each tool ended in each status."""
    found = app.control.requests(since=since, path="/api/2.0/mcp")
    found += app.control.requests(since=since, path="/ai-gateway/mcp-services")
    return Counter((call["tool"], call["status"]) for call in found)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_an_agent_calls_sql_genie_and_a_function_again_after_rotations_a_restart_and_a_refusal(
    app: RunningApp, functions: None, pair: tuple[str, ...]
):
    before, said = last_number(app), dict[str, str]()
    app.control.rule_mcp(held_tools=[HELD])
    threads = [threading.Thread(target=ask, args=(app, agent, said)) for agent in pair]
    for thread in threads:
        thread.start()
    eventually(lambda: calls(app, before)[HELD, None] == len(pair), 240, "the held calls")
    for _ in range(ALL_ROTATIONS):
        app.owner.json("POST", "/dbx-agents/api/pat/rotate")
    app.control.restart_mcp()
    fault = app.control.add_fault(
        "/api/2.0/mcp/sql", "status", status=401, method="POST", times=len(pair)
    )
    app.control.rule_mcp(held_tools=[])
    for thread in threads:
        thread.join(240)
    used = next(each["used_count"] for each in app.control.faults() if each["fault_id"] == fault)
    app.control.clear_faults(fault)
    for agent in pair:
        assert "2024-03-01" in said[agent], said[agent]
    made = calls(app, before)
    for tool, _ in ROUND:
        assert made[tool, 200] == 2 * len(pair), made
    assert made[HELD, 200] == len(pair)
    assert used == len(pair)
    lost = sum(count for (tool, status), count in made.items() if tool and status == 404)
    assert lost >= len(pair)  # a session of before the restart


def test_the_command_lists_adds_checks_switches_and_removes(app: RunningApp):
    app.until_installed()
    app.log_in()
    settings = app.home / ".claude.json"
    with app.owner.terminal() as terminal:

        def mcp(words: str) -> str:
            return terminal.run(f"jupyter dbx-agents mcp {words}")

        eventually(lambda: "ready" in mcp("check dbx-sql"), 30, "the SQL server")
        assert "/api/2.0/mcp/sql" in mcp("list")
        assert "web-search     missing" in mcp("")
        assert "read-only" in mcp(f"add tools {FUNCTIONS}")
        eventually(lambda: '"tools": {' in settings.read_text(), 30, "the new server")
        assert "Turned off dbx-genie" in mcp("disable dbx-genie")
        eventually(lambda: "dbx-genie" not in settings.read_text(), 30, "no Genie")
        assert "dbx-genie" in mcp("enable dbx-genie")
        assert "Removed tools" in mcp("remove tools")
        eventually(lambda: '"tools": {' not in settings.read_text(), 30, "no functions")
        for words, text in (
            ("add x /api/2.0/token/list", "not an MCP server of the workspace"),
            ("remove dbx-sql", "not added by you"),
            ("check none", "There is no MCP server"),
            ("add x", "The address is missing"),
        ):
            code, output = terminal.run_any(f"jupyter dbx-agents mcp {words}")
            assert (code, text in output) == (1, True), output


def test_the_error_of_a_server_is_shown_and_goes_when_it_works_again(app: RunningApp):
    app.until_installed()
    app.log_in()
    fault = app.control.add_fault("/api/2.0/mcp/sql", "status", status=500, message="broken")
    try:
        checked = app.owner.json("POST", f"{MCP}/dbx-sql/check")
        assert checked["state"] == "failed" and "broken" in checked["message"]
        assert checked["tools"] == 3  # what was known stays
    finally:
        app.control.clear_faults(fault)
    assert app.owner.json("POST", f"{MCP}/dbx-sql/check")["state"] == "ready"


def allow(app: RunningApp, terminal: TerminalClient, question: str) -> None:
    """Ask Claude Code on its screen, up to its question whether it may call the tool."""
    answered = answers(app, "claude-code")
    put(terminal, question, lambda: answers(app, "claude-code") > answered)
    terminal.expect(r"Do\s*you\s*want\s*to\s*proceed", 60)


def enter(terminal: TerminalClient, then: str) -> None:
    """Press Enter until the screen shows a pattern: a question takes none just after it came."""
    for _attempt in range(6):
        terminal.type("\r")
        with contextlib.suppress(AssertionError):
            terminal.expect(then, 10)
            return
    raise AssertionError(f"{then!r} did not come:\n{terminal.unmatched()}")


@pytest.mark.skipif(not IS_LONG, reason="20 s; the broker's part is in tests/broker/mcp")
@pytest.mark.timeout(300)
def test_an_agent_says_that_the_token_has_lapsed_and_works_after_the_paste_without_a_restart(
    app: RunningApp,
):
    app.until_installed()
    app.log_in()
    tool, _ = ROUND[0]
    question = f"tool: {tool} {json.dumps(FEW)}"
    before = last_number(app)
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        terminal.type("claude\n")
        terminal.expect(READY["claude-code"], 120)
        allow(app, terminal, question)
        for token in app.control.tokens(app.lines["owner"]):
            if token["status"] == "live":
                app.control.revoke(token["token_id"])
        eventually(lambda: app.pat()["expires_at"] is None, 30, "no token")
        enter(terminal, r"jupyter\s*dbx-agents\s*login")
        assert calls(app, before)[tool, 200] == 0
        app.log_in()
        allow(app, terminal, question)
        enter(terminal, r"(?s)done:.*Baked\s*Bliss")
    assert calls(app, before)[tool, 200] == 1
