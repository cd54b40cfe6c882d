"""What a restart would destroy beside the projects is kept, and comes back in an empty home."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError

from jupyter_dbx_agents.agents import AGENTS
from jupyter_dbx_agents.agents.conversations import Kept
from jupyter_dbx_agents.errors import RequestError
from jupyter_dbx_agents.lifecycle.continuity import (
    Choice,
    Continuity,
    keeper,
    segments,
    selection,
)
from jupyter_dbx_agents.lifecycle.continuity.store import origin_key
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.terminals.manager import DbxTerminalManager
from tests.git_sync.conftest import ROOT, Killed, Site

TOKEN = "dapi" + "0123456789abcdef" * 2
CAPABILITY = Secret("loopback-0a1b2c3d4e5f")
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{'B' * 70}\n-----END RSA PRIVATE KEY-----"
FOLDER = f"/Users/{ROOT.split('/')[3]}/projects/.dbx-agents/%home/"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "home")


def continuity(
    site: Site,
    origin: str = "app",
    manager: Callable[[], DbxTerminalManager | None] = lambda: None,
    **traits: Any,
) -> Continuity:
    """The part, as an app of this name has it, without terminals unless it is given a manager."""
    settings = {"keeps": "all", **traits}
    return Continuity(
        home=site.home,
        state_folder=site.home / ".local/state/jupyter_dbx_agents",
        origin=origin,
        is_databricks_app=True,
        git_sync=site.git_sync(),
        secrets=lambda: [CAPABILITY],
        manager=manager,
        **settings,
    )


async def keep(part: Continuity) -> None:
    await part.flush()
    assert part.status()["message"] == "" and not part.status()["pending"]


def put(site: Site, name: str, content: str | bytes) -> Path:
    path = site.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def said(*prompts: str, folder: str = "/home/projects/p") -> str:
    """A transcript of Claude Code."""
    lines = [
        {"type": "user", "cwd": folder, "message": {"role": "user", "content": prompt}}
        for prompt in prompts
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


@contextlib.contextmanager
def database(path: Path, *rows: str) -> Iterator[sqlite3.Connection]:
    """A database in WAL mode that stays open, as an agent's does while it runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as opened:
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("PRAGMA wal_autocheckpoint = 0")
        opened.execute(
            "CREATE TABLE IF NOT EXISTS session (id, title, directory, time_updated, parent_id)"
        )
        opened.execute("CREATE TABLE IF NOT EXISTS credential (value)")
        opened.execute("CREATE TABLE IF NOT EXISTS part (session_id, data)")
        for row in rows:
            opened.execute(
                "INSERT INTO session VALUES (?, ?, '/p', 1000, NULL)", (row, f"about {row}")
            )
        opened.commit()
        yield opened


OPENCODE = ".local/share/opencode/opencode.db"
CLAUDE = ".claude/projects/-home-projects-p/one.jsonl"


def empty_home(site: Site) -> None:
    """What the platform does with an app's machine."""
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)


def segments_of(site: Site) -> dict[str, bytes]:
    nodes = [n for n in site.workspace.files.all() if n.path.startswith(FOLDER)]
    return {n.path.removeprefix(FOLDER): n.content for n in nodes if n.kind != "DIRECTORY"}


def unpacked(site: Site) -> bytes:
    """All that is in the segments."""
    found = list[bytes]()
    for content in segments_of(site).values():
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            found += [tar.extractfile(member).read() for member in tar]
    return b"\n".join(found)


