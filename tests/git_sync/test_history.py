"""Every commit is safe within seconds, whatever happens to the files and to the repository."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_dbx_agents.git_sync.history import MOST_INCREMENTS
from jupyter_dbx_agents.git_sync.remote.bundles import PART_BYTES, Bundle, Chain
from jupyter_dbx_agents.git_sync.remote.workspace_files import RemoteObject

from .conftest import ROOT, Killed, MortalTransport, Site, until
from .test_git_sync import model, synced


def refs(site: Site, name: str) -> dict[str, str]:
    """All refs of a repository, and its stashes."""
    lines = site.git(name, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    found = dict(line.split(" ") for line in lines)
    stashes = site.git(name, "stash", "list", "--format=%H %s").splitlines()
    return {**found, "stashes": "\n".join(stashes)}


def lose_the_disk(site: Site) -> None:
    shutil.rmtree(site.home)
    site.projects.mkdir(parents=True)


def is_safe(site: Site, sync: Any, name: str) -> bool:
    head = site.git(name, "rev-parse", "HEAD")
    return bool(model(sync, name).get("history", {}).get("commit") == head)


async def test_a_commit_during_a_long_first_pass_is_safe_at_once(site: Site) -> None:
    site.make("p")
    site.commit("p", {f"d/f{i}": str(i) for i in range(400)})
    sync = site.git_sync(requests_per_second=20.0)
    await sync.start()
    await until(lambda: model(sync, "p")["done"] > 3, "the first files")
    precious = site.commit("p", {"precious": "work"})
    await until(lambda: is_safe(site, sync, "p"), "the commit is safe", 5)
    files = sync._workers["p"].sync
    await until(
        lambda: files.marker and files.marker.pending.commit == precious,
        "the files go on with the newest tree",
        15,
    )
    assert model(sync, "p")["state"] == "syncing"
    await sync.stop()
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == precious
    assert site.git("p", "status", "--porcelain") == ""


class Slow(MortalTransport):
    """A connection on which large uploads take until ``is_over`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.is_over, self.waiting = asyncio.Event(), 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if int(request.headers.get("content-length", 0)) > 1024**2:
            self.waiting += 1
            await self.is_over.wait()
        return await super().handle_async_request(request)


async def test_a_small_commit_waits_for_no_large_upload_of_other_projects(site: Site) -> None:
    site.make("files")
    site.commit("files", {f"f{i}": bytes([i]) * 1_200_000 for i in range(4)})  # a small bundle
    for number in range(4):
        site.make(f"large{number}")
        site.commit(f"large{number}", {"f": os.urandom(1_200_000)})
    site.make("p", a="1")
    site.api._client = httpx.AsyncClient(base_url=site.server.url, transport=(slow := Slow()))
    site.clients.append(site.api._client)
    sync = site.git_sync(most_parallel_requests=4)
    await sync.start()
    await until(lambda: is_safe(site, sync, "p") and slow.waiting == 3, "two files, one bundle")
    site.commit("p", {"precious": "work"})
    await until(lambda: is_safe(site, sync, "p"), "the commit is safe")
    assert slow.waiting == 3
    slow.is_over.set()
    for number in range(4):
        await synced(site, sync, f"large{number}")


async def test_every_ref_is_noticed_and_comes_back(site: Site) -> None:
    folder = site.make("p", a="1")
    sync = site.git_sync(installs_hooks=False)
    await sync.start()
    await synced(site, sync, "p")
    tip = site.git("p", "rev-parse", "HEAD")
    commands = (
        ("tag", "v1"),
        ("tag", "-a", "-m", "annotated", "v2"),
        ("branch", "idea"),
        ("notes", "add", "-m", "a note"),
        ("update-ref", "refs/custom/x", tip),
        ("tag", "blob", site.git("p", "rev-parse", "HEAD:a")),
        ("worktree", "add", "-q", "--detach", "../tree"),
    )
    history = sync._assembly.histories[(folder / ".git").resolve()]

    def has_all() -> bool:
        assert history._newest is not None
        return history._newest.snapshot.refs.items() >= own_refs(site)

    for command in commands:
        site.git("p", *command)
        await until(has_all, str(command))
    for text in ("older", "newer"):
        (folder / "a").write_text(text)
        site.git("p", "stash", "push", "-q", "-m", text)
    site.commit("tree", {"a": "detached work"})
    detached = site.git("tree", "rev-parse", "HEAD")
    await until(lambda: detached in history._newest.snapshot.refs.values(), "the worktree's HEAD")
    await until(
        lambda: len([n for n in history._newest.snapshot.refs if "stash" in n]) == 2,
        "the stashes",
    )
    await sync.stop()
    before = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    after = refs(site, "p")
    assert before.items() <= after.items()
    assert detached in after.values()


def own_refs(site: Site) -> Any:
    return {n: o for n, o in refs(site, "p").items() if n.startswith("refs/")}.items()


async def test_a_branch_that_stands_for_another_is_watched_and_comes_back(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    site.git("p", "symbolic-ref", "HEAD", "refs/heads/alias")
    sync = site.git_sync(installs_hooks=False)
    await sync.start()
    await synced(site, sync, "p")
    commit = site.commit("p", {"a": "2"})
    await until(lambda: is_safe(site, sync, "p"), "the poll has seen it")
    await synced(site, sync, "p")
    await sync.stop()
    lose_the_disk(site)
    await site.restorer().restore("p")
    for name in ("HEAD", "main", "alias"):
        assert site.git("p", "rev-parse", name) == commit


async def test_what_a_restore_sets_up(site: Site) -> None:
    site.make("origin", a="1")
    site.git(site.projects, "clone", "-q", "origin", "p")
    site.git("p", "remote", "set-url", "origin", "https://me:secret@example.com/o.git")
    site.git("p", "remote", "set-url", "--push", "origin", "https://example.com/push.git")
    site.git("p", "config", "--local", "user.email", "mine@example.com")
    site.git("p", "config", "core.sshCommand", "evil")
    site.git("p", "config", "alias.x", "!evil")
    before = refs(site, "p")
    await site.project_sync("p").run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before
    config = (site.projects / "p/.git/config").read_text()
    assert "evil" not in config and "secret" not in config
    assert site.git("p", "rev-parse", "--abbrev-ref", "main@{upstream}") == "origin/main"
    assert site.git("p", "remote", "get-url", "--push", "origin") == "https://example.com/push.git"
    assert site.git("p", "config", "--local", "user.email") == "mine@example.com"


async def test_thousands_of_tags_and_an_old_branch(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "branch", "old")
    oid = site.commit("p", {"a": "2"})
    tags = "".join(f"create refs/tags/t{i} {oid}\n" for i in range(1300))
    site.git("p", "update-ref", "--stdin", stdin=tags.encode())
    before = refs(site, "p")
    await site.project_sync("p").run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before


async def test_the_repository_cannot_pull_objects_away(site: Site) -> None:
    folder = site.make("p", a="1", b="1")
    sync = site.project_sync("p")
    await sync.run()
    site.commit("p", {"a": "2"})
    (folder / "a").write_text("3")
    site.git("p", "commit", "-q", "--amend", "-a", "-m", "amended")
    for command in (("reflog", "expire", "--expire=now", "--all"), ("gc", "-q", "--prune=now")):
        site.git("p", *command)
    await sync.run()
    assert site.remote("p") == {"a": b"3", "b": b"1"}
    rewrite(site, "p", b"1", b"one")
    await sync.run()
    assert site.remote("p") == {"a": b"3", "b": b"one"}
    assert sync.history.problem == ""


async def test_a_clone_keeps_what_it_has_without_a_ref(site: Site) -> None:
    """As a local clone does, by hard links: git would collect it."""
    folder = site.make("p", a="1")
    (folder / "a").write_text("stashed")
    site.git("p", "stash", "push", "-q")
    stash = site.git("p", "rev-parse", "refs/stash")
    await site.project_sync("p").run()
    lose_the_disk(site)
    await site.restorer().restore("p")
    remote = str(site.home / "remote.git")
    site.git("p", "clone", "-q", "--bare", "--single-branch", ".", remote)
    shutil.rmtree(folder)
    site.git(site.projects, "clone", "-q", remote, "p")
    await site.project_sync("p").run()
    assert stash in refs(site, "p").values()


def rewrite(site: Site, name: str, old: bytes, new: bytes) -> None:
    """Replace a word in the whole history, as ``git filter-repo`` does."""
    dump = subprocess.run(
        ["git", "fast-export", "--all"],
        cwd=site.projects / name,
        env=site.environment,
        capture_output=True,
        check=True,
    ).stdout
    size_old, size_new = (f"data {len(word)}\n".encode() + word for word in (old, new))
    site.git(name, "fast-import", "--force", "--quiet", stdin=dump.replace(size_old, size_new))
    site.git(name, "reset", "-q", "--hard")
    site.git(name, "reflog", "expire", "--expire=now", "--all")
    site.git(name, "gc", "-q", "--prune=now")


def filter_repo(site: Site, name: str, old: str, new: str) -> None:
    """Let the real ``git filter-repo`` replace a word."""
    words = site.home / "words"
    words.write_text(f"{old}==>{new}\n")
    program = (sys.executable, "-m", "git_filter_repo", "--force", "--quiet")
    subprocess.run(
        [*program, "--replace-text", str(words)],
        cwd=site.projects / name,
        env=site.environment,
        check=True,
    )


@pytest.mark.parametrize("how", ["amend", "rewrite", "filter-repo"])
async def test_a_secret_that_was_taken_out_goes_there_too(
    site: Site, tmp_path: Path, how: str
) -> None:
    folder = site.make("p", a="1")
    sync = site.project_sync("p")
    if how == "amend":
        await sync.run()
    site.commit("p", {"key": "secret"})
    if how == "filter-repo":
        site.git("p", "tag", "-a", "-m", "annotated", "v1")
        site.git("p", "branch", "other")
        site.git("p", "remote", "add", "origin", "https://example.com/p.git")
    await sync.run()
    oid, bundles = site.git("p", "rev-parse", "HEAD:key"), site.bundles("p")
    assert oid in everything_in_bundles(site, tmp_path / "before")
    if how == "amend":
        (folder / "key").write_text("public")
        site.git("p", "commit", "-q", "--amend", "-a", "-m", "amended")
    elif how == "filter-repo":
        filter_repo(site, "p", "secret", "public")
    else:
        rewrite(site, "p", b"secret", b"public")
    await sync.run()
    assert site.remote("p")["key"] == b"public"
    assert oid not in everything_in_bundles(site, tmp_path / "after")
    assert "rewritten" in sync.history.note
    assert not {*bundles[1 if how == "amend" else 0 :]} & {*site.bundles("p")}
    after = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == after


def everything_in_bundles(site: Site, folder: Path) -> str:
    """The ids of all objects in a project's bundles, read as a user would by hand."""
    site.git(site.projects, "init", "-q", "--bare", str(folder))
    for name in site.bundles("p"):
        path = folder / name
        path.write_bytes(site.remote(".dbx-agents/p")[name])
        site.git(folder, "fetch", "-q", "--force", str(path), "refs/*:refs/*")
    return site.git(folder, "cat-file", "--batch-all-objects", "--batch-check")


async def test_bundles_are_read_by_git_fetch(site: Site, tmp_path: Path) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    for step in range(3):
        site.commit("p", {"a": f"step {step}"})
        site.git("p", "tag", "-a", "-m", "t", f"v{step}")
        await sync.run()
    assert len(site.bundles("p")) == 4
    everything_in_bundles(site, tmp_path / "by hand")
    by_hand = site.git(tmp_path / "by hand", "rev-parse", "main", "v0", "v1", "v2")
    assert by_hand == site.git("p", "rev-parse", "main", "v0", "v1", "v2")


async def test_a_large_first_bundle_is_not_sent_again(site: Site) -> None:
    site.make("p")
    site.commit("p", {"large": os.urandom(2 * PART_BYTES)})
    sync = site.project_sync("p")
    await sync.run()
    first = site.bundles("p")
    assert len(first) == 3
    sent = 0
    for step in range(2 * MOST_INCREMENTS + 2):
        site.git("p", "commit", "-q", "--allow-empty", "-m", f"step {step}")
        await sync.history.run()
        sent += sync.history._chain.bundles[-1].size_bytes
    assert set(first) < set(site.bundles("p"))
    assert len(site.bundles("p")) <= len(first) + MOST_INCREMENTS + 1
    assert sent < 1_000_000


async def test_worktrees_share_one_history(site: Site) -> None:
    site.make("p")
    site.commit("p", {"large": os.urandom(500_000)})
    sync = site.git_sync()
    await sync.start()
    await synced(site, sync, "p")
    before = model(sync, "p")["history"]["bytes"]
    for name in ("one", "two"):
        site.git("p", "worktree", "add", "-q", "-b", name, f"../{name}")
        site.commit(name, {"small": name})
        await sync.install_hooks()
        await synced(site, sync, name)
    await until(lambda: is_safe(site, sync, "p"))
    assert model(sync, "p")["history"]["bytes"] - before < 100_000
    head = site.git("two", "rev-parse", "HEAD")
    await sync.stop()
    lose_the_disk(site)
    await site.restorer().restore("two")
    assert site.git("two", "rev-parse", "HEAD") == head
    assert site.git("two", "branch", "--show-current") == "two"


async def test_a_full_disk_is_tried_again_by_itself(site: Site) -> None:
    site.make("p")
    site.commit("p", {"a": os.urandom(100_000)})
    sync = site.git_sync()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        await sync.start()
        await until(lambda: model(sync, "p").get("history", {}).get("message"), "the failure")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await until(lambda: is_safe(site, sync, "p"), "the next try")
    assert model(sync, "p")["history"]["message"] == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"identity": ""}'])
async def test_a_damaged_record_of_the_mirror(site: Site, content: bytes) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    [mirror] = site.mirrors.iterdir()
    (mirror / "record.json").write_bytes(content)
    site.commit("p", {"a": "2"})
    await site.project_sync("p").run()
    assert site.remote("p") == {"a": b"2"}


@pytest.mark.parametrize("what", ["state folder", "mirror's objects", "mirror's HEAD", "lock"])
async def test_what_is_removed_below_the_state_folder_is_made_again(site: Site, what: str) -> None:
    site.make("p", a="1")
    sync = site.project_sync("p")
    await sync.run()
    [mirror] = site.mirrors.iterdir()
    match what:
        case "state folder":
            shutil.rmtree(site.mirrors.parent)
        case "mirror's objects":
            shutil.rmtree(mirror / "repository.git/objects")
        case "mirror's HEAD":
            (mirror / "repository.git/HEAD").unlink()
        case _:
            (mirror / "repository.git/packed-refs.lock").touch()
            (mirror / "repository.git/refs/heads/main.lock").touch()
    head = site.commit("p", {"a": "2"})
    await sync.run()
    assert sync.history.problem == "" and site.remote("p") == {"a": b"2"}
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert site.git("p", "rev-parse", "HEAD") == head


async def test_a_kill_at_any_call_of_an_upload_loses_nothing(site: Site) -> None:
    site.make("p")
    site.commit("p", {"large": os.urandom(2 * PART_BYTES)})
    for after_effect in (False, True):
        for dies_at in range(1, 8):
            site.transport.dies_at, site.transport.dies_after_effect = dies_at, after_effect
            with pytest.raises(Killed):
                await site.project_sync("p").run()
            site.connect()
            site.git("p", "commit", "-q", "--allow-empty", "-m", f"{dies_at}")
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.problem == ""
    before = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before


async def test_two_servers_at_one_home_do_not_get_in_each_others_way(site: Site) -> None:
    site.make("p", a="1")
    syncs = [site.project_sync("p") for _ in range(2)]
    for step in range(6):
        site.commit("p", {"a": f"step {step}"})
        await asyncio.gather(*(sync.history.run() for sync in syncs))
    await syncs[0].run()
    assert [sync.history.problem for sync in syncs] == ["", ""]
    before = refs(site, "p")
    lose_the_disk(site)
    await site.restorer().restore("p")
    assert refs(site, "p") == before


def listed(*bundles: Bundle) -> list[RemoteObject]:
    return [RemoteObject(f"{ROOT}/{n}", "FILE", 1) for b in bundles for n in b.names()]


def test_the_chain_is_what_the_names_say() -> None:
    first, second, third = Bundle(1, 0, 0), Bundle(1, 1, 1), Bundle(1, 2, 2)
    merged, large = Bundle(1, 1, 3), Bundle(2, 0, 0, parts=3)
    assert Chain.of([]).bundles == ()
    assert Chain.of(listed(third, first, second)).bundles == (first, second, third)
    both = Chain.of(listed(first, second, third, merged))
    assert both.bundles == (first, merged) and not both.has_gap
    assert set(both.leftovers) == {*second.names(), *third.names()}
    gap = Chain.of(listed(first, third))
    assert gap.bundles == (first,) and gap.has_gap
    unfinished = Chain.of([*listed(first), *listed(large)[:2]])
    assert unfinished.bundles == (first,) and unfinished.newest_generation == 2
    assert not unfinished.has_gap
    assert Chain.of(listed(first, second, large)).bundles == (large,)
