"""A random repository whose every state the test knows, made by git itself."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

Tree = dict[str, tuple[str, bytes]]  # path → mode and content
NAMES = [
    "a",
    "b",
    "A",
    "d",
    "D",
    "e.py",
    "n.ipynb",
    "z.zip",
    "ü x.txt",
    'q"\\t',
    "-x",
    "%2F",
    ":y",
    "*",
]
CONTENTS = [b"", b"1\n", b"2\n", b"# Databricks notebook source\n", b"\x00\xff\r\n", b"PK\x03\x04"]


@dataclass
class Commit:
    oid: str
    tree: Tree


class RandomHistory:
    """Commits, amends, resets, merges, branches … by ``git fast-import``, one process each."""

    def __init__(self, folder: Path, random_: random.Random, environment: dict[str, str]) -> None:
        self.folder, self.random, self.environment = folder, random_, environment
        self.commits: dict[str, Commit] = {}
        self.former: dict[str, Commit] = {}
        self.branch = "main"
        self.branches: dict[str, str] = {}
        self.count = 0

    def initialize(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", "--template=")

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", "-c", "fastimport.unpackLimit=1000", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=True,
        ).stdout

    @property
    def head(self) -> Commit | None:
        return self.commits.get(self.branches.get(self.branch, ""))

    def files(self) -> dict[str, bytes]:
        """What a sync of HEAD should show."""
        tree = self.head.tree if self.head else {}
        return {
            path: content for path, (mode, content) in tree.items() if mode in ("100644", "100755")
        }

    def step(self) -> str:
        """One random operation; returns its name."""
        operations = [self.edit] * 6
        if self.head:
            operations += [self.amend, self.reset, self.switch, self.switch_back, self.merge]
            operations += [self.orphan, self.empty, self.collect, self.rewrite, self.pack]
            operations += [self.tag, self.note, self.stash, self.drop_stash, self.detach_worktree]
            operations += [self.delete_ref]
        operation = self.random.choice(operations)
        operation()
        return operation.__name__

    def edit(self) -> None:
        self._commit(self._changed(self.head.tree if self.head else {}), self._parents())

    def amend(self) -> None:
        assert self.head
        self._commit(self._changed(self.head.tree), [])

    def empty(self) -> None:
        assert self.head
        self._commit(self.head.tree, self._parents())

    def reset(self) -> None:
        self._point(self.branch, self.random.choice(list(self.commits)))

    def switch(self) -> None:
        self.branch = f"branch/{self.random.randrange(3)}"
        if self.branch not in self.branches:
            self._point(self.branch, self.random.choice(list(self.commits)))
        self.git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    def switch_back(self) -> None:
        self.branch = self.random.choice(list(self.branches))
        self.git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")

    def merge(self) -> None:
        other = self.random.choice(list(self.commits.values()))
        assert self.head
        self._commit(_fitting({**self.head.tree, **other.tree}), [*self._parents(), other.oid])

    def orphan(self) -> None:
        self._commit(self._changed({}), [])

    def collect(self) -> None:
        """Objects that nobody refers to go; ours refers to what was synced."""
        self.git("worktree", "prune")
        reachable = self.git("rev-list", "--all").decode().split()
        self.git("-c", "gc.reflogExpire=now", "prune", "--expire=now")
        self.commits = {oid: c for oid, c in self.commits.items() if oid in set(reachable)}

    def is_newer_than_its_history(self) -> bool:
        """Whether a restore has committed files whose history was not kept, and said so."""
        oid, subject = self.git("log", "-1", "--format=%H %s").decode().split(" ", 1)
        return subject.startswith("Restored from the workspace") and oid not in self.former

    def _tree(self, oid: str) -> Tree:
        tree: Tree = {}
        for entry in self.git("ls-tree", "-r", "-z", oid).decode().split("\0")[:-1]:
            facts, _, path = entry.partition("\t")
            mode, _kind, blob = facts.split()
            tree[path] = mode, self.git("cat-file", "blob", blob)
        return tree

    def refs(self) -> dict[str, str]:
        """All refs, stashes, and the HEADs of linked worktrees, but for what a restore adds."""
        listing = self.git("for-each-ref", "--format=%(refname) %(objectname)").decode()
        pairs = (line.split(" ") for line in listing.splitlines())
        found = {name: oid for name, oid in pairs if not name.startswith("refs/dbx/")}
        if "refs/stash" in found:
            log = self.git("reflog", "show", "--format=%H", "refs/stash", "--").decode()
            found["stashes"] = " ".join(log.split())
        return found

    def heads_of_worktrees(self) -> set[str]:
        """The commits of detached worktrees."""
        listing = self.git("worktree", "list", "--porcelain").decode()
        blocks = [block for block in listing.split("\n\n")[1:] if "\ndetached" in block]
        return {line[5:] for block in blocks for line in block.splitlines() if line[:5] == "HEAD "}

    def tag(self) -> None:
        name, oid = f"t{self.random.randrange(4)}", self.random.choice(list(self.commits))
        annotation = ["-a", "-m", "annotated"] if self.random.random() < 0.5 else []
        self.git("-c", "user.name=n", "-c", "user.email=e", "tag", "-f", *annotation, name, oid)

    def note(self) -> None:
        self.git("update-ref", "refs/notes/commits", self.random.choice(list(self.commits)))

    def stash(self) -> None:
        assert self.head
        identity = ("-c", "user.name=n", "-c", f"user.email={self.random.random()}")
        parents, tree = ["-p", self.head.oid], f"{self.head.oid}^{{tree}}"
        index = self.git(*identity, "commit-tree", *parents, "-m", "index", tree).decode().strip()
        parents += ["-p", index]
        oid = self.git(*identity, "commit-tree", *parents, "-m", "WIP", tree).decode().strip()
        self.git("stash", "store", "-m", "WIP", oid)

    def drop_stash(self) -> None:
        if b"refs/stash" in self.git("for-each-ref", "refs/stash"):
            self.git("stash", "drop", "-q")

    def detach_worktree(self) -> None:
        path = self.folder.parent / f"{self.folder.name}-tree{self.random.randrange(2)}"
        self.git("worktree", "prune")
        oid = self.random.choice(list(self.commits))
        if path.exists():
            self.git("worktree", "remove", "--force", str(path))
        self.git("worktree", "add", "-q", "--no-checkout", "--detach", str(path), oid)

    def delete_ref(self) -> None:
        names = [name for name in self.refs() if name.startswith(("refs/tags", "refs/heads"))]
        names = [name for name in names if name != f"refs/heads/{self.branch}"]
        if names:
            name = self.random.choice(names)
            self.git("update-ref", "-d", name)
            self.branches.pop(name.removeprefix("refs/heads/"), None)

    def pack(self) -> None:
        self.git("gc", "-q", "--prune=now")

    def rewrite(self) -> None:
        """Nothing of the former history is left, as after ``git filter-repo``."""
        assert self.head
        tree = self._changed(self.head.tree)
        for name in self.refs():
            if name.startswith("refs/"):
                self.git("update-ref", "-d", name)
        self.branches = {}
        self._commit(tree, [])
        self.git("reflog", "expire", "--expire=now", "--all")
        self.pack()
        self.commits = {self.branches[self.branch]: self.commits[self.branches[self.branch]]}

    def _parents(self) -> list[str]:
        return [self.head.oid] if self.head else []

    def _changed(self, tree: Tree) -> Tree:
        tree = dict(tree)
        for _ in range(self.random.randint(1, 4)):
            kind = self.random.random()
            if tree and kind < 0.25:
                del tree[self.random.choice(list(tree))]
            elif tree and kind < 0.4:  # a rename
                moved = tree.pop(self.random.choice(list(tree)))
                tree = _put(tree, self._path(), moved)
            elif tree and kind < 0.5:  # in case only
                path = self.random.choice(list(tree))
                moved = tree.pop(path)
                tree = _put(tree, path.swapcase(), moved)
            else:
                tree = _put(tree, self._path(), (self._mode(), self._content()))
        return tree

    def _path(self) -> str:
        depth = self.random.choice([1, 1, 2, 3])
        return "/".join(self.random.choice(NAMES) for _ in range(depth))

    def _mode(self) -> str:
        return self.random.choice(["100644"] * 8 + ["100755", "120000"])

    def _content(self) -> bytes:
        if self.random.random() < 0.5:
            return self.random.choice(CONTENTS)
        return hashlib.sha256(self.random.randbytes(4)).hexdigest().encode() * 3

    def _commit(self, tree: Tree, parents: list[str]) -> None:
        self.count += 1
        ref = f"refs/heads/{self.branch}"
        lines = [f"commit {ref}\n".encode(), f"committer n <e@x> {self.count} +0000\n".encode()]
        lines.append(b"data 1\nm\n")
        if parents:
            lines.append(f"from {parents[0]}\n".encode())
        lines += [f"merge {parent}\n".encode() for parent in parents[1:]]
        lines.append(b"deleteall\n")
        for path, (mode, content) in tree.items():
            quoted = path.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(
                f'M {mode} inline "{quoted}"\ndata {len(content)}\n'.encode() + content + b"\n"
            )
        if not parents and self.branch in self.branches:
            self.git("update-ref", "-d", ref)
        self.git("fast-import", "--force", "--quiet", stdin=b"".join(lines))
        oid = (self.folder / ".git" / ref).read_text().strip()
        self.commits[oid] = self.former[oid] = Commit(oid, tree)
        self.branches[self.branch] = oid

    def _point(self, branch: str, oid: str) -> None:
        self.git("update-ref", f"refs/heads/{branch}", oid)
        self.branches[branch] = oid

    def reload(self) -> None:
        """Take the refs as they are, after a restore.  Raises KeyError for an unknown commit."""
        if self.is_newer_than_its_history():
            oid = self.git("rev-parse", "HEAD").decode().strip()
            self.former[oid] = Commit(oid, self._tree(oid))
        listing = self.git(
            "for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads"
        )
        self.branches, self.commits = {}, dict(self.former)
        for line in listing.decode().splitlines():
            oid, _, name = line.partition(" ")
            self.branches[name] = self.commits[oid].oid
        self.branch = self.git("symbolic-ref", "--short", "HEAD").decode().strip()
        self.collect()


def _put(tree: Tree, path: str, entry: tuple[str, bytes]) -> Tree:
    """Put a file where files or folders may be in the way: they go."""
    above = {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
    kept = {p: e for p, e in tree.items() if p not in above and not p.startswith(f"{path}/")}
    return {**kept, path: entry}


def _fitting(tree: Tree) -> Tree:
    fitted: Tree = {}
    for path, entry in tree.items():
        fitted = _put(fitted, path, entry)
    return fitted
