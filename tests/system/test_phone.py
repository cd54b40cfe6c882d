"""The pages for a phone, over HTTP: screens, keys, answers, all done once, and starting agents."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.agents.claude_code import CLAUDE_CODE
from jupyter_dbx_agents.web.starting import MOST_TEXT_CHARACTERS
from tests.support.as_installed import as_installed
from tests.support.constants import OWNER, PAT
from tests.support.running_app import Browser, LocalWorkspaceProcess, Server, eventually
from tests.support.terminal_client import TerminalClient

HOME = "/dbx-agents/"
SESSIONS = f"{HOME}sessions"
# What asks, and writes each answer that it gets as one line.
READER = """
import os, sys, termios, tty
tty.setraw(0)
os.write(1, b"\\x1b[?2004h" if "pastes" in sys.argv else b"")
os.write(1, b"\\x1b]7501;state=blocked:kind=permission:msg=cm0gLXJmIHg=\\x1b\\\\ready\\r\\n")
while (data := os.read(0, 9999)) != b"q":
    if data == b"again":
        os.write(1, b"\\x1b]7501;state=working\\x1b\\\\")
        os.write(1, b"\\x1b]7501;state=blocked:kind=permission:msg=b3RoZXI=\\x1b\\\\")
    os.write(1, f"got {data!r}\\r\\n".encode())
"""


@pytest.fixture(autouse=True)
def connected(owner: Browser, workspace: LocalWorkspaceProcess) -> None:
    """The owner has a token, so that no terminal asks for one."""
    if owner.json("GET", PAT)["expires_at"] is None:
        owner.json("POST", PAT, {"token": workspace.control.mint(OWNER).token_value})


@pytest.fixture
def reader(owner: Browser, tmp_path: Path) -> Iterator[TerminalClient]:
    """A terminal in which ``claude`` asks for permission and says which keys it gets."""
    program = tmp_path / "claude"
    program.write_text(READER)
    with owner.terminal(shell_command=["bash", "--norc"]) as terminal:
        terminal.type(f"{sys.executable} {program} pastes\n")
        terminal.expect("ready")
        yield terminal
        terminal.type("q")


def id_of(owner: Browser, terminal: TerminalClient) -> str:
    """The end of the address of a terminal's page, as the list links it."""
    rows = owner.http.get(HOME).text.split("<li>")
    (row,) = (row for row in rows if re.search(rf"terminal {terminal.name}\b", row))
    found = re.search(rf"{SESSIONS}/([0-9a-f]{{32}})", row)
    assert found, row
    return found[1]


def screen(owner: Browser, id: str) -> dict[str, Any]:
    return owner.json("GET", f"{SESSIONS}/{id}/screen")


def new_key(owner: Browser, id: str) -> str:
    return owner.http.get(f"{SESSIONS}/{id}/screen").headers["X-Dbx-Agents-Key"]


def act(owner: Browser, id: str, action: str, **fields: Any) -> httpx.Response:
    """Press a button, as the page's script does it."""
    fields = {"key": new_key(owner, id), "action": action, **fields}
    fields.setdefault("revision", str(screen(owner, id)["revision"]))
    headers = {"Accept": "application/json"}
    return owner.http.post(f"{SESSIONS}/{id}", data=fields, headers=headers)


def test_the_list_and_the_page_show_what_asks_and_the_text_of_its_screen(
    owner: Browser, reader: TerminalClient
):
    eventually(lambda: "asks for permission" in owner.http.get(HOME).text, 5, "the state")
    id = id_of(owner, reader)
    answer = owner.http.get(f"{SESSIONS}/{id}")
    assert "ready" in answer.text
    assert "rm -rf x" in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text
    assert screen(owner, id)["asks"]
    reader.type("\x1b<b>&")  # which may have been the answer
    shown = eventually(lambda: (m := screen(owner, id)) and "&" in m["screen"] and m, 5, "output")
    assert (shown["asks"], shown["what"], shown["doing"]) == (
        False,
        "rm -rf x",
        "asks for permission",
    )
    assert "<b>" not in owner.http.get(f"{SESSIONS}/{id}").text

    # It is called what it is called in JupyterLab: by project and agent, or as its owner chose.
    assert shown["title"] == "projects · Claude Code"
    path = f"/dbx-agents/api/terminals/{reader.name}"
    for title, called in (("<i> & mine", "<i> & mine"), ("", "projects · Claude Code")):
        owner.json("PATCH", path, {"title": title})
        assert screen(owner, id)["title"] == called
        assert f">{html.escape(called)}</a>" in owner.http.get(HOME).text


