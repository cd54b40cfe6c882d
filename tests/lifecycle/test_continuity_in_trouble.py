"""The home's files when something goes wrong: no kept copy is lost, and no secret gets out."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.agents.conversations import Form, Kept
from jupyter_dbx_agents.git_sync.work import never
from jupyter_dbx_agents.lifecycle.continuity import (
    coming_back,
    contents,
    keeper,
    part,
    segments,
    selection,
    terminals,
)
from jupyter_dbx_agents.lifecycle.continuity.store import origin_key
from tests.git_sync.conftest import Killed, Site

from .test_continuity import (
    CAPABILITY,
    CLAUDE,
    OPENCODE,
    TOKEN,
    continuity,
    database,
    empty_home,
    keep,
    put,
    reset,
    said,
    segments_of,
)

KEY = "".join(f"{number:08x}" for number in range(200))
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n-----END RSA PRIVATE KEY-----"
PAGE = 4096


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "home")


def sets_of(site: Site) -> set[str]:
    return {name.rpartition("-")[0] for name in segments_of(site)}


# ---- secrets


@contextlib.contextmanager
def messages(path: Path) -> Iterator[sqlite3.Connection]:
    """A database with a full-text index, as Hermes has one."""
    with contextlib.closing(sqlite3.connect(path)) as opened:
        opened.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA secure_delete = OFF;"
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, content);"
            "CREATE VIRTUAL TABLE messages_fts USING fts5(content, content=messages,"
            " content_rowid=id);"
            "CREATE VIRTUAL TABLE own_fts USING fts5(content);"
            "CREATE TRIGGER ai AFTER INSERT ON messages BEGIN INSERT INTO messages_fts(rowid,"
            " content) VALUES (new.id, new.content); END;"
        )
        yield opened


def kept_database(path: Path, tmp_path: Path) -> sqlite3.Connection:
    """What is kept of a database, opened."""
    data = contents.read(path, Kept("x", Form.DATABASE), [CAPABILITY])
    for word in (TOKEN, TOKEN[1:], CAPABILITY.reveal(), KEY[800:900]):
        assert word.encode() not in data, word
    copy = tmp_path / "kept.db"
    copy.write_bytes(data)
    opened = sqlite3.connect(copy)
    assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return opened


@pytest.mark.parametrize("secret", [TOKEN, PEM, CAPABILITY.reveal()], ids=("token", "pem", "own"))
def test_a_secret_in_a_database_is_overwritten_wherever_its_pages_end(
    tmp_path: Path, secret: str
) -> None:
    path = tmp_path / "state.db"
    with messages(path) as opened:
        for start in range(0, 60, 7):  # across the end of each page
            text = "data " + "a" * start + f" {secret} and more b" * (4 * PAGE // len(secret))
            opened.execute("INSERT INTO messages(content) VALUES (?)", (text,))
            opened.execute("INSERT INTO own_fts(content) VALUES (?)", (text.encode(),))
        opened.commit()
        with contextlib.closing(kept_database(path, tmp_path)) as copy:
            rows = copy.execute("SELECT content FROM messages").fetchall()
            before = opened.execute("SELECT content FROM messages").fetchall()
            assert [len(row[0]) for row in rows] == [len(row[0]) for row in before]
            assert all(" and more b" in row[0] and "*" * 20 in row[0] for row in rows)
            assert not any(secret in row[0] or TOKEN[20:] in row[0] for row in rows)
            query = "SELECT count(*) FROM messages_fts WHERE messages_fts MATCH 'more'"
            assert copy.execute(query).fetchone() == (len(rows),)


def test_a_secret_that_was_deleted_in_a_database_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with messages(path) as opened:
        for _ in range(3):
            opened.execute(f"INSERT INTO messages(content) VALUES ('{TOKEN} {PEM}')")
        opened.execute("INSERT INTO messages(content) VALUES ('stays')")
        opened.commit()
        opened.execute("DELETE FROM messages WHERE id < 4")
        opened.execute("INSERT INTO messages_fts(messages_fts) VALUES ('rebuild')")
        opened.commit()
        with contextlib.closing(kept_database(path, tmp_path)) as copy:
            assert copy.execute("SELECT content FROM messages").fetchall() == [("stays",)]


def test_a_table_of_credentials_leaves_nothing_of_its_former_rows(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    with database(path, "one") as opened:
        opened.execute("PRAGMA secure_delete = OFF")
        for number in range(50):
            opened.execute("INSERT INTO credential VALUES (?)", (f"former-{number:03d}" * 20,))
        opened.commit()
        opened.execute("DELETE FROM credential WHERE rowid > 1")
        opened.commit()
        data = contents.read(path, Kept("x", Form.DATABASE, emptied=("credential",)), [])
    assert b"former-0" not in data and b"about one" in data


async def test_secrets_by_name_are_left_out_of_what_agents_keep(site: Site) -> None:
    folder = ".hermes/skills/x/"
    secret = (".env-prod", ".envs/a", "auth.json", ".npmrc", "prod.env", "credentials")
    for name in (*secret, "SKILL.md"):
        put(site, folder + name, "x")
    kept = [kept for each in continuity(site)._parts() for kept in each.kept]
    found = selection.select(site.home, kept)
    assert {*found.files} == {folder + "SKILL.md"}
    assert {*found.left_out} == {folder + name for name in secret}


async def test_the_loop_goes_on_while_a_long_conversation_is_searched() -> None:
    line = said("the dog does what words do " * 40).encode()
    secret = said(f"token {TOKEN}").encode()
    data = line * (24 * 1024 * 1024 // len(line)) + secret + line + PEM.encode()
    pauses, began = [0.0], time.monotonic()
    searching = asyncio.create_task(asyncio.to_thread(never.without_secrets, data, [CAPABILITY]))
    while not searching.done():
        before = time.monotonic()
        await asyncio.sleep(0.001)
        pauses.append(time.monotonic() - before)
    took = time.monotonic() - began
    found = await searching
    assert len(found) == len(data) and TOKEN.encode() not in found and b"0000001" not in found
    assert max(pauses) < took / 3, (max(pauses), took)


# ---- no kept copy is lost


async def test_what_is_left_for_a_file_that_is_here_stays_kept(site: Site) -> None:
    put(site, ".bash_history", "ls\n")
    with database(site.home / OPENCODE, "former"):
        await keep(continuity(site))
    former = sets_of(site)
    empty_home(site)
    with database(site.home / OPENCODE, "now"):
        part = continuity(site)
        await keep(part)
        [step] = await part.restore()
        assert f"Left as they are here: {OPENCODE}." in step["message"]
        assert "stays kept" in step["message"]
        put(site, CLAUDE, said("later"))
        await keep(part)
    assert former < sets_of(site)
    offer = await part.offer()
    assert [each["name"] for each in offer["parts"]] == ["opencode"], "nothing else is offered"
    for ending in ("", "-wal", "-shm"):
        (site.home / f"{OPENCODE}{ending}").unlink(missing_ok=True)
    await part.restore()
    assert {"former", "one"} == {each["id"] for each in await part.conversations()}
    assert (await part.offer())["parts"] == []
    put(site, CLAUDE, said("later", "still"))
    await keep(part)
    assert sets_of(site).isdisjoint(former)


async def test_what_is_back_does_not_come_again_with_what_is_left(site: Site) -> None:
    put(site, ".claude/CLAUDE.md", "former\n")
    history = put(site, ".claude/history.jsonl", "former\n")
    await keep(continuity(site))
    empty_home(site)
    put(site, ".claude/CLAUDE.md", "now\n")
    part = continuity(site)
    await part.restore()
    assert history.read_text() == "former\n"
    history.write_text("cleared since\n")
    [step] = await part.restore()
    assert "Left as they are here: .claude/CLAUDE.md." in step["message"]
    assert history.read_text() == "cleared since\n"


async def test_a_conversation_that_has_grown_since_is_not_another_one(site: Site) -> None:
    put(site, CLAUDE, said("one"))
    await keep(continuity(site))
    empty_home(site)
    put(site, CLAUDE, said("one", "two"))
    part = continuity(site)
    [step] = await part.restore()
    assert "Left as they are" not in step["message"]
    assert (await part.offer())["parts"] == []
    assert (site.home / CLAUDE).read_text() == said("one", "two")


AGENT = """
import sqlite3, sys
opened = sqlite3.connect(sys.argv[1])
opened.execute("SELECT * FROM session").fetchall()
print("open", flush=True)
sys.stdin.readline()
opened.execute("INSERT INTO session VALUES ('now', 'about now', '/p', 2000, NULL)")
opened.commit()
"""


@contextlib.contextmanager
def an_agent_that_has(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has a database open, and writes a conversation when it is told to."""
    command = [sys.executable, "-c", AGENT, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"open\n"
        yield running


async def test_a_database_that_a_program_has_open_is_not_replaced(site: Site) -> None:
    with database(site.home / OPENCODE, "former"):
        await keep(continuity(site))
    empty_home(site)
    part = continuity(site)
    with database(site.home / OPENCODE):
        pass
    with an_agent_that_has(site.home / OPENCODE) as agent:
        [step] = await part.restore()
        assert OPENCODE in step["message"]
        agent.communicate(b"\n", timeout=30)
    assert [each["id"] for each in await part.conversations()] == ["now"]


async def test_a_former_home_outlives_a_file_that_cannot_be_read_just_now(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_LOCKED_SECONDS", 0.2)
    with database(site.home / OPENCODE, "former"):
        await keep(continuity(site))
    former = sets_of(site)
    empty_home(site)
    part = continuity(site)
    await part.restore()
    with contextlib.closing(sqlite3.connect(site.home / OPENCODE)) as opened:
        opened.execute("PRAGMA journal_mode = DELETE")
        opened.execute("BEGIN EXCLUSIVE")
        put(site, CLAUDE, said("hello"))
        await part.flush()
        assert former < sets_of(site), "only there is the database"
        before = segments_of(site)
    empty_home(site)
    reset(site, before)
    back = continuity(site)
    await back.restore()
    assert {each["id"] for each in await back.conversations()} == {"former", "one"}
    await keep(back)
    put(site, CLAUDE, said("hello", "again"))
    await keep(back)
    assert len(sets_of(site)) == 1


async def test_the_last_good_copy_of_a_file_outlives_a_new_set(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "MOST_SEGMENTS", 3)
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 1000)
    with database(site.home / OPENCODE, "first"):
        part = continuity(site)
        await keep(part)
    put(site, OPENCODE, b"SQLite format 3\0" + os.urandom(5000))
    transcript = put(site, CLAUDE, said("hello"))
    for _ in range(8):
        with transcript.open("a") as file:
            file.write(said(os.urandom(2000).hex()))
        await keep(part)
    again = continuity(site)  # also a new server of this home knows no other copy
    put(site, CLAUDE, transcript.read_text() + said("end"))
    await keep(again)
    empty_home(site)
    back = continuity(site)
    await back.restore()
    assert {each["id"] for each in await back.conversations()} == {"first", "one"}


async def test_a_damaged_last_segment_costs_only_what_it_has(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 10)
    put(site, CLAUDE, said("one"))
    part = continuity(site)
    await keep(part)
    put(site, CLAUDE, said("one", "two"))
    await keep(part)
    found = segments_of(site)
    last = max(found)
    reset(site, {**found, last: found[last][:40]})
    empty_home(site)
    part = continuity(site)
    assert (await part.offer())["files"] == 1
    [step] = await part.restore()
    assert "damaged" in step["message"]
    assert (site.home / CLAUDE).read_text() == said("one")


async def test_a_home_with_many_segments_is_sent_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments.split, "__defaults__", (100_000,))
    monkeypatch.setattr(keeper, "MOST_SEGMENTS", 4)
    transcript = put(site, CLAUDE, said(*(os.urandom(50_000).hex() for _ in range(8))))
    part = continuity(site)
    await keep(part)
    assert len(segments_of(site)) > 6
    [first] = sets_of(site)
    site.connect()
    part._git_sync._files = site.files
    for turn in range(3):
        with transcript.open("a") as file:
            file.write(said(f"turn {turn}"))
        await keep(part)
    assert site.transport.count == 3 and sets_of(site) == {first}


