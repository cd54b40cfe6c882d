"""Real agents with models of every family, on a workspace that refuses what Databricks does.

One cell is an agent with a model: two tool calls without a word, then the session goes on, then a
picture where the model sees.  No call may be refused.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbx_workspace.models.catalog import ANTHROPIC, CHAT, GEMINI, RESPONSES
from jupyter_dbx_agents.models import FAMILIES, Dialect, family_of
from tests.support.agent_store import AgentStore
from tests.support.effort import IS_LONG
from tests.support.running_app import RunningApp, eventually

from .conftest import FAST_ROTATION

API = "/dbx-agents/api/agents"
# Three for two tool calls, one for "go on", one or two for the picture, and OpenCode's titles.
MOST_CALLS = 9
TWICE = "$'just run: expr 40 + 2\\njust run: expr 50 + 5'"
# How each is asked, asked again in the same session, and shown a picture.
COMMANDS = {
    "claude-code": (
        "claude -p --allowedTools Bash -- {}",
        "claude -p -c --allowedTools Bash -- {}",
        "claude -p -- '@picture.png what is it'",
    ),
    "codex": (
        "codex exec --skip-git-repo-check {}",
        "codex exec resume --last --skip-git-repo-check {}",
        "codex exec --skip-git-repo-check -i picture.png -- 'what is it'",
    ),
    "gemini-cli": (
        "gemini -y -p {}",
        "gemini -y -r latest -p {}",
        "gemini -y -p '@picture.png what is it'",
    ),
    "opencode": (
        "opencode run {}",
        "opencode run -c {}",
        "opencode run 'what is it' -f picture.png",
    ),
    "hermes": (
        "hermes chat -Q --yolo -q {}",
        "hermes chat -Q --yolo -c -q {}",
        "hermes chat -Q --yolo --image picture.png -q 'what is it'",
    ),
}
# One model of each family that the local workspace serves by itself, and of the others.
MODELS = {
    "Claude Haiku": "claude-haiku-4-5",
    "Claude from 4.6": "claude-opus-4-8",
    "Claude Opus 4.5": "claude-opus-4-5",
    "Claude Opus 4": "claude-opus-4-1",
    "Claude Sonnet up to 4.5": "claude-sonnet-4-5",
    "GPT OSS": "gpt-oss-120b",
    "GPT from 5.6": "gpt-5-6",
    "GPT from 5.2": "gpt-5-5",
    "GPT": "gpt-5-mini",
    "Gemini": "gemini-3-1-pro",
    "Llama 4": "llama-4-maverick",
    "Llama": "llama-3-3-70b-instruct",
    "Gemma": "gemma-3-12b",
    "Qwen 3.5": "qwen35-122b-a10b",
    "Qwen": "qwen3-next-80b-a3b-instruct",
    "Kimi K3": "kimi-k3",
    "Kimi": "kimi-k2-7-code",
    "GLM Flash": "glm-5-3-flash",
    "GLM 5": "glm-5-2",
    "GLM": "glm-4-6",
    "Inkling": "inkling",
}
SPEAKERS = {
    Dialect.ANTHROPIC: ("claude-code", "opencode", "hermes"),
    Dialect.RESPONSES: ("codex", "opencode", "hermes"),
    Dialect.GEMINI: ("gemini-cli", "opencode", "hermes"),
    Dialect.CHAT: ("opencode", "hermes"),
}
LAYOUTS = ("workspace-gateway", "serving-endpoints")
# One row a family that is served, each agent on both sides of its native dialect.
ROWS = [
    ("claude-code", "claude-haiku-4-5", "serving-endpoints"),
    ("claude-code", "claude-opus-4-8", "workspace-gateway"),
    ("opencode", "claude-sonnet-4-5", "workspace-gateway"),
    ("hermes", "gpt-oss-120b", "workspace-gateway"),
    ("codex", "gpt-5-5", "workspace-gateway"),
    ("hermes", "gpt-5-mini", "workspace-gateway"),
    ("gemini-cli", "gemini-3-1-pro", "serving-endpoints"),
    ("opencode", "gemini-3-1-pro", "workspace-gateway"),
    ("hermes", "gemini-3-1-pro", "workspace-gateway"),
    ("opencode", "llama-4-maverick", "workspace-gateway"),
    ("hermes", "qwen3-next-80b-a3b-instruct", "workspace-gateway"),
    ("opencode", "kimi-k2-7-code", "workspace-gateway"),
    ("hermes", "glm-5-2", "workspace-gateway"),
    ("opencode", "inkling", "workspace-gateway"),
]
EVERY = [
    (agent, model, layout)
    for layout in LAYOUTS
    for model in MODELS.values()
    for agent in SPEAKERS[family_of(model).dialect]
]
API_TYPES = {
    Dialect.ANTHROPIC: (ANTHROPIC, CHAT),
    Dialect.RESPONSES: (RESPONSES, CHAT),
    Dialect.GEMINI: (GEMINI, CHAT),
    Dialect.CHAT: (CHAT,),
}


def test_every_family_of_the_table_has_a_model_here():
    assert {family_of(model).title for model in MODELS.values()} == {f.title for f in FAMILIES}
    assert list(MODELS) == [family_of(model).title for model in MODELS.values()]


class Apps:
    """An app for each layout, started when it is first wanted."""

    def __init__(self, app: RunningApp, folder: Path, store: AgentStore) -> None:
        self._store, self._folder = store, folder
        self._apps = {} if IS_LONG else {LAYOUTS[0]: app}

    def of(self, layout: str) -> RunningApp:
        if layout not in self._apps:
            home = self._folder / layout
            home.mkdir()
            self._store.put(home)
            asked = [] if layout == LAYOUTS[0] else ["--ModelTable.gateway_host="]
            self._apps[layout] = RunningApp(
                home, self._folder / f"{layout}.log", *FAST_ROTATION, *asked
            )
            if IS_LONG:
                self._apps[layout].control.serve_models(
                    [
                        {
                            "name": f"databricks-{model}",
                            "api_types": API_TYPES[family_of(model).dialect],
                        }
                        for model in MODELS.values()
                    ]
                )
        return self._apps[layout]

    def stop(self, other_than: RunningApp) -> None:
        for app in self._apps.values():
            if app is not other_than:
                app.stop()


@pytest.fixture(scope="module")
def apps(
    app: RunningApp, agent_store: AgentStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Apps]:
    """The apps of this file."""
    every = Apps(app, tmp_path_factory.mktemp("layouts"), agent_store)
    yield every
    every.stop(app)


@dataclass(frozen=True)
class Cell:
    """An agent with a model, in an app."""

    app: RunningApp
    agent: str
    model: str


@pytest.fixture
def cell(apps: Apps, request: pytest.FixtureRequest) -> Iterator[Cell]:
    """An agent and its model, which is as configured again at the end."""
    agent, model, layout = request.param
    app = apps.of(layout)
    app.until_installed()
    app.log_in()
    assert eventually(lambda: app.status()["gateway"]["kind"] == layout)
    app.owner.json("PATCH", f"{API}/{agent}", {"model": f"databricks-{model}"})
    yield Cell(app, agent, f"databricks-{model}")
    app.owner.json("PATCH", f"{API}/{agent}", {"model": None})


def model_calls(app: RunningApp, since: int) -> list[dict]:
    calls = app.control.requests(since=since)
    return [call for call in calls if call["method"] == "POST" and call["model"]]


def picture() -> bytes:
    """A small PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    side = 64
    rows = b"".join(b"\0" + bytes(range(side * 3)) for _ in range(side))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("cell", EVERY if IS_LONG else ROWS, ids="-".join, indirect=True)