def test_a_screen_that_has_not_changed_is_not_sent_again(owner: Browser, reader: TerminalClient):
    path = f"{SESSIONS}/{id_of(owner, reader)}/screen"
    first = owner.http.get(path)
    again = owner.http.get(path, headers={"If-None-Match": first.headers["Etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["X-Dbx-Agents-Key"] != first.headers["X-Dbx-Agents-Key"]
    reader.type("x")
    reader.expect("got b'x'")
    headers = {"If-None-Match": first.headers["Etag"]}
    assert owner.http.get(path, headers=headers).status_code == 200


def test_an_action_is_done_once_however_often_it_arrives(owner: Browser, reader: TerminalClient):
    id = id_of(owner, reader)
    key = f"{new_key(owner, id)}.1"

    def press(_number: int) -> tuple[int, str]:
        answer = act(owner, id, "type", text="once", key=key)
        return answer.status_code, answer.json()["message"]

    with ThreadPoolExecutor(4) as repeated:
        fates = set(repeated.map(press, range(8)))
    assert fates == {(200, "Typed 4 characters.")}
    reader.expect("got b'once'")
    assert act(owner, id, "2").is_success
    reader.expect("got b'2'")
    assert screen(owner, id)["screen"].count("got b'once'") == 1
    other = act(owner, id, "type", text="other", key=key)
    assert (other.status_code, "another action" in other.json()["message"]) == (409, True)


def test_keys_and_text_arrive_as_typed_and_enter_comes_apart_from_the_text(
    owner: Browser, reader: TerminalClient
):
    id = id_of(owner, reader)
    keys = {"escape": b"\x1b", "interrupt": b"\x03", "up": b"\x1b[A", "3": b"3"}
    for action, typed in keys.items():
        assert act(owner, id, action).is_success
        reader.expect(re.escape(f"got {typed!r}"))
    for _attempt in range(3):  # a busy machine may read both at once
        sent = act(owner, id, "send", text="Grüße 🙂").json()["message"]
        assert sent == "Sent 7 characters and Enter."
    reader.expect(re.escape(f"got {'Grüße 🙂'.encode()!r}"))
    reader.expect(re.escape("got b'\\r'"))
    assert act(owner, id, "type", text="a\r\nb").is_success
    pasted = b"\x1b[200~a\nb\x1b[201~"
    reader.expect(re.escape(f"got {pasted!r}"))


def test_only_what_the_owner_has_seen_is_allowed(owner: Browser, reader: TerminalClient):
    id = id_of(owner, reader)
    eventually(lambda: screen(owner, id)["asks"], 5, "the question")
    seen = asked(owner, id)
    reader.type("again")
    eventually(lambda: screen(owner, id)["what"] == "other", 5, "the next question")
    for stale in (seen, {**asked(owner, id), "what": seen["what"]}):  # another one; other words
        late = act(owner, id, "allow", **stale)
        assert (late.status_code, "something else" in late.json()["message"]) == (409, True)
    for action in ("enter", "1", "type", "send"):  # each may allow it
        late = act(owner, id, action, text="y", revision=seen["revision"])
        assert (late.status_code, "something else" in late.json()["message"]) == (409, True)
    assert screen(owner, id)["asks"]
    assert act(owner, id, "deny", **asked(owner, id)).is_success
    reader.expect(re.escape("got b'\\x1b'"))
    revision = screen(owner, id)["revision"]
    reader.type("again")
    eventually(lambda: screen(owner, id)["revision"] > revision, 5, "the third question")
    reader.type("\x1b[O")  # the focus goes to another tab, which answers nothing
    reader.expect(re.escape("got b'\\x1b[O'"))
    seen = asked(owner, id)
    assert act(owner, id, "allow", **seen).is_success
    reader.expect(re.escape("got b'\\r'"))

    # A second tap, another phone: the agent may ask the next question before it says so.
    for action in ("allow", "deny"):
        late = act(owner, id, action, **seen)
        assert (late.status_code, "already typed" in late.json()["message"]) == (409, True)
    assert screen(owner, id)["asks"] is False
    reader.type("end")
    reader.expect("got b'end'")
    assert screen(owner, id)["screen"].count("got b'\\r'") == 1


def asked(owner: Browser, id: str) -> dict[str, str]:
    """What a form says of the request that it answers."""
    return {name: str(screen(owner, id)[name]) for name in ("revision", "what")}


def test_without_the_script_a_form_leads_back_to_the_page_with_its_fate(
    owner: Browser, reader: TerminalClient
):
    id = id_of(owner, reader)
    page = owner.http.get(f"{SESSIONS}/{id}").text
    fields = dict(re.findall(r'name="(key|_xsrf)" value="([^"]+)"', page)) | {"action": "escape"}
    fates = [owner.http.post(f"{SESSIONS}/{id}", data=fields) for _repeated in range(2)]
    assert {fate.status_code for fate in fates} == {303}
    assert "Pressed Esc." in owner.http.get(fates[0].headers["Location"]).text
    reader.expect(re.escape("got b'\\x1b'"))
    reader.type("end")
    reader.expect("got b'end'")
    assert screen(owner, id)["screen"].count("got ") == 2


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"action": "dance"}, (400, "no such form")),
        ({"action": "send", "text": ""}, (400, "no text")),
        ({"action": "send", "text": "x" * 4001}, (413, "4,001 characters")),
        ({"action": "send", "text": "a\x1b[201~b"}, (400, "control characters")),
        ({"action": "send", "text": "a\x03"}, (400, "control characters")),
        ({"action": "escape", "key": ""}, (400, "no valid key")),
        ({"action": "escape", "key": "0" * 16 + "-5-" + "0" * 16}, (409, "has restarted")),
        ({"action": "allow", "revision": "999"}, (409, "something else")),
    ],
)
def test_bad_actions_are_refused_with_a_word_and_type_nothing(
    owner: Browser, reader: TerminalClient, fields: dict[str, str], refusal: tuple[int, str]
):
    id = id_of(owner, reader)
    answer = act(owner, id, **fields)
    status, said = refusal
    assert (answer.status_code, said in answer.json()["message"]) == (status, True), answer.text
    assert answer.json()["hint"]
    reader.type("end")
    reader.expect("got b'end'")
    assert screen(owner, id)["screen"].count("got ") == 1


