"""The models of a running server: what is served, through what, and how much of it is used."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbx_workspace.models.catalog import ANTHROPIC, CHAT, GEMINI, RESPONSES
from tests.support.running_app import RunningApp, eventually

SERVED = [
    {"name": "databricks-claude-opus-4-9", "api_types": [ANTHROPIC, CHAT]},
    {"name": "databricks-claude-opus-4-10", "api_types": [ANTHROPIC, CHAT]},
    {"name": "databricks-gpt-5-4", "api_types": [RESPONSES, CHAT]},
    {"name": "databricks-gemini-3-flash", "api_types": [GEMINI, CHAT]},
]
NEWEST = "databricks-claude-opus-4-10"


@pytest.fixture(scope="module")
def own_app_and_log(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningApp, str]]:
    """An app as the next fixture has it, and what it has logged until it was ready."""
    folder = tmp_path_factory.mktemp("models")
    running = RunningApp(
        folder / "home",
        folder / "log",
        "--DbxAgentsApp.install_agents=False",
        "--ModelTable.codex_model=databricks-gpt-9",
        "--ModelWatch.interval_seconds=1",
        "--ModelWatch.first_pause_seconds=0.2",
    )
    try:
        running.control.serve_models(SERVED)
        assert running.status()["models"]["codex"]["served"] is None
        eventually(lambda: running.status()["startup"][0]["state"] == "done", what="configured")
        running.log_in()
        eventually(lambda: running.status()["models"]["codex"]["served"] is not None)
        eventually(lambda: claude_settings(running)["model"] == NEWEST)
        yield running, running.log.read_text()
    finally:
        running.stop()


@pytest.fixture
def own_app(own_app_and_log: tuple[RunningApp, str]) -> RunningApp:
    """An app without agents, whose workspace serves few models and not the one configured."""
    return own_app_and_log[0]


def claude_settings(app: RunningApp) -> dict[str, str]:
    """The variables in Claude Code's settings, and its model without the mark of its window."""
    path: Path = app.home / ".claude" / "settings.json"
    settings = json.loads(path.read_text())
    return {**settings["env"], "model": settings["model"].removesuffix("[1m]")}


def ask_claude(app: RunningApp, **body: Any) -> httpx.Response:
    """Make a call as Claude Code would, with what its settings say."""
    settings = claude_settings(app)
    message = {"role": "user", "content": "one two three"}
    return httpx.post(
        settings["ANTHROPIC_BASE_URL"] + "/v1/messages",
        headers={"Authorization": f"Bearer {settings['ANTHROPIC_AUTH_TOKEN']}"},
        json={
            "model": settings["model"],
            "max_tokens": 9,
            "messages": [message],
            **body,
        },
        trust_env=False,
        timeout=60,
    )


def test_what_is_configured_but_not_served_is_in_the_status_with_alternatives(own_app: RunningApp):
    models = own_app.status()["models"]
    assert models["codex"] == {
        "model": "databricks-gpt-9",
        "configured": "databricks-gpt-9",
        "served": False,
        "alternatives": ["databricks-gpt-5-4"],
        "problem": "The workspace does not serve databricks-gpt-9. It serves databricks-gpt-5-4.",
        "context_tokens": 272_000,
        "output_tokens": 128_000,
        "sees_images": True,
        "efforts": ["medium", "low", "high", "xhigh", "max"],
    }
    for agent in ("claude-code", "opencode", "claude-code/sonnet", "claude-code/small"):
        assert (models[agent]["model"], models[agent]["served"]) == (NEWEST, True), agent
    assert models["gemini-cli"]["model"] == "databricks-gemini-3-flash"
    assert models["hermes"]["model"] == NEWEST


def test_one_warning_says_it(own_app_and_log: tuple[RunningApp, str]):
    lines = re.findall(r".*does not serve databricks-gpt-9\..*", own_app_and_log[1])
    assert len(lines) == 1
    assert "It serves databricks-gpt-5-4." in lines[0]
    assert f"{NEWEST} is used instead" in lines[0]


