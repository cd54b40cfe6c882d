"""What is safe stays safe and what was taken out goes, also with faults and in large histories."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jupyter_dbx_agents.errors import DestinationError, GitSyncError
from jupyter_dbx_agents.git_sync import history
from jupyter_dbx_agents.git_sync.remote import bundles
from jupyter_dbx_agents.git_sync.remote.workspace_files import BURST
from tests.support.effort import IS_LONG

from .conftest import Killed, Site, until
from .test_git_sync import model, synced
from .test_history import everything_in_bundles, is_safe, lose_the_disk, refs, rewrite
from .test_model import full_disk

# Many more than are written before the test ends; as many as are promised take two minutes.
FILES = 20_000 if IS_LONG else 3_000
SECONDS = 5


# ---- a long first pass


def make_large(site: Site) -> None:
    lines = ["commit refs/heads/main\ncommitter n <e> 1 +0000\ndata 1\nm\n"]
    for number in range(FILES):
        lines.append(f"M 100644 inline d{number // 100}/f{number}\ndata 6\n{number:6}\n")
    site.make("p")
    site.git("p", "fast-import", "--quiet", stdin="".join(lines).encode())
    site.git("p", "reset", "-q", "--hard")


def commit_one(site: Site, content: str) -> str:
    """Commit one more file."""
    (site.projects / "p/precious").write_text(content)
    site.git("p", "add", "precious")
    site.git("p", "commit", "-q", "-m", content)
    return site.git("p", "rev-parse", "HEAD")


@asynccontextmanager
async def server(site: Site) -> AsyncIterator[Process]:
    program = (sys.executable, "-m", "tests.git_sync.one_server")
    arguments = (str(site.home), site.server.url, str(site.pats.token))
    process = await asyncio.create_subprocess_exec(*program, *arguments, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def until_state(process: Process, condition: Any) -> None:
    assert process.stdout is not None
    while not any(condition(*state) for state in json.loads(await process.stdout.readline())):
        pass


@pytest.mark.timeout(400)
async def test_a_commit_during_the_first_pass_of_many_files_survives_a_kill(site: Site) -> None:
    """By the pace, 5 s are 50 calls and the burst; the clock of a busy machine says less."""
    make_large(site)
    for kill in ("when it is safe", "among the files"):
        async with server(site) as process:
            await until_state(process, lambda _name, _commit, done: done > 0)
            before = len(site.remote("p"))
            commit = commit_one(site, kill)
            await until_state(process, lambda _name, safe, _done, now=commit: safe == now)
            assert len(site.remote("p")) - before < BURST + SECONDS * 10
            if kill == "among the files":
                await until_state(process, lambda _name, _commit, done: done > 20)
            process.send_signal(signal.SIGKILL)
    assert len(site.remote("p")) < FILES / 2, "the files are far behind"
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == commit
    assert site.git("p", "status", "--porcelain") == ""


# ---- what was taken out of the history


def make_with_secret(site: Site) -> None:
    site.make("p", a="1")
    site.commit("p", {"key": "secret"})


def has_secret(site: Site, folder: Path) -> bool:
    """Whether it is in any file or in any bundle of the workspace, read by hand."""
    shutil.rmtree(folder, ignore_errors=True)
    listing = everything_in_bundles(site, folder)
    oids = [line.split()[0] for line in listing.splitlines()]
    objects = site.git(folder, "cat-file", "--batch", stdin="\n".join(oids).encode())
    files = [*site.remote("p").values(), *site.remote(".dbx-agents/p").values()]
    return "secret" in objects or any(b"secret" in content for content in files)


@pytest.fixture
def large_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All histories count as large."""
    monkeypatch.setattr(history, "LARGE_BYTES", 0)