async def test_a_large_home_is_sent_in_passes_that_fit_into_memory(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_PASS_BYTES", 300_000)
    monkeypatch.setattr(keeper, "MOST_SEGMENTS", 4)
    most, of_keeper = list[int](), keeper.HomeKeeper._pieces

    def pieces(self: keeper.HomeKeeper, selection: selection.Selection) -> list[segments.Piece]:
        found = of_keeper(self, selection)
        most.append(sum(len(each.data) for each in found))
        return found

    monkeypatch.setattr(keeper.HomeKeeper, "_pieces", pieces)
    texts = {f".claude/projects/p/c{n}.jsonl": said(os.urandom(50_000).hex()) for n in range(20)}
    for name, text in texts.items():
        put(site, name, text)
    part = continuity(site)
    await keep(part)
    assert max(most) < 500_000
    site.connect()
    part._git_sync._files = site.files
    put(site, CLAUDE, said("later"))
    await keep(part)
    assert (site.transport.count, len(sets_of(site))) == (1, 1), "not all of it again"
    empty_home(site)
    await continuity(site).restore()
    assert {name: (site.home / name).read_text() for name in texts} == texts


async def test_each_kill_while_a_new_set_is_begun_leaves_all_and_no_false_alarm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments.split, "__defaults__", (100_000,))
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 1000)
    text = said(*(os.urandom(50_000).hex() for _ in range(4)))
    for dies_at in range(1, 20):
        reset(site, {})
        empty_home(site)
        transcript = put(site, CLAUDE, text)
        part = continuity(site)
        await keep(part)
        with transcript.open("a") as file:
            file.write(said("more"))
        part._keeper._begin_again()
        site.connect()
        part._git_sync._files = site.files
        site.transport.dies_at = dies_at
        with contextlib.suppress(Killed):
            await part.flush()
        is_dead = site.transport.is_dead
        site.connect()
        empty_home(site)
        back = continuity(site)
        [step] = await back.restore()
        assert "not whole" not in step["message"], (dies_at, step)
        assert transcript.read_text() in (text, text + said("more")), dies_at
        assert (await back.offer())["parts"] == []
        if not is_dead:
            break
    assert dies_at > 5 and not is_dead