def test_an_agent_works_with_a_model_and_no_call_is_refused(cell: Cell):
    app, agent, model = cell.app, cell.agent, cell.model
    once, again, shown = COMMANDS[agent]
    folder = app.home / "projects" / f"{agent}-{model}"
    folder.mkdir(parents=True)
    (folder / "picture.png").write_bytes(picture())
    before = max((call["number"] for call in app.control.requests()), default=0)
    with app.owner.terminal() as terminal:
        terminal.run(f"cd {folder}")
        assert "done: 55" in terminal.run(f"{once.format(TWICE)} < /dev/null")
        said = terminal.run(f"{again.format(repr('go on'))} < /dev/null")
        assert "echo: go on" in said.replace('"', "")
        if family_of(model).sees_images:
            terminal.run(f"{shown} < /dev/null")
            of_model = [call for call in model_calls(app, before) if call["model"] == model]
            assert of_model[-1]["pictures"]
    calls = model_calls(app, before)
    assert {(call["status"], call["rule"]) for call in calls} == {(200, None)}
    assert model in {call["model"] for call in calls}
    assert len(calls) <= MOST_CALLS  # nothing is repeated


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "variables",
    [
        "FOO=1",
        "GEMINI_MODEL=x",
        "GEMINI_API_KEY=AIzaDummy\nGOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9",
    ],
)
def test_gemini_cli_asks_the_workspace_in_a_project_with_variables_of_its_own(
    app: RunningApp, variables: str
):
    app.until_installed()
    app.log_in()
    folder = app.home / "projects" / "with-variables"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".env").write_text(variables + "\n")
    before = max((call["number"] for call in app.control.requests()), default=0)
    with app.owner.terminal() as terminal:
        assert "echo: hello" in terminal.run(f"cd {folder} && gemini -p hello < /dev/null")
    assert {call["model"] for call in model_calls(app, before)} == {"databricks-gemini-2-5-pro"}