def test_a_terminal_that_has_ended_is_not_typed_into_under_its_name_again(owner: Browser):
    with owner.terminal(name="again") as terminal:
        id = id_of(owner, terminal)
    eventually(lambda: owner.http.get(f"{SESSIONS}/{id}/screen").status_code == 404, 10, "its end")
    with owner.terminal(name="again"):
        answer = act_with(owner, id, new_key_of_list(owner))
        assert (answer.status_code, answer.json()["message"]) == (404, "This terminal has ended.")
        assert owner.http.get(f"{SESSIONS}/{id}").headers["Location"] == HOME


def new_key_of_list(owner: Browser) -> str:
    """A key for an action; any session's page has one."""
    (row,) = re.findall(rf"{SESSIONS}/([0-9a-f]{{32}})", owner.http.get(HOME).text)[:1]
    return new_key(owner, row)


def act_with(owner: Browser, id: str, key: str) -> httpx.Response:
    headers = {"Accept": "application/json"}
    fields = {"key": key, "action": "escape"}
    return owner.http.post(f"{SESSIONS}/{id}", data=fields, headers=headers)


def test_nobody_else_and_no_other_site_types(
    owner: Browser, server: Server, reader: TerminalClient
):
    id = id_of(owner, reader)
    fields = {"key": new_key(owner, id), "action": "escape"}
    for headers in ({}, {"X-Forwarded-Email": "stranger@example.com"}):
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/screen")):
            answer = httpx.request(method, f"{server.url}{SESSIONS}/{id}{path}", headers=headers)
            assert answer.status_code == 403
    foreign = {"X-Forwarded-Email": OWNER, "Cookie": f"_xsrf={owner.xsrf}"}
    answer = httpx.post(f"{server.url}{SESSIONS}/{id}", data=fields, headers=foreign)
    assert answer.status_code == 403
    reader.type("end")
    reader.expect("got b'end'")
    assert screen(owner, id)["screen"].count("got ") == 1


@pytest.fixture
def claude(owner: Browser, home: Path) -> Iterator[Path]:
    """A program in the place of Claude Code's, which writes down its command line."""
    said = home / "said.json"
    script = (
        "import json, os, sys\n"
        f"with open({str(said)!r}, 'a') as file:\n"
        "    file.write(json.dumps([os.getcwd(), *sys.argv[1:]]) + chr(10))\n"
        "print('ready', flush=True)\nsys.stdin.read()\n"
    )
    with as_installed(home, CLAUDE_CODE, script):
        yield said
    said.unlink(missing_ok=True)


def start(owner: Browser, **fields: str) -> httpx.Response:
    """Send the form that starts an agent."""
    page = owner.http.get(HOME).text
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found
    form = {"action": "start", "key": found[1], "agent": CLAUDE_CODE.name, "folder": "", **fields}
    return owner.http.post(HOME, data=form)