async def test_histories_do_not_double_when_a_part_is_tried_again(site: Site) -> None:
    for number in range(2):
        put(site, ".bash_history", f"former {number}\n")
        put(site, ".codex/history.jsonl", f"former {number}\n")
        await keep(continuity(site))
        empty_home(site)
    put(site, ".bash_history", "now\n")
    part = continuity(site)
    for _ in range(3):
        await part.restore()
        part._came_back.forget(sets_of(site))
        part._keeper.former = ()
    lines = (site.home / ".bash_history").read_text().splitlines()
    assert sorted(lines) == ["former 0", "former 1", "now"] and lines[-1] == "now"


async def test_a_file_may_become_a_folder_and_a_folder_a_file(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 10)
    put(site, ".codex/memories/a", "file\n")
    put(site, ".codex/memories/b/inner", "in a folder\n")
    part = continuity(site)
    await keep(part)
    (site.home / ".codex/memories/a").unlink()
    shutil.rmtree(site.home / ".codex/memories/b")
    put(site, ".codex/memories/a/inner", "in a folder\n")
    put(site, ".codex/memories/b", "file\n")
    await keep(part)
    empty_home(site)
    [step] = await continuity(site).restore()
    assert step["state"] == "done" and step["message"] == "2 files are back."
    assert (site.home / ".codex/memories/a/inner").read_text() == "in a folder\n"
    assert (site.home / ".codex/memories/b").read_text() == "file\n"