async def test_a_secret_in_a_large_history_goes_by_itself_in_the_time_that_is_shown(
    site: Site, tmp_path: Path, large_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_with_secret(site)
    sync = site.git_sync(most_retry_seconds=0.1)
    await sync.start()
    await synced(site, sync, "p")
    rewrite(site, "p", b"secret", b"public")
    await until(lambda: is_safe(site, sync, "p"))
    await until(lambda: "within 20 minutes" in model(sync, "p")["history"]["note"])
    assert has_secret(site, tmp_path / "x")
    monkeypatch.setattr(history, "_RENEW_SECONDS", 0.5)
    await until(lambda: "were deleted" in model(sync, "p")["history"]["note"])
    assert not has_secret(site, tmp_path / "x")
    assert site.remote("p")["key"] == b"public"


@pytest.mark.parametrize("after_effect", [False, True] if IS_LONG else [True])
async def test_a_kill_at_any_call_leaves_no_secret_behind(
    site: Site, tmp_path: Path, large_at_once: None, after_effect: bool
) -> None:
    make_with_secret(site)
    calls = 0
    while True:
        sync = site.project_sync("p")
        await sync.run()
        assert has_secret(site, tmp_path / "x")
        rewrite(site, "p", b"secret", b"public")
        calls += 1
        site.transport.dies_at = site.transport.count + calls
        site.transport.dies_after_effect = after_effect
        try:
            await sync.run()
        except Killed:
            site.connect()
            again = site.project_sync("p")
            await again.run()
            assert not has_secret(site, tmp_path / "x"), calls
            assert "were deleted" in again.history.note
            site.commit("p", {"key": "secret", "n": str(calls)})
            continue
        break
    assert calls > 3


async def test_objects_that_only_a_tag_had_go_with_it(site: Site, tmp_path: Path) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    blob = site.git("p", "hash-object", "-w", "--stdin", stdin=b"secret")
    for command in (("tag", "blob", blob), ("tag", "-a", "-m", "secret", "annotated")):
        site.git("p", *command)
        await sync.run()
        assert has_secret(site, tmp_path / "x")
        site.git("p", "tag", "-d", command[-1] if command[1] == "-a" else "blob")
        await sync.run()
        assert not has_secret(site, tmp_path / "x")


# ---- bad input


@pytest.mark.parametrize("content", [b"", b"# v2 git bundle\n\nPACK", b"foreign"])
async def test_a_damaged_bundle_is_named_and_stays(site: Site, content: bytes) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    [name] = site.bundles("p")
    site.put_foreign(f".dbx-agents/p/{name}", content)
    shutil.rmtree(site.mirrors)
    head = site.commit("p", {"a": "2"})
    sync = site.project_sync("p")
    with pytest.raises(DestinationError, match="damaged") as raised:
        await sync.run()
    assert "--take-over" in raised.value.hint
    assert site.remote(".dbx-agents/p")[name] == content
    await sync.run(takes_over=True)
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == head


async def test_a_bundle_of_a_newer_version_is_named_and_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "SCHEMA", bundles.SCHEMA + 1)
        await site.project_sync("p").run()
    before = site.remote(".dbx-agents/p")
    site.commit("p", {"a": "2"})
    shutil.rmtree(site.mirrors)
    with pytest.raises(DestinationError, match="newer version"):
        await site.project_sync("p").run()
    lose_the_disk(site)
    with pytest.raises(DestinationError, match="newer version"):
        await site.restorer().restore("p")
    assert site.remote(".dbx-agents/p") == before