def test_a_choice_that_is_not_served_is_told_in_the_answer_and_stays(own_app: RunningApp):
    path = "/dbx-agents/api/agents/codex"
    agent = own_app.owner.json("PATCH", path, {"model": "databricks-gpt-8"})
    assert agent["model"] == "databricks-gpt-8"
    assert agent["message"] == (
        "The workspace does not serve databricks-gpt-8. It serves databricks-gpt-5-4."
    )
    assert agent["hint"]
    assert own_app.owner.json("PATCH", path, {"model": "databricks-gpt-5-4"})["message"] == ""
    assert own_app.owner.json("PATCH", path, {"model": None})["message"] == ""


AGENT_FILES = (
    ".claude/settings.json",
    ".config/opencode/opencode.json",
    ".gemini/.env",
    ".gemini/settings.json",
    ".hermes/config.yaml",
)


def models_in_files(home: Path) -> set[str]:
    texts = " ".join((home / path).read_text() for path in AGENT_FILES)
    return set(re.findall(r"databricks-(?:claude|gpt|gemini)[\w-]+", texts))


def test_the_agents_files_name_served_models_only_and_the_users_own_choice(own_app: RunningApp):
    allowed = {model["name"] for model in SERVED} | {"databricks-gpt-9"}
    eventually(lambda: models_in_files(own_app.home) <= allowed)
    assert NEWEST in models_in_files(own_app.home)
    assert 'model = "databricks-gpt-9"' in (own_app.home / ".codex/config.toml").read_text()


def test_a_model_that_vanishes_is_followed_while_the_server_runs(own_app: RunningApp):
    try:
        own_app.control.serve_models([m for m in SERVED if m["name"] != NEWEST])
        older = "databricks-claude-opus-4-9"
        eventually(lambda: claude_settings(own_app)["model"] == older, what="older one")
        assert ask_claude(own_app).status_code == 200
    finally:
        own_app.control.serve_models(SERVED)
    eventually(lambda: claude_settings(own_app)["model"] == NEWEST, what="the newest")


def usage(app: RunningApp, model: str = NEWEST) -> dict[str, Any]:
    found = [u for u in app.status()["usage"] if (u["agent"], u["model"]) == ("claude-code", model)]
    return found[0] if found else dict.fromkeys(("calls", "errors", "input_tokens"), 0)


@pytest.mark.parametrize("streams", [True, False])
def test_calls_tokens_errors_and_time_are_in_the_status_and_in_the_metrics(
    own_app: RunningApp, streams: bool
):
    eventually(lambda: claude_settings(own_app)["model"] == NEWEST)
    before = usage(own_app)
    assert ask_claude(own_app, stream=streams).status_code == 200
    assert ask_claude(own_app, tools=[{"type": "web_search"}]).status_code == 200  # corrected
    assert ask_claude(own_app, messages=None, model="none").status_code == 404
    after = eventually(lambda: (u := usage(own_app))["calls"] == before["calls"] + 2 and u)
    assert after["input_tokens"] == before["input_tokens"] + 8  # "one two three", four to a token
    assert after["errors"] == before["errors"]
    assert after["mean_seconds"] >= after["mean_first_byte_seconds"] > 0
    assert usage(own_app, "none")["errors"] >= 1
    metrics = own_app.owner.http.get("/metrics").text
    labels = f'{{agent="claude-code",model="{NEWEST}"}}'
    assert f"dbx_agents_model_calls_total{labels} {after['calls']}.0" in metrics
    assert f"dbx_agents_model_input_tokens_total{labels} {after['input_tokens']}.0" in metrics
    assert f"dbx_agents_model_call_seconds_count{labels} {after['calls']}.0" in metrics