async def test_a_script_stays_executable(site: Site) -> None:
    put(site, ".hermes/skills/x/run.sh", "#!/bin/sh\n").chmod(0o755)
    put(site, ".hermes/skills/x/SKILL.md", "x")
    await keep(continuity(site))
    empty_home(site)
    await continuity(site).restore()
    modes = {p.name: p.stat().st_mode & 0o777 for p in (site.home / ".hermes/skills/x").iterdir()}
    assert modes == {"run.sh": 0o700, "SKILL.md": 0o600}


@pytest.mark.parametrize(
    "fields",
    [
        {"terminals": ({"name": 1, "folder": 2},)},
        {"terminals": ({"name": "a"},)},
        {"files": {CLAUDE: ("many", 1.0)}},
        {"files": {CLAUDE: (10, "today")}},
        {"files": {CLAUDE: (10, float("inf"))}},
        {"replaces": 7},
    ],
)
async def test_a_record_of_odd_form_stops_nothing(site: Site, fields: dict[str, Any]) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    [(name, content)] = segments_of(site).items()
    _manifest, pieces = segments.parse(content)
    odd = segments.Manifest(f"20990101T000000Z-{origin_key('app')}0000", "app", "", True)
    model = {"schema": 1, **dataclasses.asdict(odd), "files": {}, **fields}

    class Odd:
        def to_bytes(self) -> bytes:
            return json.dumps(model).encode()

    data = segments.build(Odd(), pieces)  # type: ignore[arg-type]
    reset(site, {name: content, f"{odd.set}-000000.tgz": data})
    empty_home(site)
    steps = await continuity(site).restore()
    assert steps[0]["state"] == "done"
    assert (site.home / CLAUDE).read_text() == said("hello")


