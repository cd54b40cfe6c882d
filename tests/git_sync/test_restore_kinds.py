"""What comes back of each kind of repository: the same refs and tree, a clean status, a push."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable

import pytest

from dbx_workspace.rest import files as workspace_files
from jupyter_dbx_agents.errors import RestoreError
from jupyter_dbx_agents.git_sync.local.objects import UNSAFE as UNSAFE_REASON
from jupyter_dbx_agents.git_sync.local.objects import is_safe
from jupyter_dbx_agents.git_sync.local.projects import find_projects
from jupyter_dbx_agents.git_sync.restore import Restored

from .conftest import Site, marker_of
from .test_git_sync import synced

LARGE = b"large " * 3000
ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


def lose_the_disk(site: Site, *kept: str) -> None:
    """A restart: only the remotes named are still there."""
    for folder in site.home.iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder)
    site.projects.mkdir(parents=True)


def facts(site: Site, name: str) -> dict[str, str]:
    """What must be the same after a restore."""
    refs = site.git(name, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    return {
        "refs": "\n".join(line for line in refs if "refs/dbx/" not in line),
        "head": site.git(name, "rev-parse", "HEAD"),
        "branch": site.git(name, "branch", "--show-current"),
        "tree": site.git(name, "ls-tree", "-r", "HEAD"),
        "files": site.git(name, "ls-files", "-s"),
        "status": site.git(name, "status", "--porcelain"),
        "log": site.git(name, "log", "--format=%H", "HEAD"),
        "stash": site.git(name, "stash", "list", "--format=%H %gs"),
        "upstream": site.git(name, "for-each-ref", "--format=%(upstream)", "refs/heads"),
    }


def make_remote(site: Site) -> str:
    """A bare repository that is no project; returns its address."""
    site.git(site.home, "init", "-q", "--bare", "-b", "main", "remote")
    site.git(site.home / "remote", "config", "uploadpack.allowFilter", "true")
    return f"file://{site.home / 'remote'}"


def make_clone(site: Site, *options: str) -> str:
    """A clone of a remote with three commits, and one commit more."""
    url = make_remote(site)
    site.make("first")
    for number in range(3):
        site.commit("first", {each: f"{each} {number}" for each in ("a", "b", "d/c")})
    site.git("first", "push", "-q", url, "main", "HEAD~1:refs/heads/other")
    shutil.rmtree(site.projects / "first")
    site.git(site.projects, "clone", "-q", *options, url, "p")
    site.commit("p", {"a": "mine"})
    return url


def sha256_repository(site: Site) -> None:
    site.make("p", "--object-format=sha256", a="1", b="2")
    site.git("p", "tag", "-a", "v1", "-m", "one")


def shallow_clone(site: Site) -> None:
    make_clone(site, "--depth=1")


def partial_clone(site: Site) -> None:
    make_clone(site, "--filter=blob:none")


def many_tags(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "branch", "unpushed")
    commit = site.git("p", "rev-parse", "HEAD")
    lines = "".join(f"create refs/tags/t{number:04} {commit}\n" for number in range(1300))
    site.git("p", "update-ref", "--stdin", stdin=lines.encode())


def everything(site: Site) -> None:
    make_clone(site)
    site.git("p", "switch", "-q", "-c", "work")
    site.commit("p", {"w": "1"})
    site.git("p", "notes", "add", "-m", "a note")
    for number in range(3):
        (site.projects / "p/a").write_text(f"stashed {number}")
        site.git("p", "stash", "push", "-q", "-m", f"stash {number}")
    site.git("p", "switch", "-q", "main")


KINDS: list[Callable[[Site], None]] = [
    sha256_repository,
    shallow_clone,
    partial_clone,
    many_tags,
    everything,
]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
async def test_each_kind_of_repository_comes_back_whole(
    site: Site, make: Callable[[Site], None]
) -> None:
    make(site)
    await site.project_sync("p").run()
    site.commit("p", {"last": "commit"})
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.problem == ""
    before = facts(site, "p")
    # Nobody answers in the place of the remote while the project is restored.
    remote = site.home / "remote"
    if remote.exists():
        remote.rename(site.home / "away")
    lose_the_disk(site, "away")
    restored = await site.restorer().restore("p")
    assert restored == Restored("p", before["head"], has_history=True)
    assert facts(site, "p") == before
    site.git("p", "fsck", "--no-dangling")
    if (site.home / "away").exists():
        (site.home / "away").rename(remote)
        site.git("p", "push", "-q")
        assert site.git(remote, "rev-parse", "main") == site.git("p", "rev-parse", "main")
    site.commit("p", {"after": "the restore"})
    await site.project_sync("p").run()
    assert site.remote("p")["after"] == b"the restore"


async def test_a_partial_clone_fetches_nothing_and_loses_no_neighbour(site: Site) -> None:
    make_clone(site, "--filter=blob:none", "--no-checkout")
    site.git("p", "reset", "-q", "--hard", "origin/main")
    site.git("p", "update-ref", "refs/heads/main", "origin/other")  # its blobs are at the remote
    (site.home / "remote").rename(site.home / "away")
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {}
    blob = site.git("p", "hash-object", "-w", "--stdin", stdin=b"here")
    entry = f"100644 blob {blob}\tz".encode()
    listing = site.git("p", "ls-tree", "HEAD").encode() + b"\n" + entry + b"\n"
    tree = site.git("p", "mktree", "--missing", stdin=listing)
    commit = site.git("p", "commit-tree", "-p", "HEAD", "-m", "z", tree)
    site.git("p", "update-ref", "HEAD", commit)
    await sync.run()
    assert site.remote("p") == {"z": b"here"}
    assert marker_of(sync).skipped.keys() == {"a", "b", "d/c"}
    lose_the_disk(site, "away")
    restored = await site.restorer().restore("p")
    assert restored == Restored("p", commit, True, ("a", "b", "d/c"))
    assert (site.projects / "p/z").read_text() == "here"
    (site.home / "away").rename(site.home / "remote")
    site.git("p", "checkout", "-q", "--", ".")
    assert (site.projects / "p/a").read_text() == "a 1", "git fetches it as before"
    assert site.git("p", "status", "--porcelain") == ""


async def test_submodules_and_worktrees_come_back_beside_each_other(site: Site) -> None:
    site.make("library", a="1")
    site.make("p", a="1")
    allow = ("-c", "protocol.file.allow=always")
    url = str(site.projects / "library")
    site.git("p", *allow, "submodule", "--quiet", "add", url, "sub")
    site.commit("p", {})
    site.git("p", "worktree", "add", "-q", "-b", "side", "../side")
    site.commit("side", {"s": "1"})
    names = ("library", "p", "p/sub", "side")
    owner = site.project_sync("p")
    before = {}
    for name in names:
        before[name] = facts(site, name)
        history = owner.history if name in ("p", "side") else None
        await site.project_sync(name, history=history).run()
    lose_the_disk(site)
    for name in ("library", "p", "side"):
        await site.restorer().restore(name)
    (site.projects / "p/sub").rmdir() if (site.projects / "p/sub").exists() else None
    await site.restorer().restore("p/sub")
    for name in names:
        now = facts(site, name)
        assert now["tree"] == before[name]["tree"], name
        assert (now["head"], now["status"]) == (before[name]["head"], ""), name
    assert site.git("side", "branch", "--show-current") == "side"


def pointer_of(content: bytes) -> str:
    return POINTER.format(hashlib.sha256(content).hexdigest(), len(content))


async def test_lfs_content_comes_back_without_its_server_and_program(
    site: Site, without_lfs: None
) -> None:
    folder = site.make("p")
    site.commit("p", {"m.bin": pointer_of(LARGE), "src/main.py": "code"})
    (folder / ".gitattributes").write_text(ATTRIBUTES)
    keys = ("required=false", "process=", "clean=", "smudge=")
    plain = [word for key in keys for word in ("-c", f"filter.lfs.{key}")]
    site.git("p", *plain, "add", ".gitattributes")
    site.git("p", *plain, "commit", "-q", "-m", "attributes")
    digest = hashlib.sha256(LARGE).hexdigest()
    store = folder / ".git/lfs/objects" / digest[:2] / digest[2:4]
    store.mkdir(parents=True)
    (store / digest).write_bytes(LARGE)
    await site.project_sync("p").run()
    assert site.remote("p")["m.bin"] == LARGE
    lose_the_disk(site)
    for key, value in {
        "required": "true",
        "process": "git-lfs filter-process",
        "clean": "git-lfs clean -- %f",
        "smudge": "git-lfs smudge -- %f",
    }.items():
        site.git(site.projects, "config", "--global", f"filter.lfs.{key}", value)
    restored = await site.restorer().restore("p")
    assert restored.has_history and restored.missing == ()
    assert (folder / "m.bin").read_bytes() == LARGE
    assert (store / digest).read_bytes() == LARGE
    assert (folder / "src/main.py").read_text() == "code"
    assert site.git("p", "status", "--porcelain") == ""


async def test_an_archive_of_version_0_1_0_is_restored(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "tag", "v1")
    write_legacy(site, "p", "history")
    before = facts(site, "p")
    lose_the_disk(site)
    assert (await site.restorer().restore("p")).has_history
    assert facts(site, "p") == before
    assert site.git("p", "config", "remote.origin.url") == "https://example.com/p.git"
    site.commit("p", {"a": "2"})
    sync = site.project_sync("p")
    await sync.run()
    await sync.run()
    assert [name for name in site.remote(".dbx-agents/p") if name.startswith("abcdef")] == []
    assert site.remote("p") == {"a": b"2"}


async def test_files_of_version_0_1_0_without_a_history_are_restored(site: Site) -> None:
    folder = site.make("p", a="1")
    site.commit("p", {"d/run.sh": "2"})
    (folder / "d/run.sh").chmod(0o755)
    site.commit("p", {})
    write_legacy(site, "p", "trees")
    lose_the_disk(site)
    restored = await site.restorer().restore("p")
    assert not restored.has_history and restored.missing == ()
    assert os.access(folder / "d/run.sh", os.X_OK)
    assert (folder / "a").read_text() == "1"


def write_legacy(site: Site, name: str, kind: str, tree: str = "") -> None:
    """Write what version 0.1.0 has in the workspace after a sync of one commit."""
    head = site.git(name, "rev-parse", "HEAD")
    tree = tree or site.git(name, "rev-parse", "HEAD^{tree}")
    listing = site.git(name, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    refs = {ref: oid for oid, ref in (line.split(" ") for line in listing)}
    generation, ending = "abcdef012345", "bundle" if kind == "history" else "trees"
    packing = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    tips = "".join(f"{oid}\n" for oid in ({head} if kind == "history" else {tree}))
    if kind == "trees":
        packing.append("--filter=blob:none")
    folder = site.projects / name
    pack = subprocess.run(
        packing, cwd=folder, input=tips.encode(), capture_output=True, check=True
    ).stdout
    header = "".join(f"{oid} {ref}\n" for ref, oid in {**refs, "HEAD": head}.items())
    data = f"# v2 git bundle\n{header}\n".encode() + pack if kind == "history" else pack
    is_history = kind == "history"
    record = {
        "schema": 1,
        "project": name,
        "repository": "0" * 32,
        "origin": "app",
        "commit": head,
        "tree": tree,
        "synced_at": "2026-01-01T00:00:00+00:00",
        "pending": None,
        "skipped": {},
        "notes": {},
        "archive": {
            "kind": kind,
            "generation": generation,
            "parts": [2],
            "tree": tree,
            "first_bytes": len(data),
            "all_bytes": len(data),
        },
        "obsolete": [],
        "head": "refs/heads/main",
        "head_commit": head if is_history else "",
        "refs": refs if is_history else {},
        "roots": site.git(name, "rev-list", "--max-parents=0", "HEAD").split(),
        "shallow": [],
        "remotes": {"origin": "https://example.com/p.git"},
        "object_format": "sha1",
        "is_bare": False,
        "takes_over": False,
    }
    half = len(data) // 2
    for number, part in enumerate((data[:half], data[half:])):
        site.put_foreign(f".dbx-agents/{name}/{generation}-0000.{ending}.{number:04}", part)
    site.put_foreign(f".dbx-agents/{name}/sync.json", json.dumps(record).encode())
    names = site.git(name, "ls-tree", "-r", "-z", "--name-only", tree)
    for path in names.strip("\0").split("\0"):
        if is_safe(path):
            blob = site.git(name, "cat-file", "blob", f"{tree}:{path}")
            site.put_foreign(f"{name}/{path}", blob.encode())


def crafted_tree(site: Site, name: str, *unsafe: str) -> str:
    """A tree with a safe file, and one in a folder of each unsafe name."""
    blob = site.git(name, "hash-object", "-w", "--stdin", stdin=b"pwned")

    def write(mode: bytes, entry: str, oid: str) -> bytes:
        return mode + b" " + entry.encode() + b"\0" + bytes.fromhex(oid)

    def store(data: bytes) -> str:
        literally = ("hash-object", "-t", "tree", "-w", "--literally", "--stdin")
        return site.git(name, *literally, stdin=data)

    inner = store(write(b"100644", "evil", blob))
    entries = [write(b"40000", each, inner) for each in sorted(unsafe)]
    return store(b"".join([*entries, write(b"100644", "fine", blob)]))


UNSAFE = ("..", ".GIT", ".git", ".git ", ".g\u200cit", "GIT~1", "git~1")


async def test_a_crafted_tree_writes_nothing_outside_the_project(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.make("p", a="1")
    write_legacy(site, "p", "trees", crafted_tree(site, "p", *UNSAFE))
    site.put_foreign("evil", b"pwned")
    lose_the_disk(site)
    normalize = workspace_files.normalize  # as if the workspace resolved “..”

    def resolve(path: str) -> str:
        return normalize(os.path.normpath(path))

    monkeypatch.setattr(workspace_files, "normalize", resolve)
    restored = await site.restorer().restore("p")
    assert set(restored.missing) == {f"./{each}/evil" for each in UNSAFE}
    assert [path.name for path in site.projects.iterdir()] == ["p"]
    assert sorted(path.name for path in (site.projects / "p").iterdir()) == [".git", "fine"]
    assert not (site.projects / "p/.git/evil").exists()


async def test_a_crafted_history_is_checked_out_without_its_unsafe_paths(site: Site) -> None:
    site.make("p", a="1")
    tree = crafted_tree(site, "p", *UNSAFE)
    commit = site.git("p", "commit-tree", "-m", "crafted", tree)
    site.git("p", "update-ref", "HEAD", commit)
    sync = site.project_sync("p")
    await sync.run()
    assert site.remote("p") == {"fine": b"pwned"}
    assert set(marker_of(sync).skipped.values()) == {UNSAFE_REASON}
    lose_the_disk(site)
    restored = await site.restorer().restore("p")
    assert restored.has_history and set(restored.missing) == {f"{each}/evil" for each in UNSAFE}
    assert sorted(path.name for path in (site.projects / "p").iterdir()) == [".git", "fine"]


async def test_a_file_is_not_written_through_a_link_that_was_in_its_place(site: Site) -> None:
    outside = site.home / "outside"
    folder = site.make("p")
    (folder / "d").symlink_to(outside)
    site.commit("p", {"a": "1"})
    await site.project_sync("p").run()
    (folder / "d").unlink()
    site.commit("p", {"d/x": "2"})
    await site.project_sync("p", most_history_bytes=10).run()
    lose_the_disk(site)
    outside.mkdir()
    restored = await site.restorer().restore("p")
    assert restored.missing == () and not (folder / "d").is_symlink()
    assert (folder / "d/x").read_text() == "2" and [*outside.iterdir()] == []


async def test_lfs_content_is_not_written_through_a_link_of_a_crafted_tree(site: Site) -> None:
    outside = site.home / "outside"
    folder = site.make("p", a="1")
    blobs = {
        name: site.git("p", "hash-object", "-w", "--stdin", stdin=content)
        for name, content in {
            "link": str(outside).encode(),
            "pointer": pointer_of(LARGE).encode(),
            "attributes": ATTRIBUTES.encode(),
        }.items()
    }

    def entry(mode: bytes, name: str, oid: str) -> bytes:
        return mode + b" " + name.encode() + b"\0" + bytes.fromhex(oid)

    def store(data: bytes) -> str:
        literally = ("hash-object", "-t", "tree", "-w", "--literally", "--stdin")
        return site.git("p", *literally, stdin=data)

    inner = store(entry(b"100644", "m.bin", blobs["pointer"]))
    both = entry(b"120000", "d", blobs["link"]) + entry(b"40000", "d", inner)
    tree = store(entry(b"100644", ".gitattributes", blobs["attributes"]) + both)
    commit = site.git("p", "commit-tree", "-m", "crafted", tree)
    site.git("p", "update-ref", "HEAD", commit)
    await site.project_sync("p").run()
    site.put_foreign("p/d/m.bin", LARGE)
    lose_the_disk(site)
    outside.mkdir()
    await site.restorer().restore("p")
    assert [*outside.iterdir()] == [] and (folder / ".git").is_dir()


@pytest.mark.parametrize("path", ["a", "....", "a/...", "git~", ".gitignore", "x.git", ".github/a"])
def test_ordinary_paths_are_safe(path: str) -> None:
    assert is_safe(path)


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a//b", "a/", ".", "a/../b", ".Git/x", "a/.git", ".git::$INDEX/x", "a\\..\\b"],
)
def test_paths_that_lead_elsewhere_are_not(path: str) -> None:
    assert not is_safe(path)


async def test_what_is_in_the_way_of_a_restore_is_named(site: Site) -> None:
    site.make("p", a="1")
    await site.project_sync("p").run()
    site.make("team/api", a="1")
    await site.project_sync("team/api").run()
    lose_the_disk(site)
    target = site.projects / "p"

    async def refusal(name: str = "p") -> str:
        with pytest.raises(RestoreError) as raised:
            await site.restorer().restore(name)
        return f"{raised.value.message} {raised.value.hint}"

    target.write_text("a file")
    assert "already exists. Move it away" in await refusal()
    target.unlink()
    for link in ("/nowhere", str(site.home)):
        target.symlink_to(link)
        assert "already exists. Move it away" in await refusal()
        target.unlink()
    (site.projects / "team").write_text("a file in the place of its parent")
    assert "already exists. Move it away" in await refusal("team/api")
    assert "is not the name of a project" in await refusal("a\0b")
    target.mkdir()
    assert (await site.restorer().restore("p")).has_history
    assert [path.name for path in site.projects.iterdir() if path.name.startswith(".")] == []


async def test_a_bare_repository_around_its_worktrees_is_one_project_and_comes_back_so(
    site: Site,
) -> None:
    site.make("src", a="1")
    for name in ("p", "q"):
        (site.projects / name).mkdir()
    site.git("p", "clone", "-q", "--bare", "../src", ".bare")
    (site.projects / "p/.git").write_text("gitdir: ./.bare\n")
    site.git("q", "clone", "-q", "--bare", "../src", ".")
    shutil.rmtree(site.projects / "src")
    names = ["p", "p/feature", "q", "q/feature"]
    for name in ("p", "q"):
        site.git(name, "worktree", "add", "-q", "-b", "feature", "feature")
        site.commit(f"{name}/feature", {"b": "2"})
    assert sorted(find_projects(site.projects).projects) == names
    sync = site.git_sync()
    await sync.start()
    for name in names:
        await synced(site, sync, name)
    await sync.stop(10)
    shutil.rmtree(site.projects)
    site.projects.mkdir()
    fresh = site.git_sync()
    assert [each.name for each in await fresh.restore()] == names
    assert sorted(find_projects(site.projects).projects) == names
    for name in ("p", "q"):
        assert site.git(name, "rev-parse", "--is-bare-repository") == "true"
        assert {each.name for each in (site.projects / name).iterdir()} == {".git", "feature"}
        assert site.git(f"{name}/feature", "status", "--porcelain") == ""
        assert (site.projects / name / "feature/b").read_text() == "2"


@pytest.mark.parametrize("syncs_before", [False, True])
async def test_branches_come_back_while_heads_branch_has_no_commit(
    site: Site, syncs_before: bool
) -> None:
    site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "w", "../w")
    if syncs_before:
        for name in ("p", "w"):
            await site.project_sync(name).run()
    site.git("p", "symbolic-ref", "HEAD", "refs/heads/new")
    sync = site.project_sync("p")
    await sync.run()
    assert sync.history.safe_at
    refs = site.git("p", "for-each-ref")
    lose_the_disk(site)
    assert await site.restorer().restore("p") == Restored("p", "", has_history=True)
    assert site.git("p", "for-each-ref") == refs
    assert site.git("p", "symbolic-ref", "HEAD") == "refs/heads/new"
    site.commit("p", {"b": "2"})
    await site.project_sync("p").run()
    assert site.remote("p") == {"b": b"2"}


async def test_a_worktree_whose_branch_has_no_commit_comes_back(site: Site) -> None:
    site.make("p", a="1")
    site.git("p", "worktree", "add", "-q", "-b", "w", "../w")
    for name in ("p", "w"):
        await site.project_sync(name).run()
    site.git("w", "symbolic-ref", "HEAD", "refs/heads/new")
    for name in ("p", "w"):
        await site.project_sync(name).run()
    lose_the_disk(site)
    assert await site.restorer().restore("w") == Restored("w", "", has_history=True)
    assert site.git("w", "symbolic-ref", "HEAD") == "refs/heads/new"
