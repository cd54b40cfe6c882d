"""The job: open, paste, and real agents work, through rotations."""

import re
import threading

import pytest

from tests.support.effort import ALL_ROTATIONS
from tests.support.running_app import RunningApp, eventually

from .test_real_agents import last_number


def test_the_owner_gets_jupyterlab_and_the_stranger_a_refusal_everywhere(app: RunningApp):
    page = app.owner.http.get("/lab")
    assert page.status_code == 200
    assert "jupyter-config-data" in page.text
    for path in ("/", "/lab", "/api/status", "/static/favicon.ico", "/nonsense"):
        answer = app.owner.http.get(app.lines["stranger"] + path)
        assert answer.status_code == 403
        assert app.lines["owner"] not in answer.text


def test_a_terminal_without_a_token_asks_takes_a_bad_and_a_good_one_and_becomes_the_shell(
    app: RunningApp,
):
    app.owner.json("DELETE", "/dbx-agents/api/pat")
    with app.owner.terminal() as terminal:
        terminal.expect("Connect to Databricks")
        assert terminal.expect(r"https?://\S+/settings/user/developer/access-tokens")
        terminal.expect(r"Paste address or token; it stays hidden \(or press Enter to skip\): ")
        terminal.type("hunter2\n")
        refused = terminal.expect("(?s).*neither the address where")
        assert "hunter2" not in refused[0]
        terminal.expect("Paste address or token")
        paste = app.lines["paste"]
        terminal.type(paste + "\n")
        said = terminal.expect(f"(?s).*Connected as {app.lines['owner']}")[0]
        assert paste not in said
        terminal.until_shell()
        assert terminal.run("echo in $PWD").strip().endswith("/projects")
    assert app.pat()["pasted"]["state"] == "revoked"
    dead = [t for t in app.control.tokens() if t["comment"] == "pasted into the demo"]
    assert [t["status"] for t in dead] == ["revoked"]


def test_the_command_in_a_terminal_shows_the_status(app: RunningApp):
    app.log_in()
    with app.owner.terminal() as terminal:
        shown = terminal.run("jupyter dbx-agents status")
    assert "Token      Connected as " in shown
    assert app.lines["owner"] in shown
    assert "databricks-gemini-2-5-pro, window 1,048,576, output up to 65,535, pictures" in shown


@pytest.mark.timeout(700)
def test_the_agents_are_installed_with_progress_in_the_status(app: RunningApp):
    app.until_installed()
    titles = {task["title"] for task in app.status()["startup"]}
    assert {"Install Claude Code", "Install Codex"} <= titles


AGENTS = {
    "claude": "claude -p --allowedTools Bash -- {prompt}",
    "codex": "codex exec --skip-git-repo-check --sandbox danger-full-access {prompt}",
}


@pytest.mark.timeout(700)
@pytest.mark.parametrize("agent", AGENTS)
def test_a_real_agent_answers_and_commits_by_a_tool_call(app: RunningApp, agent: str):
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        terminal.run(f"rm -rf {agent}-repo && git init -q {agent}-repo && cd {agent}-repo")
        terminal.run("git config user.email a@example.com; git config user.name A")
        answer = terminal.run(AGENTS[agent].format(prompt="'hello there'"))
        assert "echo: hello there" in answer
        work = "run: echo made by an agent > file.txt && git add file.txt && git commit -qm made"
        terminal.run(AGENTS[agent].format(prompt=f"'{work}'"))
        assert terminal.run("git log --format=%s; cat file.txt").split("\n")[:2] == [
            "made",
            "made by an agent",
        ]


SDK_PROGRAM = """
import sys, time
from databricks.sdk import WorkspaceClient
workspace = WorkspaceClient()
calls = 0
print("started", flush=True)
while not __import__("pathlib").Path(sys.argv[1]).exists():
    assert workspace.current_user.me().user_name == sys.argv[2]
    calls += 1
    time.sleep(0.02)
print(f"calls={calls} failures=0", flush=True)
"""

AGENT_LOOP = """
calls=0; failures=0
until [ -e "$1" ]; do
  out=$(eval "$2" 2>&1) && printf '%s' "$out" | grep -q "$3" || {{
    failures=$((failures+1)); printf '%s\\n' "$out"; }}
  calls=$((calls+1))
done
echo "calls=$calls failures=$failures"
"""


@pytest.mark.timeout(900)
def test_agents_and_sdk_programs_do_not_notice_twenty_rotations_with_streams_in_flight(
    app: RunningApp,
):
    app.until_installed()
    app.log_in()
    before = last_number(app)  # other tests of this app have models that refuse
    stop = app.home / "stop"
    stop.unlink(missing_ok=True)
    (app.home / "sdk.py").write_text(SDK_PROGRAM)
    (app.home / "loop.sh").write_text(AGENT_LOOP.replace("{{", "{").replace("}}", "}"))
    stream = "'stream: 12 chunks every 250 ms'"
    programs = {
        name: f'bash ~/loop.sh {stop} "{line.format(prompt=stream)}" "end of stream"'
        for name, line in AGENTS.items()
    }
    programs["sdk"] = f"python ~/sdk.py {stop} {app.lines['owner']}"
    results: dict[str, str] = {}

    def work(name: str, command: str) -> None:
        with app.owner.terminal() as terminal:
            results[name] = terminal.run(command, 600)

    threads = [threading.Thread(target=work, args=item) for item in programs.items()]
    for thread in threads:
        thread.start()
    first = app.pat()["rotations"]
    eventually(lambda: app.pat()["rotations"] >= first + ALL_ROTATIONS + 2, 300, "rotations")
    stop.touch()
    for thread in threads:
        thread.join(120)
    assert set(results) == set(programs), results
    for name, output in results.items():
        counts = re.search(r"calls=(\d+) failures=(\d+)", output)
        assert counts, output
        assert int(counts[2]) == 0, f"{name}: {output}"
        assert int(counts[1]) >= 3, f"{name} made too few calls to say anything"
    calls = app.calls(before)
    assert len({call["token_id"] for call in calls}) >= ALL_ROTATIONS // 2
    assert all(call["status"] == 200 for call in calls if call["outcome"] == "answered")

    def replaced() -> list[dict]:
        """All tokens that the app made but the current one and those whose promises still hold."""
        ours = [t for t in app.control.tokens() if t["comment"].startswith("jupyter_dbx_agents")]
        return ours[:-3]

    eventually(lambda: all(t["status"] != "live" for t in replaced()), 30, "old tokens dead")
    assert len([t for t in replaced() if t["status"] == "revoked"]) >= ALL_ROTATIONS
