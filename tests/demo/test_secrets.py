"""No secret where it does not belong."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.consent import query
from tests.support.running_app import RunningApp, eventually

PAT = re.compile(rb"dapi[0-9a-f]{32}")
# The local workspace's access tokens, codes and refresh tokens.
OAUTH = re.compile(rb"eyJraWQiOiAi[\w-]+\.[\w-]+\.[\w-]+|doau[0-9a-f]{48}")
WORD = re.compile(rb"(?<![\w-])[\w-]{43,128}(?![\w-])")
PROGRAM = "'from databricks.sdk import WorkspaceClient as W; W().current_user.me()'"
CAPABILITY_FILES = {".claude.json", ".claude/settings.json", ".codex/config.toml"}


def family(pid: int) -> list[Path]:
    """The process folders of a process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{pid}"), *(f for child in children for f in family(int(child)))]


@pytest.fixture
def secrets(app: RunningApp) -> list[bytes]:
    """Every secret of this app that is not a PAT, and a rotation so that there are fresh ones."""
    app.log_in()
    app.owner.json("POST", "/dbx-agents/api/pat/rotate")
    config = json.loads((app.home / ".claude/settings.json").read_text())
    capability = config["env"]["ANTHROPIC_AUTH_TOKEN"]
    metadata = re.findall(r"/metadata/(\S+)", (app.home / ".databrickscfg").read_text())[0]
    client_secrets = [a["client_secret"] for a in app.control.overview()["apps"]]
    return [secret.encode() for secret in (capability, metadata, *client_secrets)]


def test_no_secret_is_in_the_log_at_debug(app: RunningApp, secrets: list[bytes]):
    with app.owner.terminal() as terminal:
        terminal.run(f"python -c {PROGRAM}")
    lines = [x for x in app.log.read_bytes().splitlines() if not x.startswith(b"paste: ")]
    text = b"\n".join(lines)
    assert b"[D " in text
    assert not PAT.search(text)
    assert not [secret for secret in secrets if secret in text]


def test_no_secret_is_in_any_environment_or_argument(app: RunningApp, secrets: list[bytes]):
    kernel = app.owner.json("POST", "/api/kernels")
    with app.owner.terminal() as terminal:
        terminal.run("sleep 30 & true")
        folders = family(app.server_pid())
        assert len(folders) >= 3
        for folder in folders:
            for name in ("environ", "cmdline"):
                try:
                    content = (folder / name).read_bytes()
                except (PermissionError, FileNotFoundError, ProcessLookupError):
                    continue  # closed to us, or ended meanwhile
                assert not PAT.search(content), f"{folder}/{name}"
                assert not [s for s in secrets if s in content], f"{folder}/{name}"
                if name == "environ" and folder.name != str(app.server_pid()):
                    assert b"DATABRICKS_" not in content, folder
    app.owner.json("DELETE", f"/api/kernels/{kernel['id']}")


def test_a_terminal_cannot_look_into_the_server(app: RunningApp, secrets: list[bytes]):
    if os.geteuid() == 0:
        pytest.skip("root may look into everything; the suite runs without privileges")
    pid = app.server_pid()
    with app.owner.terminal() as terminal:
        for name in ("environ", "mem", "maps"):
            code, said = terminal.run_any(f"head -c 1 /proc/{pid}/{name}")
            assert (code, "ermission denied" in said) == (1, True), name


def test_no_pat_is_in_any_file_but_databrickscfg(app: RunningApp, secrets: list[bytes]):
    config = app.home / ".databrickscfg"
    assert PAT.search(config.read_bytes())
    assert config.stat().st_mode & 0o777 == 0o600
    holders, capability_holders = set(), set()
    for path in app.home.rglob("*"):
        relative = str(path.relative_to(app.home))
        if path.is_symlink() or not path.is_file() or "node_modules" in path.parts:
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        if PAT.search(content):
            holders.add(relative)
        if secrets[0] in content:
            capability_holders.add(relative)
            assert path.stat().st_mode & 0o077 == 0, relative
    # A rotation may be replacing the file at this very moment.
    assert holders - {"..databrickscfg.jupyter_dbx_agents.tmp"} == {".databrickscfg"}
    # Claude Code keeps copies of its .claude.json, which are the owner's only, too.
    copies = {name for name in capability_holders if name.startswith(".claude/backups/")}
    assert capability_holders - copies <= CAPABILITY_FILES


def test_the_literal_token_follows_each_rotation(app: RunningApp, secrets: list[bytes]):
    config = app.home / ".databrickscfg"
    before = PAT.findall(config.read_bytes())
    assert before
    with app.owner.terminal():  # rotation is for those at work
        eventually(lambda: PAT.findall(config.read_bytes()) not in ([], before), 30)


def verifiers(text: bytes, challenge: bytes) -> list[bytes]:
    """The words in a text that are the verifier of a challenge (RFC 7636 §4.2)."""
    words = set(WORD.findall(text))
    hashed = {base64.urlsafe_b64encode(hashlib.sha256(w).digest()).rstrip(b"="): w for w in words}
    return [hashed[challenge]] if challenge in hashed else []


Leaks = Callable[[bytes], list[bytes]]


@pytest.fixture
def oauth_leaks(app: RunningApp) -> Iterator[Leaks]:
    """Finds the secrets of a sign-in in a text, after one whose token was refreshed."""
    app.control.switch(tokens_disabled=True)
    asked = app.owner.json("POST", "/dbx-agents/api/pat/sign-in")["address"]
    address = app.sign_in()
    app.owner.json("POST", "/dbx-agents/api/pat/rotate")
    challenge, code = query(asked)["code_challenge"].encode(), query(address)["code"].encode()
    assert query(address)["state"] == query(asked)["state"]

    def find(text: bytes) -> list[bytes]:
        found = [*OAUTH.findall(text), *verifiers(text, challenge)]
        return found + ([code] if code in text else [])

    yield find
    app.control.switch(tokens_disabled=False)
    app.owner.json("DELETE", "/dbx-agents/api/pat")


def test_no_code_verifier_or_token_of_a_sign_in_is_in_the_log_at_debug(
    app: RunningApp, oauth_leaks: Leaks
):
    with app.owner.terminal() as terminal:
        terminal.run(f"python -c {PROGRAM}")
    text = app.log.read_bytes()
    assert b"[D " in text
    assert b"/pat/sign-in/answer" in text
    assert oauth_leaks(text) == []


def test_no_secret_of_a_sign_in_is_in_any_environment_or_argument(
    app: RunningApp, oauth_leaks: Leaks
):
    with app.owner.terminal() as terminal:
        terminal.run("sleep 30 & true")
        for folder in family(app.server_pid()):
            for name in ("environ", "cmdline"):
                try:
                    content = (folder / name).read_bytes()
                except (PermissionError, FileNotFoundError, ProcessLookupError):
                    continue  # closed to us, or ended meanwhile
                assert oauth_leaks(content) == [], f"{folder}/{name}"


def test_no_secret_of_a_sign_in_is_in_any_file_but_the_access_token_in_databrickscfg(
    app: RunningApp, oauth_leaks: Leaks
):
    config = app.home / ".databrickscfg"
    eventually(lambda: OAUTH.search(config.read_bytes()), 30, "the literal token")
    assert b"doau" not in config.read_bytes()
    for path in app.home.rglob("*"):
        if path.is_symlink() or not path.is_file() or "node_modules" in path.parts:
            continue
        if path.name in {config.name, "..databrickscfg.jupyter_dbx_agents.tmp"}:
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        assert oauth_leaks(content) == [], path
