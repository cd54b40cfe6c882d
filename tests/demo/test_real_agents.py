"""All five real agents in a home that has settings of its own: tools, rotations, the way back."""

import contextlib
import json
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from jupyter_dbx_agents.agents import AGENTS, AgentInstaller
from tests.support.effort import ROTATIONS
from tests.support.golden import FILES
from tests.support.running_app import RunningApp, eventually
from tests.support.terminal_client import TerminalClient

API = "/dbx-agents/api/agents"
# How each is run once, and where its calls arrive at the workspace's gateway.
ONCE = {
    "claude-code": ("claude -p --allowedTools Bash -- {}", "/anthropic/v1/messages"),
    "codex": ("codex exec --skip-git-repo-check {}", "/codex/v1/responses"),
    "gemini-cli": ("gemini -y -p {}", "/gemini/v1beta/models/databricks-gemini-2-5-pro"),
    "opencode": ("opencode run {}", "/anthropic/v1/messages"),
    "hermes": ("hermes chat -Q -q {}", "/anthropic/v1/messages"),
}
# What the screen of each shows when it takes a question.
READY = {
    "claude-code": r"for\s*agents|for\s*shortcuts",
    "codex": r"Ask\s*Codex\s*to\s*do",
    "gemini-cli": r"Type\s*your\s*message",
    "opencode": r"Ask\s*anything",
    "hermes": r"\u276f",
}
# Screens send what differs from before, so that a word may come in parts; this one's first, too.
DRAWS_CHANGES_ONLY = {"opencode"}
LEAST_QUESTIONS = 8
# Two at a time: OpenCode alone takes 800 MB.
PAIRS = (("claude-code", "codex"), ("gemini-cli", "hermes"), ("opencode",))


def calls_since(app: RunningApp, number: int) -> list[dict]:
    return app.calls(number)


def last_number(app: RunningApp) -> int:
    return max((call["number"] for call in app.control.requests()), default=0)