def test_an_agent_is_started_once_with_a_prompt_of_any_characters(owner: Browser, claude: Path):
    prompt = '-p it\'s "$(touch x)" `y`\n\\ !! %s Grüße {} '
    prompt = prompt.ljust(MOST_TEXT_CHARACTERS, "'")  # which takes most room on a command line
    first = start(owner, prompt=prompt)
    assert first.status_code == 303, first.text
    name = first.headers["Location"].rpartition("/")[2]
    eventually(lambda: "ready" in screen(owner, name)["screen"], 20, "the agent")
    started = [json.loads(line) for line in claude.read_text().splitlines()]
    assert [words[1:] for words in started] == [["--", prompt]]
    assert Path(started[0][0]).name == "projects"
    assert screen(owner, name)["title"] == "projects · Claude Code"
    assert act(owner, name, "interrupt").is_success
    assert act(owner, name, "send", text="echo still $((40 + 2))").is_success
    eventually(lambda: "still 42" in screen(owner, name)["screen"], 20, "the shell that remains")
    assert act(owner, name, "send", text="exit").is_success


def test_the_form_that_starts_an_agent_starts_one_however_often_it_is_sent(
    owner: Browser, claude: Path
):
    found = re.search(r'name="key" value="([^"]+)"', owner.http.get(HOME).text)
    assert found
    answers = [start(owner, key=found[1], prompt="hello") for _repeated in range(2)]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    id = answers[0].headers["Location"].rpartition("/")[2]
    eventually(lambda: "ready" in screen(owner, id)["screen"], 20, "the agent")
    assert len(claude.read_text().splitlines()) == 1
    assert act(owner, id, "interrupt").is_success
    assert act(owner, id, "send", text="exit").is_success


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"agent": "nobody"}, (404, "There is no agent")),
        ({"agent": "codex"}, (409, "is not installed, or is off")),
        ({"folder": "../../etc"}, (404, "There is no project")),
        ({"prompt": "x" * 4001}, (413, "4,001 characters")),
        ({"prompt": "a\x1bb"}, (400, "control characters")),
        ({"key": "?"}, (400, "no valid key")),
    ],
)
def test_a_bad_start_is_refused_with_a_word_and_starts_nothing(
    owner: Browser, claude: Path, fields: dict[str, str], refusal: tuple[int, str]
):
    before = len(owner.json("GET", "/api/terminals"))
    answer = start(owner, **{"prompt": "not lost", **fields})
    assert (answer.status_code, refusal[1] in answer.text) == (refusal[0], True), answer.text
    # A phone cuts nothing off, and nothing that was written is lost.
    assert f"{fields.get('prompt', 'not lost')}</textarea>" in answer.text
    assert "maxlength" not in answer.text
    assert len(owner.json("GET", "/api/terminals")) == before
    assert not claude.exists()


API = "/dbx-agents/api/agents"


def test_the_launcher_starts_an_agent_in_a_folder_with_a_prompt(
    owner: Browser, home: Path, claude: Path
):
    folder = home / "a folder"
    folder.mkdir(exist_ok=True)
    prompt = '--help "$(touch x)" Grüße'
    body = {"folder": str(folder), "prompt": prompt}
    name = owner.json("POST", f"{API}/claude-code/start", body)["terminal"]
    eventually(lambda: claude.exists() and claude.read_text().endswith("\n"), 20, "the agent")
    assert json.loads(claude.read_text()) == [str(folder), "--", prompt]
    assert name in [each["name"] for each in owner.json("GET", "/api/terminals")]
    owner.http.delete(f"/api/terminals/{name}")


@pytest.mark.parametrize(
    ("agent", "body", "refusal"),
    [
        ("nobody", {}, (404, "There is no agent")),
        ("codex", {}, (409, "is not installed, or is off")),
        ("claude-code", {"folder": "/no/such"}, (404, "There is no folder /no/such")),
        ("claude-code", {"folder": "projects"}, (404, "There is no folder projects")),
        ("claude-code", {"folder": 5}, (400, "no string “folder”")),
        ("claude-code", {"prompt": ["x"]}, (400, "no string “prompt”")),
        ("claude-code", {"prompt": "a\x1bb"}, (400, "control characters")),
    ],
)
def test_the_launchers_bad_start_is_refused_with_a_word_and_starts_nothing(
    owner: Browser, claude: Path, agent: str, body: dict[str, Any], refusal: tuple[int, str]
):
    before = len(owner.json("GET", "/api/terminals"))
    answer = owner.http.post(f"{API}/{agent}/start", json=body)
    assert (answer.status_code, refusal[1] in answer.json()["message"]) == (refusal[0], True), (
        answer.text
    )
    assert answer.json()["hint"]
    assert len(owner.json("GET", "/api/terminals")) == before
    assert not claude.exists()