async def test_conversations_memory_and_history_come_back_in_an_empty_home(site: Site) -> None:
    kept = {
        CLAUDE: said("hello", "and more"),
        ".claude/projects/-home-projects-p/memory/notes.md": "likes tea",
        ".claude/history.jsonl": '{"display": "hello"}\n',
        ".codex/sessions/2026/11/30/rollout-1.jsonl": '{"type": "session_meta"}\n',
        ".gemini/tmp/p/chats/session-1.jsonl": '{"sessionId": "g"}\n',
        ".gemini/tmp/p/.project_root": "/home/projects/p",
        ".hermes/memories/user.md": "m",
        ".bash_history": "ls\ncd p\n",
        ".gitconfig": "[alias]\n\tst = status\n",
        ".vimrc": "set number\n",
    }
    for name, content in kept.items():
        put(site, name, content)
    others = [".claude/settings.json", ".claude.json", ".codex/config.toml", ".databrickscfg"]
    for name in [*others, ".hermes/auth.json", ".gemini/.env", ".ssh/id_rsa", "private.txt"]:
        put(site, name, "not kept")
    with database(site.home / OPENCODE, "first", "second"):
        await keep(continuity(site, dotfiles=[".vimrc"]))
    assert b"not kept" not in unpacked(site)
    empty_home(site)
    part = continuity(site, dotfiles=[".vimrc"])
    offer = await part.offer()
    assert offer["files"] == len(kept) + 1 and offer["bytes"] > 0 and offer["at"]
    [step] = await part.restore()
    assert step["state"] == "done" and step["message"] == f"{len(kept) + 1} files are back."
    assert {name: (site.home / name).read_text() for name in kept} == kept
    titles = [each["title"] for each in await part.conversations()]
    assert sorted(titles) == ["about first", "about second", "hello"]
    assert [each["id"] for each in await part.conversations("AND MORE")] == ["one"]
    assert oct((site.home / CLAUDE).stat().st_mode)[-3:] == "600"


def test_every_agent_says_what_outlives_the_machine_and_how_it_is_resumed():
    for agent in AGENTS:
        assert agent.memory is not None and agent.memory.kept, agent.name
        assert "7" in agent.memory.words("7"), agent.name