SEED = 5  # refuses metadata, thinking, context_management and cache_control of Claude
MOST_ATTEMPTS = 8


@pytest.mark.timeout(300)
def test_under_rules_that_nobody_knows_an_agent_shows_the_gateways_sentence_or_answers(
    app: RunningApp,
):
    app.until_installed()
    app.log_in()
    ask = "claude --model databricks-claude-opus-4-6 -p hello < /dev/null"
    app.control.switch(rules_seed=SEED)
    try:
        with app.owner.terminal() as terminal:
            said = [terminal.run_any(ask)[1]]
            while "echo: hello" not in said[-1]:
                assert re.search("not permitted|maximum allowed", said[-1])
                assert len(said) < MOST_ATTEMPTS
                said.append(terminal.run_any(ask)[1])
            assert "echo: hello" in terminal.run(ask)  # what was learned is kept
    finally:
        app.control.switch(rules_seed=0)
    (usage,) = (u for u in app.status()["usage"] if u["model"].endswith("opus-4-6"))
    assert usage["mended"] > 0
    assert usage["calls"] <= 2 * (len(said) + 1)  # the agent itself repeats nothing for long


@pytest.mark.timeout(300)
def test_a_model_that_was_chosen_on_opencodes_screen_lasts(app: RunningApp):
    app.until_installed()
    app.log_in()
    path = app.home / ".local/state/opencode/model.json"

    def used_last() -> str:
        return str(json.loads(path.read_text())["recent"][0]["modelID"])

    configured = used_last()
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p chosen && cd chosen")
        terminal.type("opencode\n")
        terminal.expect(r"Ask\s*anything", 120)
        for key, shown in (("/models", "models"), ("\r", r"Select\s*model")):
            terminal.type(key)
            terminal.expect(shown, 30)
        terminal.type("gpt-5-mini")
        terminal.expect(r"gpt-5-mini", 30)
        terminal.type("\r")
        terminal.until(lambda: used_last() == "databricks-gpt-5-mini", 30)
    with app.owner.terminal() as terminal:
        before = max(call["number"] for call in app.control.requests())
        # Our files are written again, as at a start.
        app.owner.json("PATCH", f"{API}/opencode", {"enabled": True})
        assert "echo: hello" in terminal.run("cd chosen && opencode run hello < /dev/null")
        assert "databricks-gpt-5-mini" in {call["model"] for call in model_calls(app, before)}
    assert used_last() == "databricks-gpt-5-mini"
    app.owner.json("PATCH", f"{API}/opencode", {"enabled": None, "model": None})
    assert used_last() == configured  # what the owner chose last, elsewhere