def test_a_gateway_that_dies_costs_no_call_and_comes_back_each_with_its_reason(
    own_app: RunningApp,
):
    def through() -> str:
        return str(own_app.status()["gateway"]["kind"])

    def a_call_meets_the_loss() -> bool:
        """Not so if the routine look, which comes each second here, was there first."""
        own_app.control.switch(gateway_present=True)
        eventually(lambda: through() == "workspace-gateway")
        own_app.control.switch(gateway_present=False)
        for _ in range(5):
            assert ask_claude(own_app).status_code == 200
        gateway = own_app.status()["gateway"]
        assert gateway["kind"] == "serving-endpoints"
        return "does not answer" in gateway["reason"]

    try:
        eventually(a_call_meets_the_loss)
    finally:
        own_app.control.switch(gateway_present=True)
    eventually(lambda: through() == "workspace-gateway")
    # The next routine look, a second later, gives the reason of any other gateway again.
    assert "did not answer for a while" in own_app.log.read_text()
    assert ask_claude(own_app).status_code == 200


def test_a_check_of_an_agents_model_is_a_call_that_counts_nowhere(own_app: RunningApp):
    before, number = own_app.status()["usage"], len(own_app.calls())
    answer = own_app.owner.json("POST", "/dbx-agents/api/agents/claude-code/check")
    (model,) = (check for check in answer["checks"] if check["name"] == "model")
    assert model["state"] == "ok"
    assert len(own_app.calls()) > number
    assert own_app.status()["usage"] == before


AGENTS_COMMAND = "jupyter dbx-agents agents"


def test_the_command_line_chooses_models_and_approvals_by_commands_names(own_app: RunningApp):
    with own_app.owner.terminal() as terminal:
        try:
            said = terminal.run(f"{AGENTS_COMMAND} model codex databricks-gpt-5-4")
            assert "New sessions of Codex use databricks-gpt-5-4." in said
            said = terminal.run(f"{AGENTS_COMMAND} approvals edits")
            assert re.search(r"claude-code +edits +Edits the project's files", said)
            assert re.search(r"codex +(ask|own) +Codex cannot edit freely, ask before comm", said)
            said = terminal.run(f"{AGENTS_COMMAND} approvals claude everything")
            assert re.search(r"claude-code +everything +Asks for nothing\.", said)
            code, said = terminal.run_any(f"{AGENTS_COMMAND} approvals codex edits")
            assert code == 1
            assert "Codex cannot edit freely, ask before commands. Use one of own, " in said
            code, said = terminal.run_any(f"{AGENTS_COMMAND} approvals sometimes")
            assert code == 1
            assert "“sometimes” is not a kind of approvals. Use own (" in said
            status = terminal.run("jupyter dbx-agents status")
        finally:
            for agent in ("codex", "claude-code"):
                patch = {"model": None, "approvals": None}
                own_app.owner.json("PATCH", f"/dbx-agents/api/agents/{agent}", patch)
            everyone = own_app.owner.json("PATCH", "/dbx-agents/api/agents", {"approvals": None})
    assert {one["approvals"]["holds"] for one in everyone["agents"]} == {"own"}
    assert "codex: databricks-gpt-5-4, window" in status
    assert re.search(r"Agents +Claude Code: on, not installed\. Asks for nothing\.", status)


def test_the_command_of_an_agent_that_is_off_says_so_unless_there_is_another(own_app: RunningApp):
    with own_app.owner.terminal() as terminal:
        try:
            assert "Disabled hermes" in terminal.run(f"{AGENTS_COMMAND} disable hermes")
            code, said = terminal.run_any("hermes --version")
            hint = "Turn it on: jupyter dbx-agents agents enable hermes"
            assert (code, said.strip()) == (127, f"Hermes is switched off. {hint}")
            terminal.run("mkdir own && ln -s /bin/echo own/hermes")
            assert "from mine" in terminal.run('PATH="$PATH:$PWD/own" hermes from mine')
        finally:
            own_app.owner.json("PATCH", "/dbx-agents/api/agents/hermes", {"enabled": None})
        assert "not found" in terminal.run_any("hermes")[1]