async def test_nothing_secret_is_ever_sent_whatever_file_it_is_in(site: Site) -> None:
    spill = f"token {TOKEN} key {json.dumps(PEM)} secret {CAPABILITY.reveal()}"
    for name in (CLAUDE, ".codex/sessions/2026/11/30/rollout-1.jsonl", ".claude/history.jsonl"):
        put(site, name, said(spill))
    put(site, ".claude/projects/-home-projects-p/memory/notes.md", spill)
    put(site, ".bash_history", f"export T={TOKEN}\n")
    put(site, ".gitconfig", '[url "https://me:planted-9@example.com/"]\n\tinsteadOf = gh:\n')
    put(site, ".hermes/skills/x/.env", "planted-9")
    put(site, ".hermes/skills/x/id_rsa", "planted-9")
    with database(site.home / OPENCODE, f"about {TOKEN}") as opened:
        opened.execute("INSERT INTO credential VALUES ('planted-9')")
        opened.execute("INSERT INTO part VALUES ('x', ?)", (f'{{"text": "{spill!r}"}}',))
        opened.commit()
        part = continuity(site)
        await keep(part)
    everything = unpacked(site)
    for word in (TOKEN, CAPABILITY.reveal(), "BBBBBBBB", "planted-9"):
        assert word.encode() not in everything, word
    named = {each["path"] for each in part.status()["left_out"]}
    assert named == {".gitconfig", ".hermes/skills/x/.env", ".hermes/skills/x/id_rsa"}
    empty_home(site)
    await continuity(site).restore()
    assert "token ****" in (site.home / CLAUDE).read_text()
    with contextlib.closing(sqlite3.connect(site.home / OPENCODE)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert opened.execute("SELECT count(*) FROM credential").fetchone() == (0,)


async def test_an_idle_home_makes_no_call_and_a_busy_one_a_call_a_look(site: Site) -> None:
    transcript = put(site, CLAUDE, said("hello" * 2000))
    part = continuity(site)
    await keep(part)
    site.connect()
    part._git_sync._files = site.files
    for _ in range(5):
        await part._look()
    assert site.transport.count == 0
    for turn in range(10):
        with transcript.open("a") as file:
            file.write(said(f"turn {turn}" * 100))
        await part._look()
        assert site.transport.count == 0, "not within ten seconds"
        await keep(part)
        assert site.transport.count == 1
        site.transport.count = 0
    assert len(segments_of(site)) == 1
    empty_home(site)
    await continuity(site).restore()
    assert transcript.read_text().count("\n") == 11


async def test_a_commit_goes_first_and_commits_without_end_do_not(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, CLAUDE, said("hello"))
    part = continuity(site)
    monkeypatch.setattr(type(part._git_sync), "is_catching_up", True)
    await part._look()
    assert segments_of(site) == {}, "a commit is worth more"
    part._free_at -= 21
    await part._look()
    assert segments_of(site)
    put(site, CLAUDE, said("hello", "again"))
    part._keeper._next_at = 0.0
    await part._look()
    assert part.status()["pending"] is False and b"again" not in unpacked(site), "it waits again"


async def test_what_is_appended_is_sent_and_not_all_of_it(site: Site) -> None:
    transcript = put(site, CLAUDE, said(*(os.urandom(50_000).hex() for _ in range(40))))
    part = continuity(site)
    await keep(part)
    before = sum(map(len, segments_of(site).values()))
    for _ in range(3):
        with transcript.open("a") as file:
            file.write(said(os.urandom(1000).hex()))
        await keep(part)
    added = sum(map(len, segments_of(site).values())) - before
    assert added < 4 * 64 * 1024 < before
    text = transcript.read_text()
    empty_home(site)
    await continuity(site).restore()
    assert transcript.read_text() == text


async def test_a_line_that_is_being_written_is_left_for_the_next_time(site: Site) -> None:
    transcript = put(site, CLAUDE, said("whole") + '{"type": "user", "mess')
    await keep(continuity(site))
    empty_home(site)
    await continuity(site).restore()
    assert transcript.read_text() == said("whole")


async def test_a_broken_or_locked_database_stops_nothing_and_keeps_its_last_copy(
    site: Site,
) -> None:
    with database(site.home / OPENCODE, "first"):
        part = continuity(site)
        await keep(part)
    put(site, OPENCODE, b"SQLite format 3\0" + os.urandom(5000))
    put(site, CLAUDE, said("hello"))
    await keep(part)
    [left_out] = part.status()["left_out"]
    assert left_out["path"] == OPENCODE and "cannot be read" in left_out["reason"]
    empty_home(site)
    back = continuity(site)
    await back.restore()
    assert {each["id"] for each in await back.conversations()} == {"first", "one"}


async def test_the_status_offers_what_is_kept_until_it_is_back(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    empty_home(site)
    part = continuity(site)
    site.fault("status", status=500, times=100)
    await part._look_back()
    assert part.status()["offered"] == ""
    site.workspace.faults.clear()
    await part._look_back()
    assert part.status()["offered"] == "", "a pause comes first"
    part._next_look_back_at = 0.0
    await part._look_back()
    offered = part.status()["offered"]
    when = r"20\d\d-\d\d-\d\d \d\d:\d\d UTC"
    assert re.search(f": 1 file of conversations and history, {when} ", offered)
    assert "jupyter dbx-agents restore --all" in offered
    site.connect()
    part._git_sync._files = site.files
    await part._look_back()
    assert site.transport.count == 0, "once"
    await part.restore()
    assert part.status()["offered"] == ""
    await part.offer()
    assert part.status()["offered"] == ""


async def test_what_a_stop_could_not_send_is_said_at_the_next_start(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    part = continuity(site)
    await keep(part)
    put(site, CLAUDE, said("hello", "the last words"))
    site.fault("status", match="/api/2.0/workspace/import", status=400, times=1)
    await part.flush()
    await part.note_unsent()
    empty_home(site)
    after = continuity(site)
    await after._look_back()
    said_then = after.status()["unsent"]
    assert re.match(r"Not sent when the app stopped, 20\S+ \S+ UTC: conversations and", said_then)
    other = continuity(site, origin="another app")
    await other._look_back()
    assert other.status()["unsent"] == ""
    await after.note_unsent()  # this time nothing is left
    later = continuity(site)
    await later._look_back()
    assert later.status()["unsent"] == ""


async def test_nothing_that_exists_is_overwritten(site: Site) -> None:
    put(site, CLAUDE, said("former"))
    put(site, ".gitconfig", "[alias]\n\tst = status\n")
    put(site, ".bash_history", "former\n")
    with database(site.home / OPENCODE, "former"):
        await keep(continuity(site))
    empty_home(site)
    put(site, CLAUDE, said("now"))
    put(site, ".gitconfig", "[alias]\n\tco = checkout\n")
    put(site, ".bash_history", "now\n")
    with database(site.home / OPENCODE):
        pass  # it was started, and has no conversation yet
    part = continuity(site)
    [step] = await part.restore()
    assert step["message"] == f"2 files are back. Left as they are here: {CLAUDE}, .gitconfig."
    assert (site.home / CLAUDE).read_text() == said("now")
    assert (site.home / ".bash_history").read_text() == "former\nnow\n"
    assert "former" in {each["id"] for each in await part.conversations()}
    [again] = await part.restore()
    assert again["message"] == "Nothing of a former start is kept."


async def test_a_database_with_conversations_is_not_replaced(site: Site) -> None:
    with database(site.home / OPENCODE, "former"):
        await keep(continuity(site))
    empty_home(site)
    with database(site.home / OPENCODE, "now"):
        part = continuity(site)
        [step] = await part.restore()
    assert OPENCODE in step["message"]
    assert [each["id"] for each in await part.conversations()] == ["now"]


def reset(site: Site, segments: dict[str, bytes]) -> None:
    """Let the workspace have these segments and no others."""
    for name in segments_of(site):
        site.delete_foreign(f".dbx-agents/%home/{name}")
    for name, content in segments.items():
        site.put_foreign(f".dbx-agents/%home/{name}", content)


async def test_each_kill_leaves_what_was_complete(site: Site, monkeypatch) -> None:
    monkeypatch.setattr(segments, "MOST_SEGMENT_BYTES", 100_000)
    monkeypatch.setattr(segments.split, "__defaults__", (100_000,))
    first = said(os.urandom(20_000).hex())
    second = first + said(*(os.urandom(50_000).hex() for _ in range(3)))
    ends = []
    for dies_at in range(1, 20):
        for is_after in (False, True):
            reset(site, {})
            empty_home(site)
            transcript = put(site, CLAUDE, first)
            part = continuity(site)
            await keep(part)
            put(site, CLAUDE, second)
            site.connect()
            part._git_sync._files = site.files
            site.transport.dies_at, site.transport.dies_after_effect = dies_at, is_after
            with contextlib.suppress(Killed):
                await part.flush()
            ends.append(site.transport.is_dead)
            site.connect()
            empty_home(site)
            await continuity(site).restore()
            assert transcript.read_text() in (first, second), (dies_at, is_after)
        if not ends[-1]:
            break
    assert ends[:6] == [True] * 6 and not ends[-1]
    assert transcript.read_text() == second


async def test_a_set_becomes_a_new_one_before_it_has_too_many_segments(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_SEGMENTS", 4)
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 1000)
    transcript = put(site, CLAUDE, said("hello"))
    part = continuity(site)
    for _ in range(12):
        with transcript.open("a") as file:
            file.write(said(os.urandom(2000).hex()))
        await keep(part)
        assert len(segments_of(site)) <= 5
    assert len({name.rpartition("-")[0] for name in segments_of(site)}) == 1
    text = transcript.read_text()
    empty_home(site)
    await continuity(site).restore()
    assert transcript.read_text() == text


async def test_a_former_home_is_kept_until_it_is_brought_back(site: Site) -> None:
    put(site, CLAUDE, said("former"))
    await keep(continuity(site))
    empty_home(site)
    other = ".claude/projects/-home-projects-p/two.jsonl"
    put(site, other, said("between"))
    await keep(continuity(site))  # “Not now”
    empty_home(site)
    part = continuity(site)
    put(site, ".bash_history", "ls\n")
    await keep(part)
    assert (await part.offer())["files"] == 2
    await part.restore()
    await keep(part)
    assert {each["id"] for each in await part.conversations()} == {"one", "two"}
    assert len({name.rpartition("-")[0] for name in segments_of(site)}) == 1
    assert (await part.offer())["files"] == 0


async def two_projects(site: Site) -> None:
    """Two projects in the workspace, on a home that is empty then but for the caller's files."""
    for name in ("p", "q"):
        site.make(name, a="1\n")
    await site.git_sync().sync_now()


async def test_what_is_not_chosen_stays_kept_and_comes_later(site: Site) -> None:
    await two_projects(site)
    put(site, CLAUDE, said("hello"))
    put(site, ".bash_history", "ls\n")
    before = continuity(site)
    folder = str(site.projects / "p")
    before._terminals._frozen = tuple(
        segments.TerminalRecord(name, folder, agent)
        for name, agent in (("one", "claude-code"), ("two", ""), ("three", ""))
    )
    await keep(before)
    empty_home(site)
    part = continuity(site)
    offer = await part.offer()
    assert [(each["name"], each["files"]) for each in offer["parts"]] == [
        ("claude-code", 1),
        ("history", 1),
    ]
    assert sorted(offer["projects"]) == ["p", "q"]
    body = {"projects": ["q"], "files": ["history"], "terminals": ["one (claude-code)"]}
    steps = await part.restore(Choice.from_body(body))
    assert [(each["kind"], each["name"], each["state"]) for each in steps] == [
        ("home", "conversations and history", "done"),
        ("project", "q", "done"),
        ("terminal", "one (claude-code)", "failed"),
    ]
    assert "project p is not here: bring it back" in steps[-1]["message"]
    assert (site.home / ".bash_history").exists() and not (site.home / CLAUDE).exists()
    await keep(part)  # our own set is written now, and does not replace the other
    again = continuity(site)  # a new server of this home knows it, too
    offer = await again.offer()
    assert [each["name"] for each in offer["parts"]] == ["claude-code"]
    assert offer["projects"] == ["p"]
    assert offer["terminals"] == ["one (claude-code)", "two", "three"]
    await again.restore(Choice.from_body({"files": [], "terminals": ["two"]}))
    assert (site.projects / "p/a").exists() and not (site.home / CLAUDE).exists()
    assert (await again.offer())["terminals"] == ["one (claude-code)", "three"]
    await again.restore()
    assert (site.home / CLAUDE).exists()
    offer = await again.offer()
    assert not (offer["projects"] or offer["parts"] or offer["terminals"])
    put(site, CLAUDE, said("hello", "again"))
    await keep(again)
    assert len({name.rpartition("-")[0] for name in segments_of(site)}) == 1


async def test_a_terminal_without_room_is_said_to_have_failed_and_comes_at_the_next_try(
    site: Site,
) -> None:
    before = continuity(site)
    folders = {"one": str(site.projects), "two": str(site.projects), "gone": "/no/such/folder"}
    before._terminals._frozen = tuple(segments.TerminalRecord(*each) for each in folders.items())
    put(site, CLAUDE, said("hello"))
    await keep(before)
    empty_home(site)
    manager = DbxTerminalManager(shell_command=["bash", "--norc"], most_terminals=1)
    part = continuity(site, manager=lambda: manager)
    try:
        steps = [each for each in await part.restore() if each["kind"] == "terminal"]
        assert {each["name"]: each["state"] for each in steps} == {
            "one": "done",
            "two": "failed",
            "gone": "failed",
        }
        messages = {each["name"]: each["message"] for each in steps}
        assert "no more than 1 are allowed" in messages["two"]
        assert messages["two"].endswith("It stays kept: continue again to retry.")
        assert messages["gone"] == "/no/such/folder did not come back."
        assert (await part.offer())["terminals"] == ["two"]  # for another, no try would help
        await manager.terminate("one", force=True)
        again = continuity(site, manager=lambda: manager)  # a new server of this home, too
        (step,) = [each for each in await again.restore() if each["kind"] == "terminal"]
        assert (step["name"], step["state"]) == ("two", "done")
        assert list(manager.terminals) == ["two"]
        assert (await again.offer())["terminals"] == []
    finally:
        await manager.terminate_all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"projects": "p"}, "“projects” is not a list of names."),
        ({"files": [1]}, "“files” is not a list of names."),
        ({"project": []}, "“project” cannot be chosen."),
        ({"projects": [], "files": [], "terminals": []}, "Nothing is chosen."),
        ({"projects": ["../p"]}, "No project named “../p” is kept, or it is here already."),
        ({"files": ["codex"]}, "No part of the home named “codex” is kept"),
        ({"terminals": ["x"]}, "No terminal named “x” is kept"),
    ],
)
async def test_a_choice_of_what_is_not_kept_says_how_to_find_what_is(
    site: Site, body: dict[str, Any], message: str
) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    empty_home(site)
    with pytest.raises(RequestError) as raised:
        await continuity(site).restore(Choice.from_body(body))
    assert raised.value.message.startswith(message) and raised.value.hint
    assert not (site.home / CLAUDE).exists()