@pytest.mark.timeout(900)
def test_every_agent_is_installed_in_the_pinned_version_and_a_second_install_is_instant(
    app: RunningApp,
):
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        for agent in AGENTS:
            assert agent.recipe.version() in terminal.run(f"{agent.command} --version")
    installer = AgentInstaller(app.home)
    assert all(installer.installed(agent) for agent in AGENTS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("agent", ONCE)
def test_an_agent_works_by_a_tool_call_in_its_own_dialect(app: RunningApp, agent: str):
    app.until_installed()
    app.log_in()
    command, path = ONCE[agent]
    before = last_number(app)
    work = f"run: echo made by {agent} > {agent}.txt && cat {agent}.txt"
    counted = tokens(app, agent)
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        said = terminal.run(command.format(f"'{work}'"))
        assert f"done: made by {agent}" in said
        assert "metadata" not in said  # Codex knows its model
    assert (app.home / "projects" / "plain" / f"{agent}.txt").read_text() == f"made by {agent}\n"
    calls = calls_since(app, before)
    assert [call for call in calls if call["path"].startswith(f"/ai-gateway{path}")]
    assert {call["status"] for call in calls} == {200}
    assert all(call["model"].startswith("databricks-") for call in calls if call["model"])
    assert all(now > then for now, then in zip(tokens(app, agent), counted, strict=True))


def tokens(app: RunningApp, agent: str) -> tuple[int, int]:
    """The tokens in and out that were counted for an agent so far."""
    counts = [count for count in app.status()["usage"] if count["agent"] == agent]
    return (
        sum(count["input_tokens"] for count in counts),
        sum(count["output_tokens"] for count in counts),
    )


WITHOUT_NAMESPACES = "unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec {}'"


def test_codex_works_where_user_namespaces_are_forbidden(app: RunningApp):
    app.until_installed()
    app.log_in()
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        if terminal.run_any("unshare -Ur true")[0] != 0:  # they are forbidden here
            assert "danger-full-access" in (app.home / ".codex" / "config.toml").read_text()
            return
        assert "danger-full-access" not in (app.home / ".codex" / "config.toml").read_text()
        sandboxed = WITHOUT_NAMESPACES.format("codex sandbox -- true")
        assert terminal.run_any(sandboxed)[0] != 0  # what is probed after the installation
        mode = 'codex exec -c sandbox_mode=\\"danger-full-access\\"'
        question = '"run: echo from inside > inside.txt"'
        terminal.run(WITHOUT_NAMESPACES.format(f"{mode} --skip-git-repo-check {question}"))
    assert (app.home / "projects/plain/inside.txt").read_text() == "from inside\n"


def ask(app: RunningApp, terminal: TerminalClient, agent: str, number: int) -> None:
    """Type a question on an agent's screen; wait until the workspace has answered it."""
    answered = answers(app, agent)
    put(terminal, f"bulk: {number} tokens", lambda: answers(app, agent) > answered)


def put(terminal: TerminalClient, question: str, has_arrived: Callable[[], bool]) -> None:
    """Type a question on an agent's screen, and Enter until it has arrived at the workspace."""
    for _attempt in range(5):
        terminal.type(question)
        try:
            terminal.expect(r"\s*".join(map(re.escape, question.split())), 10)
            break
        except AssertionError:
            terminal.type("\x15")  # a screen that was not ready took a part; Ctrl-U clears it
    for _attempt in range(5):  # Gemini CLI takes an Enter that comes too soon for a paste's
        terminal.type("\r")
        with contextlib.suppress(AssertionError):
            terminal.until(has_arrived, 15)
            return
    raise AssertionError(f"no answer to {question!r}:\n{terminal.unmatched()}")


def answers(app: RunningApp, agent: str) -> int:
    """How many calls of an agent the workspace has answered."""
    calls = app.calls(path=f"/ai-gateway{ONCE[agent][1]}")
    return len([call for call in calls if call["outcome"] == "answered"])


def command_of(agent: str) -> str:
    """What starts an agent's screen."""
    return next(a.command for a in AGENTS if a.name == agent)


def converse(app: RunningApp, agent: str, is_over: Callable[[], bool], asked: dict) -> None:
    """Ask again and again in one session of an agent's screen."""
    with app.owner.terminal() as terminal:
        terminal.run("mkdir -p plain && cd plain")
        terminal.type(command_of(agent) + "\n")
        terminal.expect(READY[agent], 120)
        asked[agent] = 0
        while not is_over() or asked[agent] < LEAST_QUESTIONS:
            ask(app, terminal, agent, 20 + asked[agent])
            if not asked[agent] and agent not in DRAWS_CHANGES_ONLY:
                terminal.expect(r"token19(?!\d)", 60)
            asked[agent] += 1


@pytest.mark.timeout(900)
@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
def test_one_long_session_of_an_agents_screen_survives_rotations(
    app: RunningApp, pair: tuple[str, ...]
):
    app.until_installed()
    app.log_in()
    before, logged = last_number(app), len(app.log.read_text())
    packages = installed_packages(app)
    asked: dict[str, int] = {}
    errors: list[tuple[str, BaseException]] = []
    done = threading.Event()

    def work(agent: str) -> None:
        try:
            converse(app, agent, done.is_set, asked)
        except BaseException as error:
            errors.append((agent, error))

    threads = [threading.Thread(target=work, args=(agent,)) for agent in pair]
    for thread in threads:
        thread.start()
    eventually(lambda: errors or set(asked) == set(pair), 180, "the agents' screens")
    first = app.pat()["rotations"]

    def is_enough() -> bool:
        tokens = {call["token_id"] for call in calls_since(app, before)}
        return app.pat()["rotations"] >= first + ROTATIONS and len(tokens) >= LEAST_QUESTIONS

    def all_asked_more_than(counts: dict[str, int]) -> bool:
        return bool(errors) or all(asked[agent] > counts[agent] for agent in pair)

    while not is_enough() and not errors:
        app.owner.json("POST", "/dbx-agents/api/pat/rotate")
        with contextlib.suppress(AssertionError):  # OpenCode takes longer on a small machine
            eventually(partial(all_asked_more_than, dict(asked)), 3)
    done.set()
    for thread in threads:
        thread.join(300)
    for agent, error in errors:
        raise AssertionError(agent) from error
    calls = calls_since(app, before)
    assert {call["status"] for call in calls if call["outcome"] == "answered"} == {200}
    assert min(asked.values()) >= LEAST_QUESTIONS
    # They install nothing by themselves: what is not in a lock has no hash.
    assert installed_packages(app) == packages
    # Nor what they ask beside their turns, such as for a title, has gone where nothing answers.
    assert not re.findall(r"broker: .* POST .* -> 404,.*", app.log.read_text()[logged:])


def installed_packages(app: RunningApp) -> set[str]:
    """The Python packages of all agents."""
    installer = AgentInstaller(app.home)
    folders = [installer.own_folder(agent) for agent in AGENTS]
    return {found.name for folder in folders for found in folder.rglob("*.dist-info")}


def test_codex_trusts_a_repository_that_was_made_after_the_start(app: RunningApp):
    app.log_in()
    with app.owner.terminal() as terminal:
        terminal.run("rm -rf late && git init -q late")
        path = app.home / "projects" / "late"
        config = app.home / ".codex" / "config.toml"
        eventually(lambda: f'[projects."{path}"]' in config.read_text(), 60, "trust")
        terminal.run("rm -rf late")
        eventually(lambda: f'[projects."{path}"]' not in config.read_text(), 60, "no trust")


def plain(path: Path) -> object:
    """The values of a configuration file, for those that agents write to themselves."""
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def holds(bigger: object, smaller: object) -> bool:
    """Whether all values of ``smaller`` are where they were."""
    if isinstance(smaller, dict):
        return isinstance(bigger, dict) and all(
            key in bigger and holds(bigger[key], value) for key, value in smaller.items()
        )
    return bigger == smaller


@pytest.mark.timeout(300)
def test_switching_all_agents_off_gives_the_user_back_their_files_and_on_again_works(
    app: RunningApp,
):
    app.until_installed()
    app.log_in()
    secrets = re.findall(
        r"(?:GEMINI_API_KEY=|experimental_bearer_token = \")([\w-]{43})",
        (app.home / ".gemini/.env").read_text() + (app.home / ".codex/config.toml").read_text(),
    )
    assert len(secrets) == 2
    for agent in AGENTS:
        assert not app.owner.json("PATCH", f"{API}/{agent.name}", {"enabled": False})["enabled"]
    try:
        for name, text in FILES.items():
            path = app.home / name
            if name == ".databrickscfg":
                continue  # that one is the credential's
            if path.suffix in {".json", ".yaml"}:
                before = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
                assert holds(plain(path), before), name
            elif name == ".codex/config.toml":
                assert path.read_text().startswith(text.split("\n[projects")[0]), name
            else:
                assert path.read_text() == text, name
            assert "127.0.0.1" not in path.read_text(), name
            assert not [secret for secret in secrets if secret in path.read_text()], name
        with app.owner.terminal() as terminal:
            for agent in AGENTS:
                code, said = terminal.run_any(f"{agent.command} --version")
                assert (code, "is switched off" in said) == (127, True)
    finally:
        for agent in AGENTS:
            app.owner.json("PATCH", f"{API}/{agent.name}", {"enabled": None})
    with app.owner.terminal() as terminal:
        assert "echo: back" in terminal.run("codex exec --skip-git-repo-check back")
        doctor = terminal.run("jupyter dbx-agents doctor")
    assert "PROBLEM" not in doctor
    for agent in AGENTS:
        assert f"ok      {agent.name}: model" in doctor
    assert f"authenticates as {app.lines['owner']}" in doctor
