"""Claude Code's sessions land in MLflow: the real program, its real hooks, read back."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.agent_store import AgentStore
from tests.support.running_app import RunningApp, eventually


@pytest.fixture(scope="module")
def traced_app(
    tmp_path_factory: pytest.TempPathFactory, agent_store: AgentStore
) -> Iterator[RunningApp]:
    """An app with Claude Code and tracing."""
    folder = tmp_path_factory.mktemp("traced")
    agent_store.put(folder / "home", ["claude-code"])
    running = RunningApp(
        folder / "home",
        folder / "log",
        "--SessionTracer.enabled=True",
        "--AgentRoster.enabled_agents=claude-code",
    )
    try:
        running.log_in()
        running.until_installed()
        yield running
    finally:
        running.stop()


class Mlflow:
    """What MLflow's client for Databricks does to read traces."""

    def __init__(self, app: RunningApp) -> None:
        token = app.control.mint(app.lines["owner"]).token_value
        self._headers = {"Authorization": f"Bearer {token}"}
        self._host = app.status()["workspace"]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        return httpx.request(method, self._host + path, headers=self._headers, **options).json()

    def traces(self, experiment: str) -> list[dict[str, Any]]:
        path = "/api/2.0/mlflow/experiments/get-by-name"
        found = self._ask("GET", path, params={"experiment_name": experiment})
        place = {"mlflow_experiment": {"experiment_id": found["experiment"]["experiment_id"]}}
        body = {"locations": [{"type": "MLFLOW_EXPERIMENT", **place}]}
        return list(self._ask("POST", "/api/3.0/mlflow/traces/search", json=body)["traces"])

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        path = f"/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-download"
        info = self._ask("GET", path)["credential_info"]
        return list(httpx.get(info["signed_uri"]).json()["spans"])


@pytest.mark.timeout(700)
def test_a_session_with_a_tool_call_can_be_read_back_from_the_workspace(traced_app: RunningApp):
    app = traced_app
    with app.owner.terminal() as terminal:
        terminal.run("claude -p --allowedTools Bash -- 'run: echo made of words'")
        eventually(lambda: app.status()["tracing"]["traces"] == 1, 30, "a trace")
        tracing = app.status()["tracing"]
        assert tracing["message"] == ""
        assert tracing["experiment"].startswith(f"/Users/{app.lines['owner']}/")
        mlflow = Mlflow(app)
        (info,) = mlflow.traces(tracing["experiment"])
        assert info["request_preview"] == "run: echo made of words"
        assert "made of words" in info["response_preview"]
        root, *steps = mlflow.spans(info["trace_id"])
        kinds = [json.loads(span["attributes"]["mlflow.spanType"]) for span in (root, *steps)]
        assert kinds[0] == "AGENT"
        assert kinds.count("TOOL") == 1
        assert kinds.count("LLM") >= 2
        assert "dapi" not in json.dumps([info, root, *steps])
        terminal.run("claude -p -- 'hello again'")
        eventually(lambda: app.status()["tracing"]["traces"] == 2, 30, "another trace")
        assert len(mlflow.traces(tracing["experiment"])) == 2


@pytest.mark.timeout(700)
def test_a_workspace_that_hangs_does_not_hold_an_agent_up(traced_app: RunningApp):
    app = traced_app
    before = app.status()["tracing"]["traces"]
    fault = app.control.add_fault("/api/3.0/mlflow", "hang")
    try:
        with app.owner.terminal() as terminal:
            # 30 s are the ceiling of one trace; the agent is back long before.
            assert "echo: quick" in terminal.run("claude -p -- 'quick'", 25)
            assert app.status()["tracing"]["traces"] == before
    finally:
        app.control.clear_faults(fault)