def test_each_file_that_is_kept_belongs_to_a_part_as_the_file_system_would_find_it(
    tmp_path: Path,
) -> None:
    names = [".claude/projects/p/1.jsonl", ".claude/projects/p/a/b/2.jsonl", ".codex/memories/m"]
    names += (".claude/agents/x/y.md", ".claude/agents/y.md", ".bash_history", ".gemini/tmp/p/x")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    kept = [kept for agent in AGENTS for kept in agent.memory.kept]
    whole = selection.HomePart("all", "", (*kept, *selection.HISTORY.kept))
    found = set(selection.select(tmp_path, whole.kept).files)
    assert found == {name for name in names if whole.has(name)} == {*names} - {".gemini/tmp/p/x"}


async def test_two_apps_of_one_owner_leave_each_other_alone(site: Site) -> None:
    put(site, CLAUDE, said("of the first"))
    await keep(continuity(site, "first"))
    empty_home(site)
    put(site, CLAUDE, said("of the second"))
    second = continuity(site, "second")
    assert (await second.offer())["files"] == 0
    await keep(second)
    empty_home(site)
    await continuity(site, "first").restore()
    assert (site.home / CLAUDE).read_text() == said("of the first")


async def test_what_a_newer_version_wrote_is_left_there_and_said(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, CLAUDE, said("newer"))
    with monkeypatch.context() as newer:
        newer.setattr(segments, "SCHEMA", 2)
        await keep(continuity(site))
    empty_home(site)
    part = continuity(site)
    assert "Update the app." in (await part.offer())["message"]
    [step] = await part.restore()
    assert step["state"] == "done" and "Update the app." in step["message"]
    assert len(segments_of(site)) == 1