# ---- calls


async def test_an_idle_home_with_a_closed_database_makes_no_call(site: Site) -> None:
    with database(site.home / OPENCODE, "first"):
        pass
    part = continuity(site)
    await keep(part)
    site.connect()
    part._git_sync._files = site.files
    for _ in range(3):
        await part.flush()
    os.utime(site.home / OPENCODE)  # touched, and not changed
    await part.flush()
    assert site.transport.count == 0 and not part.status()["pending"]


async def test_the_loop_is_free_while_terminals_are_looked_at(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    part, threads = continuity(site), set[threading.Thread]()

    def records() -> tuple[segments.TerminalRecord, ...]:
        threads.add(threading.current_thread())
        return ()

    part._keeper._terminals = records
    await keep(part)
    assert threads and threading.current_thread() not in threads


# ---- two apps, and what is forgotten


async def test_what_another_app_has_forgotten_is_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "_TAIL_BYTES", 1000)
    transcript = put(site, CLAUDE, said("hello", os.urandom(50_000).hex()))
    part = continuity(site)
    await keep(part)
    await continuity(site, "another app").forget()
    for turn in range(2):
        with transcript.open("a") as file:
            file.write(said(f"turn {turn}"))
        await keep(part)
    text = transcript.read_text()
    empty_home(site)
    await continuity(site).restore()
    assert transcript.read_text() == text


