"""Real agents with models of every family, on a workspace that refuses what Databricks does.

One cell is an agent with a model: two tool calls without a word, then the session goes on, then a
picture where the model sees (in one step, unless there is time).  No call may be refused.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents import AGENTS
from jupyter_dbx_agents.models import FAMILIES, UNKNOWN, family_of
from tests.support.agent_store import AgentStore
from tests.support.effort import IS_LONG, seed_of_this_run
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

from .conftest import FAST_ROTATION
from .matrix import (
    ALWAYS,
    BY_LOT,
    EVERY,
    GATEWAY,
    IS_RECORDED,
    LAYOUTS,
    MODELS,
    SPEAKERS,
    record,
    recorded,
    rows_of_a_run,
    served,
)

API = "/dbx-agents/api/agents"
SEED = seed_of_this_run()
# One for "hello", three for two tool calls, one for "go on", one or two for the picture, and
# OpenCode's titles.
MOST_CALLS = 11
LEAST_CALLS = 4  # of two tool calls and "go on"
# In each run an agent's session goes on once in each dialect.
GO_ON = {
    (agent, f"databricks-{model}")
    for (agent, _), model in {
        (agent, family_of(model).dialect): model for agent, model, _ in reversed(ALWAYS)
    }.items()
}
TWICE = "$'just run: expr 40 + 2\\njust run: expr 50 + 5'"
# How each is asked, asked again in the same session, and shown a picture, in a new one or in that.
COMMANDS = {
    "claude-code": (
        "claude -p --allowedTools Bash -- {}",
        "claude -p -c --allowedTools Bash -- {}",
        "claude -p -- '@picture.png what is it'",
        "claude -p -c --allowedTools Bash -- '@picture.png go on'",
    ),
    "codex": (
        "codex exec --skip-git-repo-check {}",
        "codex exec resume --last --skip-git-repo-check {}",
        "codex exec --skip-git-repo-check -i picture.png -- 'what is it'",
        "codex exec resume --last --skip-git-repo-check -i picture.png -- 'go on'",
    ),
    "gemini-cli": (
        "gemini -y -p {}",
        "gemini -y -r latest -p {}",
        "gemini -y -p '@picture.png what is it'",
        "gemini -y -r latest -p '@picture.png go on'",
    ),
    "opencode": (
        "opencode run {}",
        "opencode run -c {}",
        "opencode run 'what is it' -f picture.png",
        "opencode run -c 'go on' -f picture.png",
    ),
    "hermes": (
        "hermes chat -Q --yolo -q {}",
        "hermes chat -Q --yolo -c -q {}",
        "hermes chat -Q --yolo --image picture.png -q 'what is it'",
        "hermes chat -Q --yolo -c --image picture.png -q 'go on'",
    ),
}


def test_each_agent_is_tried_in_each_dialect_and_every_family_of_the_table_can_be_drawn():
    titles = [family.title for family in (*FAMILIES, UNKNOWN)]
    assert {family_of(model).title for model in MODELS.values()} == set(titles)
    assert list(MODELS) == [family_of(model).title for model in MODELS.values()]
    spoken = {(agent, dialect) for dialect, agents in SPEAKERS.items() for agent in agents}
    assert {(agent, family_of(model).dialect) for agent, model, _ in ALWAYS} == spoken
    assert {model for _, model, _ in (*ALWAYS, *BY_LOT)} == set(MODELS.values())
    assert {*ALWAYS, *BY_LOT} <= set(EVERY)
    assert {layout for *_, layout in ALWAYS} == set(LAYOUTS)


def test_the_record_has_the_whole_matrix():
    cells = recorded()
    assert {
        (agent, model, layout)
        for layout, models in cells.items()
        for model, agents in models.items()
        for agent in agents
    } == set(EVERY)


class Apps:
    """An app for each layout, started when it is first wanted; it serves all models."""

    def __init__(self, app: RunningApp, folder: Path, store: AgentStore) -> None:
        self._store, self._folder = store, folder
        self._apps = {} if IS_LONG else {GATEWAY: app}

    def of(self, layout: str) -> RunningApp:
        if layout not in self._apps:
            home = self._folder / layout
            home.mkdir()
            self._store.put(home)
            asked = [] if layout == GATEWAY else ["--ModelTable.gateway_host="]
            self._apps[layout] = RunningApp(
                home, self._folder / f"{layout}.log", *FAST_ROTATION, *asked
            )
            self._apps[layout].control.serve_models(served())
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
    layout: str


@pytest.fixture
def cell(apps: Apps, request: pytest.FixtureRequest) -> Iterator[Cell]:
    """An agent and its model, which is as configured again at the end."""
    agent, model, layout = request.param
    app = apps.of(layout)
    app.until_installed()
    app.log_in()
    assert eventually(lambda: app.status()["gateway"]["kind"] == layout)
    app.owner.json("PATCH", f"{API}/{agent}", {"model": f"databricks-{model}"})
    yield Cell(app, agent, f"databricks-{model}", layout)
    app.owner.json("PATCH", f"{API}/{agent}", {"model": None})


def model_calls(app: RunningApp, since: int) -> list[dict]:
    calls = app.calls(since, "/")
    return [call for call in calls if call["method"] == "POST" and call["model"]]


VARIABLES = (
    "FOO=1",
    "GEMINI_MODEL=x",
    "GEMINI_API_KEY=AIzaDummy\nGOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9",
)


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
@pytest.mark.parametrize(
    "cell", EVERY if IS_LONG else rows_of_a_run(SEED), ids="-".join, indirect=True
)
def test_an_agent_works_with_a_model_and_no_call_is_refused_or_repeated(cell: Cell):
    app, agent, model = cell.app, cell.agent, cell.model
    once, again, shown, shown_again = COMMANDS[agent]
    went_on = IS_LONG or (agent, model) in GO_ON
    sees = family_of(model).sees_images
    folder = app.home / "projects" / f"{agent}-{model}"
    folder.mkdir(parents=True)
    (folder / "picture.png").write_bytes(picture())
    before = max((call["number"] for call in app.control.requests()), default=0)
    with app.owner.terminal() as terminal:
        terminal.run(f"cd {folder}")
        if IS_LONG:  # else the next is one shot, too
            said = terminal.run(f"{once.format('hello')} < /dev/null")
            assert "echo: hello" in said.replace('"', "")
        assert "done: 55" in terminal.run(f"{once.format(TWICE)} < /dev/null")
        if went_on and (IS_LONG or not sees):
            said = terminal.run(f"{again.format(repr('go on'))} < /dev/null")
            assert "echo: go on" in said.replace('"', "")
        elif went_on:  # with a picture at once: to start an agent takes up to 5 s of a processor
            said = terminal.run(f"{shown_again} < /dev/null")
            assert re.search(r"(?s)echo: .*go on", said)
        if sees:
            if IS_LONG or not went_on:
                terminal.run(f"{shown} < /dev/null")
            of_model = [call for call in model_calls(app, before) if call["model"] == model]
            assert of_model[-1]["pictures"]
    calls = model_calls(app, before)
    assert {(call["status"], call["rule"]) for call in calls} == {(200, None)}
    assert model in {call["model"] for call in calls}
    assert len(calls) <= MOST_CALLS
    if family_of(model).caches_prompts:
        marked = [call for call in calls if call["model"] == model and call["cache_marks"]]
        assert len(marked) >= (LEAST_CALLS if went_on else LEAST_CALLS - 1)
    assert len({(call["path"], call["digest"]) for call in calls}) == len(calls)
    if IS_RECORDED:
        version = next(one.recipe.version() for one in AGENTS if one.name == agent)
        record(agent, version, model.removeprefix("databricks-"), cell.layout)


@pytest.mark.timeout(300)
# The others are in ``test_foreign_projects``, together with more.
@pytest.mark.parametrize("variables", VARIABLES if IS_LONG else VARIABLES[:1])
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


# Another model than in the other tests: what is learned of it is kept.
MADE_UP = {
    "claude-code": "databricks-claude-opus-4-6",
    "codex": "databricks-gpt-5-3-codex",
    "gemini-cli": "databricks-gemini-3-flash",
    "opencode": "databricks-claude-sonnet-4-6",
    "hermes": "databricks-gpt-5",
}
SENTENCES = (
    r"(?i)not permitted|maximum allowed|unknown (name|parameter|field)|too large|supported range"
)
SEEDS = range(SEED, SEED + (4 if IS_LONG else 1))
MOST_ATTEMPTS = 12
AT_ONCE_CALLS = 6  # a refusal and its mend, of a title and of the question, and once more


@pytest.mark.timeout(900)
@pytest.mark.parametrize("agent", MADE_UP if IS_LONG else [sorted(MADE_UP)[SEED % len(MADE_UP)]])
def test_under_rules_that_nobody_knows_an_agent_shows_the_gateways_sentence_or_answers(
    app: RunningApp, agent: str
):
    app.until_installed()
    app.log_in()
    app.owner.json("PATCH", f"{API}/{agent}", {"model": MADE_UP[agent]})
    ask = f"{COMMANDS[agent][0].format('hello')} < /dev/null"
    try:
        for seed in SEEDS:
            print(f"TEST_SEED={seed}")
            app.control.switch(rules_seed=seed)
            with app.owner.terminal() as terminal:
                attempts = 0
                while "echo: hello" not in (said := asked(app, terminal, ask)):
                    assert re.search(SENTENCES, said), f"seed {seed}: {said}"
                    attempts += 1
                    assert attempts < MOST_ATTEMPTS, f"seed {seed}: {said}"
                assert "echo: hello" in asked(app, terminal, ask)  # what was learned is kept
    finally:
        app.control.switch(rules_seed=0)
        app.owner.json("PATCH", f"{API}/{agent}", {"model": None})


def asked(app: RunningApp, terminal: TerminalClient, command: str) -> str:
    """Ask an agent, which may repeat a refused request no more than a mend needs."""
    before = max((call["number"] for call in app.control.requests()), default=0)
    _, said = terminal.run_any(command)
    refused = [call for call in model_calls(app, before) if call["status"] != 200]
    assert len(refused) <= AT_ONCE_CALLS, said
    return said.replace('"', "")


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