@pytest.mark.parametrize("kind", ["a commit", "an older commit", "another branch", "a tag"])
async def test_an_app_that_lost_its_project_is_refused_at_its_next_change(
    site: Site, kind: str
) -> None:
    site.make("p", a="0")
    site.commit("p", {"a": "1"})
    first = site.project_sync("p")
    await first.run()
    home = site.home
    shutil.copytree(site.projects, home / "other/projects")
    site.home, site.projects = home / "other", home / "other/projects"
    second = site.project_sync("p", origin="other")
    with pytest.raises(DestinationError, match="the same project in app"):
        await second.run()
    theirs = site.commit("p", {"a": "theirs"})
    await second.run(takes_over=True)
    site.projects = home / "projects"
    before = site.remote(".dbx-agents/p")
    if kind == "a commit":
        site.commit("p", {"a": "mine"})
    else:  # no new objects: git has nothing to upload
        command = {"an older commit": "reset", "another branch": "checkout", "a tag": "tag"}[kind]
        options = {"reset": ["--hard"], "checkout": ["-b", "b"], "tag": ["t"]}[command]
        site.git("p", command, *options, "HEAD^")
    with pytest.raises(DestinationError, match="the same project in other"):
        await first.run()
    assert first.history.safe_commit == "" == first.history.safe_at
    assert site.remote("p") == {"a": b"theirs"} and site.remote(".dbx-agents/p") == before
    shutil.rmtree(home)
    site.projects.mkdir(parents=True)
    await site.restorer("other").restore("p")
    assert site.git("p", "rev-parse", "HEAD") == theirs


async def test_a_disk_that_is_full_at_any_write_is_named_and_loses_nothing(site: Site) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    for most_bytes in (0, 50, 150, 500, 1500, 5000, 15_000, 50_000):
        site.commit("p", {"a": os.urandom(20_000).hex()})
        with full_disk(most_bytes), contextlib.suppress(GitSyncError, OSError):
            await sync.history.run()
        is_safe_now = sync.history.safe_commit == site.git("p", "rev-parse", "HEAD")
        assert is_safe_now == (not sync.history.problem), most_bytes
        assert is_safe_now or sync.history.wants_retry
    await sync.run()
    assert sync.history.problem == ""
    before = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before


async def test_what_is_safe_of_a_repository_is_not_said_of_the_one_in_its_place(
    site: Site,
) -> None:
    site.make("p", a="1")
    site.make("other", b="2")
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_at and sync.history.kept_bytes
    (site.projects / "p").rename(site.home / "away")
    (site.projects / "other").rename(site.projects / "p")
    with pytest.raises(DestinationError, match="another repository"):
        await sync.run()
    said = sync.history
    assert (said.safe_at, said.safe_commit, said.kept_bytes) == ("", "", 0)
    await sync.run(takes_over=True)
    assert sync.history.safe_commit == site.git("p", "rev-parse", "HEAD")


URLS = {
    "https://user:pw@h/x": "https://h/x",
    "HTTPS://user:secret@h/x": "HTTPS://h/x",
    "https://h/x?private_token=secret": "https://h/x",
    "ssh://git:secret@h:22/x": "ssh://git@h:22/x",
    "ssh://git@h/x": "ssh://git@h/x",
    "git+https://u:secret@h/x": "git+https://h/x",
    "http::https://u:secret@h/x": "http::https://h/x",
    "oauth2:secret@h:x.git": "oauth2@h:x.git",
    "git@h:team/x.git": "git@h:team/x.git",
    "file:///srv/a?b.git": "file:///srv/a?b.git",
    "../other": "../other",
    "ext::sh -c 'touch it'": None,
    "foo::sh -c 'touch it'": None,
}


async def test_no_password_and_no_command_in_a_url_leaves_this_machine(site: Site) -> None:
    site.make("p", a="1")
    for number, url in enumerate(URLS):
        site.git("p", "config", f"remote.r{number}.url", url)
    site.git("p", "config", "branch.main.remote", "https://u:secret@h/x")
    site.git("p", "config", "branch.main.description", "std::vector")
    site.git("p", "config", "remote.https://u:secret@h/x.promisor", "true")
    settings = dict((await site.project_sync("p").repository.snapshot()).settings)
    urls = [settings.get(f"remote.r{number}.url") for number in range(len(URLS))]
    assert urls == [*URLS.values()]
    assert settings["branch.main.remote"] == "https://h/x"
    assert settings["branch.main.description"] == "std::vector"
    assert not [key for key in settings if "secret" in key]
