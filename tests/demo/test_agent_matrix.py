"""Real agents with models of every family, on a workspace that refuses what Databricks does.

One cell is an agent with a model: two tool calls without a word, then the session goes on, then a
picture where the model sees.  No call may be refused.
"""

import json
import struct
import zlib
from collections.abc import Iterator

import pytest

from jupyter_dbx_agents.models import family_of
from tests.support.running_app import RunningApp

API = "/dbx-agents/api/agents"
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
CELLS = [
    ("claude-code", "claude-haiku-4-5"),
    ("codex", "gpt-5-mini"),
    ("gemini-cli", "gemini-3-1-pro"),
    ("opencode", "claude-sonnet-4-5"),
    ("opencode", "gpt-5-5"),
    ("opencode", "gemini-3-1-pro"),
    ("opencode", "gpt-oss-120b"),
    ("hermes", "claude-haiku-4-5"),
    ("hermes", "gpt-5-5"),
    ("hermes", "gpt-oss-120b"),
]


@pytest.fixture
def chosen(app: RunningApp, request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """An agent and its model, which is as configured again at the end."""
    app.until_installed()
    app.log_in()
    agent, model = request.param
    app.owner.json("PATCH", f"{API}/{agent}", {"model": f"databricks-{model}"})
    yield agent, f"databricks-{model}"
    app.owner.json("PATCH", f"{API}/{agent}", {"model": None})


def model_calls(app: RunningApp, since: int) -> list[dict]:
    calls = app.control.requests(since=since, path="/ai-gateway")
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
@pytest.mark.parametrize("chosen", CELLS, ids="-".join, indirect=True)
def test_an_agent_works_with_a_model_and_no_call_is_refused(
    app: RunningApp, chosen: tuple[str, str]
):
    agent, model = chosen
    once, again, shown = COMMANDS[agent]
    folder = app.home / "projects" / f"{agent}-{model}"
    folder.mkdir(parents=True)
    (folder / "picture.png").write_bytes(picture())
    before = max((call["number"] for call in app.control.requests()), default=0)
    with app.owner.terminal() as terminal:
        terminal.run(f"cd {folder}")
        assert "done: 55" in terminal.run(f"{once.format(TWICE)} < /dev/null")
        assert "echo: go on" in terminal.run(f"{again.format(repr('go on'))} < /dev/null").replace(
            '"', ""
        )
        if family_of(model).sees_images:
            terminal.run(f"{shown} < /dev/null")
            assert [call for call in model_calls(app, before) if call["model"] == model][-1][
                "pictures"
            ]
    calls = model_calls(app, before)
    assert {(call["status"], call["rule"]) for call in calls} == {(200, None)}
    assert model in {call["model"] for call in calls}


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