async def test_a_damaged_segment_costs_only_what_came_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 10)
    put(site, CLAUDE, said("one"))
    part = continuity(site)
    await keep(part)
    put(site, CLAUDE, said("one", "two"))
    await keep(part)
    nodes = [n for n in site.workspace.files.all() if n.path.startswith(FOLDER)]
    max(nodes, key=lambda each: each.path).content = b"no archive"
    empty_home(site)
    [step] = await continuity(site).restore()
    assert "damaged" in step["message"]


async def test_the_oldest_conversations_are_left_out_beyond_the_bound(site: Site) -> None:
    for number in range(4):
        path = put(site, f".claude/projects/p/{number}.jsonl", "x" * 1000)
        os.utime(path, (number, number))
    put(site, ".bash_history", "x" * 1000)
    kept = [kept for agent in AGENTS for kept in agent.memory.kept]
    found = selection.select(site.home, [*selection.HISTORY.kept, *kept], most_bytes=3500)
    assert sorted(found.files) == [
        ".bash_history",
        ".claude/projects/p/2.jsonl",
        ".claude/projects/p/3.jsonl",
    ]
    assert found.left_out == {
        f".claude/projects/p/{number}.jsonl": selection.DROPPED for number in (0, 1)
    }


async def test_no_link_is_followed_out_of_the_home(site: Site, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.md").write_text("outside")
    (site.home / ".hermes").mkdir()
    (site.home / ".hermes/memories").symlink_to(tmp_path / "outside")
    (site.home / ".bash_history").symlink_to(tmp_path / "outside/secret.md")
    kept = [kept for agent in AGENTS for kept in agent.memory.kept]
    assert selection.select(site.home, [*selection.HISTORY.kept, *kept]).files == {}


async def test_what_an_archive_names_is_not_written_outside_the_allow_list(site: Site) -> None:
    names = ("../outside", "/tmp/outside", ".bashrc", ".claude/settings.json", ".bash_history")
    manifest = segments.Manifest(
        f"20260101T000000Z-{origin_key('app')}0000",
        "app",
        "",
        True,
        files=dict.fromkeys(names, (2, 1.0)),
    )
    data = segments.build(manifest, [segments.Piece(name, 0, b"x\n") for name in names])
    site.put_foreign(f".dbx-agents/%home/{manifest.set}-000000.tgz", data)
    await continuity(site).restore()
    written = {p.relative_to(site.home).as_posix() for p in site.home.rglob("*") if p.is_file()}
    assert {name for name in written if not name.startswith(".local")} == {".bash_history"}


async def test_forgetting_deletes_all_of_it_and_says_what_it_was(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    part = continuity(site)
    await keep(part)
    gone = await part.forget()
    assert gone["files"] == 1 and gone["bytes"] > 0 and gone["folder"].endswith("%home")
    assert segments_of(site) == {}
    put(site, CLAUDE, said("hello", "again"))
    await part.flush()
    assert segments_of(site) == {} and "forgotten" in part.status()["message"]


@pytest.mark.parametrize("keeps", ["projects", "nothing"])
async def test_the_owner_may_keep_less(site: Site, keeps: str) -> None:
    put(site, CLAUDE, said("hello"))
    await continuity(site, keeps=keeps).flush()
    assert segments_of(site) == {}


async def test_a_dotfile_with_secrets_or_outside_the_home_is_refused(site: Site) -> None:
    for name in (
        *(".env", ".ssh/id_rsa", "../x", "/etc/passwd", ".config/*", "a\nb", "x" * 256, "x/" * 999),
        *("prod.env", ".claude/.credentials.json", ".codex/auth.json", ".gemini/oauth_creds.json"),
        *(".npmrc", ".docker/config.json", ".config/gh/hosts.yml", ".kube/config", ".vault-token"),
        ".local/state/jupyter_dbx_agents/agents.json",
    ):
        with pytest.raises(TraitError, match=r"Continuity\.dotfiles"):
            continuity(site, dotfiles=[name])


def test_what_cannot_be_looked_for_costs_no_other_file(site: Site) -> None:
    put(site, ".vimrc", b"set number")
    found = selection.select(site.home, [Kept("x" * 300), Kept(".vimrc")])
    assert [*found.files] == [".vimrc"]
    assert "cannot be looked for" in found.left_out["x" * 300]


async def test_files_that_the_owner_names_come_back_and_stay_named(site: Site) -> None:
    put(site, ".vimrc", "set number\n")
    put(site, ".config/tool/settings.toml", "a = 1\n")
    part = continuity(site)
    await keep(part)
    assert "set number" not in unpacked(site).decode()
    part.name_dotfiles(["~/.vimrc", ".config/tool/settings.toml", ".vimrc"])
    assert part.status()["dotfiles"] == [".vimrc", ".config/tool/settings.toml"]
    await keep(part)
    assert continuity(site).status()["dotfiles"] == part.status()["dotfiles"]
    empty_home(site)
    part = continuity(site)
    assert part.status()["dotfiles"] == []
    assert [each["name"] for each in (await part.offer())["parts"]] == ["settings"]
    await part.restore()
    assert (site.home / ".vimrc").read_text() == "set number\n"
    assert part.status()["dotfiles"] == [".vimrc", ".config/tool/settings.toml"]
    part.name_dotfiles([])
    put(site, ".bash_history", "ls\n")
    await keep(part)
    assert "set number" not in unpacked(site).decode(), "what is not named any more goes"


@pytest.mark.parametrize("names", [".vimrc", [1], [".env"], ["../x"], ["/etc/x"], ["x"] * 101])
async def test_a_file_that_may_not_be_kept_is_refused_with_a_hint(site: Site, names: Any) -> None:
    part = continuity(site)
    part.name_dotfiles([".vimrc"])
    with pytest.raises(RequestError) as raised:
        part.name_dotfiles(names)
    assert "such as .vimrc" in raised.value.hint
    assert part.status()["dotfiles"] == [".vimrc"]


async def test_no_manifest_makes_a_secret_be_kept(site: Site) -> None:
    put(site, ".gitconfig", "[alias]\n\tst = status\n")
    await keep(continuity(site))
    [(name, content)] = segments_of(site).items()
    manifest, pieces = segments.parse(content)
    planted = dataclasses.replace(manifest, dotfiles=(".env", "../x", ".vimrc"))
    reset(site, {name: segments.build(planted, pieces)})
    empty_home(site)
    part = continuity(site)
    await part.restore()
    assert part.status()["dotfiles"] == [".vimrc"]


async def test_a_workspace_in_trouble_is_tried_again_with_pauses(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    part = continuity(site)
    site.fault("status", status=400, times=1)
    await part.flush()
    assert part.status()["message"] and part.status()["pending"]
    await part._look()
    assert part.status()["pending"], "a pause comes first"
    await keep(part)