async def test_nothing_is_kept_after_it_was_forgotten_even_what_was_on_its_way(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    part = continuity(site)
    await keep(part)
    files = part._git_sync._files
    real, arrived, goes_on = files.put, asyncio.Event(), asyncio.Event()

    async def late(path: str, content: Any, *, overwrite: bool) -> int:
        arrived.set()
        await goes_on.wait()
        return await real(path, content, overwrite=overwrite)

    files.put = late  # type: ignore[method-assign]
    put(site, CLAUDE, said("hello", "again"))
    looks = [asyncio.create_task(part.flush()) for _ in range(2)]
    await arrived.wait()
    forgetting = asyncio.create_task(part.forget())
    await asyncio.sleep(0.05)
    goes_on.set()
    await asyncio.gather(forgetting, *looks)
    assert segments_of(site) == {} and "forgotten" in part.status()["message"]


async def test_projects_of_another_app_are_not_taken_over(site: Site) -> None:
    site.make("ours", a="1")
    site.make("theirs", a="1")
    await site.project_sync("ours").run()
    await site.project_sync("theirs", origin="another app").run()
    empty_home(site)
    part = continuity(site, restores_by_itself=True)
    assert (await part.offer())["projects"] == ["ours"]
    await part._restore_by_itself()
    assert (site.projects / "ours").exists() and not (site.projects / "theirs").exists()
    await part._git_sync.restore("theirs")  # by name the owner may
    assert (site.projects / "theirs").exists()


# ---- the loop lives


async def test_what_comes_back_by_itself_is_tried_again(site: Site) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    empty_home(site)
    back = continuity(site, restores_by_itself=True)
    site.fault("status", match="/api/2.0/workspace", status=403)
    await back._restore_by_itself()
    site.workspace.faults.clear()
    await back._restore_by_itself()
    assert not (site.home / CLAUDE).exists(), "a pause comes first"
    back._next_try_at = 0.0
    await back._restore_by_itself()
    assert (site.home / CLAUDE).exists()


async def test_a_full_disk_does_not_end_the_loop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    empty_home(site)
    back = continuity(site, restores_by_itself=True)
    real = Path.write_text

    def full(path: Path, *arguments: Any) -> int:
        if path.name.startswith("came-back"):
            raise OSError(28, "No space left on device")
        return real(path, *arguments)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        await back._restore_by_itself()
        [step] = await back.restore()
    assert step["state"] == "failed", "else it would be offered no more"
    assert "No space left" in step["message"] and "Free some space" in step["message"]
    assert (site.home / CLAUDE).exists()
    [step] = await back.restore()
    assert step["state"] == "done" and (await back.offer())["parts"] == []


async def test_what_has_no_room_comes_back_later(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(site, CLAUDE, said("hello"))
    await keep(continuity(site))
    empty_home(site)
    back = continuity(site)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(coming_back, "write_pieces", full)
        [step] = await back.restore()
    assert step["state"] == "failed" and "Free some space." in step["message"]
    assert [*site.home.glob(".dbx-coming-back-*")] == []
    [step] = await back.restore()
    assert step["message"] == "1 file is back."


async def test_an_old_conversation_beyond_the_list_is_resumed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "_MOST_CONVERSATIONS", 2)
    for number in range(4):
        path = put(site, f".claude/projects/p/c{number}.jsonl", said(f"said {number}"))
        os.utime(path, (number, number))
    ours = continuity(site)
    assert [each["id"] for each in await ours.conversations()] == ["c3", "c2"]
    assert [each["id"] for each in await ours.conversations("said 0")] == ["c0"]
    opened = list[segments.TerminalRecord]()

    async def note(record: segments.TerminalRecord) -> str:
        opened.append(record)
        return "1"

    ours._terminals.open = note  # type: ignore[method-assign]
    assert await ours.resume("c0") == "1"
    assert [(each.agent, each.conversation) for each in opened] == [("claude-code", "c0")]


def test_an_agent_that_is_not_installed_yet_resumes_when_it_is(tmp_path: Path) -> None:
    line = terminals.resume_line("claude-code", "a b", is_coming=lambda _name: True)
    assert terminals.resume_line("codex", "7", is_coming=lambda _name: False) == "codex resume 7"
    variables = {**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["bash", "-c", line]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        assert "“claude” starts when it is installed" in shell.stdout.readline()
        program = tmp_path / "claude.new"
        program.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
        program.chmod(0o755)
        program.rename(tmp_path / "claude")
        assert shell.communicate(timeout=30)[0] == "--resume|a b|"
