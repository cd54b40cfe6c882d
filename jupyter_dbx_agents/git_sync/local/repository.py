"""What one repository has: HEAD, refs, objects, remotes."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...errors import GitError
from .git import Git
from .projects import NOT_UTF8, Location, readable

# Commits that only the archive had when a project was cloned again instead of restored.
KEPT_REFS = "refs/dbx/before/"
# Where the mirror keeps what has no ref of its own: older stashes, detached HEADs of worktrees.
STASH_REFS = "refs/dbx/stash/"
WORKTREE_REFS = "refs/dbx/worktrees/"
# Refs of ours in the mirror, and those that version 0.1.0 left in repositories.
OWN_REFS = "refs/jupyter-dbx-agents/"
_NOT_KEPT = (OWN_REFS, "refs/dbx/synced", "refs/worktree/dbx/", STASH_REFS, WORKTREE_REFS)
# All of them are uploaded with each commit; branches come before tags.
MOST_REFS = 10_000
# A branch that HEAD got between two reads is in the next one.
_MOST_LOOKS = 3
_ORDER = ("refs/heads/", "refs/stash", "refs/dbx/", "refs/notes/", "refs/tags/")
_SETTING = re.compile(
    r"remote\..*\.(url|pushurl|fetch|push|tagopt|prune|promisor|partialclonefilter)|submodule\..*\.(url|active)"
    r"|branch\..*\.(remote|merge|pushremote|rebase|description)|user\.(name|email)"
    r"|core\.(autocrlf|eol|safecrlf|quotepath|whitespace|abbrev|commentchar)"
    r"|push\.(default|followtags|autosetupremote)|pull\.(rebase|ff)|fetch\.prune"
    r"|merge\.(ff|conflictstyle)|rebase\.(autostash|autosquash)|diff\.(algorithm|renames)"
)
_URL_SETTING = re.compile(r"(remote|submodule)\..*url|branch\..*remote")
# Remote helpers run a program (``ext::sh -c …``); those of git itself only connect.
_COMMAND_URL = re.compile(r"(?!(https?|ftps?)::)\w[\w+.-]*::", re.IGNORECASE)
_URL = re.compile(r"(?:\w+::)?(?P<scheme>[\w+.-]+)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
# What git takes for a host and a path, when somebody puts a token before the host.
_SHORT_URL = re.compile(r"(?P<user>[^/@:]+):[^/@]+(?P<host>@[^/:@]+:.*)")


@dataclass(frozen=True)
class Head:
    """HEAD's commit and its tree."""

    commit: str
    tree: str


@dataclass(frozen=True)
class Snapshot:
    """Everything that a restore sets up again; ``head`` is '' if HEAD is detached.

    ``tracking`` are the refs of remotes: they are restored where another ref has their commit.
    ``worktrees`` has the branch ('' for none) and the commit of each linked worktree by its path.
    """

    head: str = ""
    head_commit: str = ""
    refs: dict[str, str] = field(default_factory=dict)
    tracking: dict[str, str] = field(default_factory=dict)
    symrefs: dict[str, str] = field(default_factory=dict)
    worktrees: dict[str, list[str]] = field(default_factory=dict)
    settings: list[list[str]] = field(default_factory=list)
    shallow: list[str] = field(default_factory=list)
    object_format: str = "sha1"
    is_bare: bool = False
    left_out: dict[str, str] = field(default_factory=dict)


def kept_ref(name: str, oid: str) -> str:
    """Return a name for a ref of which the repository has another version, or none."""
    short = name.removeprefix("refs/").removeprefix("dbx/")
    return name if name.startswith(KEPT_REFS) else f"{KEPT_REFS}{oid[:12]}/{short}"


class Repository(Git):
    """One repository: what its refs, objects and settings are."""

    def __init__(self, location: Location, environment: Mapping[str, str]) -> None:
        super().__init__(location.git_dir, environment)
        self.location = location

    async def head(self) -> Head | None:
        """Return HEAD, None before the first commit.  Raises GitError."""
        try:
            found = await self.text("rev-parse", "HEAD^{commit}", "HEAD^{tree}")
        except GitError:
            if await self._is_unborn():
                return None
            raise
        return Head(*found.split())

    async def _is_unborn(self) -> bool:
        """Whether HEAD names a branch that does not exist, in a readable repository."""
        try:
            name = await self.text("symbolic-ref", "HEAD")
        except GitError:
            return False
        return (
            not await self.text("for-each-ref", name)
            and not (self.location.common_dir / name).exists()
        )

    async def snapshot(self) -> Snapshot:
        """Return all refs, HEADs, stashes and settings.  Raises GitError.

        git has no consistent look at several refs.  HEAD's commit is its branch's in the listing,
        so that what a commit or switch moves meanwhile is not half in the snapshot.
        """
        for _ in range(_MOST_LOOKS):
            found = await self._look()
            branch = found.head
            if not found.head_commit or not branch or branch in {*found.refs, *found.left_out}:
                break  # else HEAD's branch is younger than the listing
        return replace(found, head_commit=found.refs.get(found.head, found.head_commit))

    async def _look(self) -> Snapshot:
        listing = await self.text("for-each-ref", "--format=%(objectname) %(symref) %(refname)")
        refs: dict[str, str] = {}
        tracking: dict[str, str] = {}
        symrefs: dict[str, str] = {}
        left_out: dict[str, str] = {}
        for line in listing.splitlines():
            oid, target, name = line.split(" ", 2)
            if not _is_utf8(name):
                left_out[readable(os.fsencode(name))[0]] = NOT_UTF8
            elif target:
                symrefs[name] = target
            elif name.startswith("refs/remotes/"):
                tracking[name] = oid
            elif not name.startswith(_NOT_KEPT):
                refs[name] = oid
        ordered = sorted(refs, key=_rank)
        left_out |= dict.fromkeys(ordered[MOST_REFS:], f"There are more than {MOST_REFS} refs.")
        refs = {name: refs[name] for name in ordered[:MOST_REFS]}
        if "refs/stash" in refs:
            refs |= await self._older_stashes()
        head, commit, worktrees = await self._heads()
        for path, (branch, at) in worktrees.items():
            if not branch and at:
                refs[WORKTREE_REFS + hashlib.sha256(path.encode()).hexdigest()[:12]] = at
        return Snapshot(
            head,
            commit,
            refs,
            tracking,
            symrefs,
            worktrees,
            await self._settings(),
            self.shallow_commits(),
            await self.object_format(),
            await self._is_bare(),
            left_out,
        )

    async def _older_stashes(self) -> dict[str, str]:
        """Return refs for the stashes that only the reflog has; the higher the older."""
        try:
            listing = await self.text("reflog", "show", "--format=%H", "refs/stash", "--")
        except GitError:
            return {}
        oids = listing.split()[1:]
        return {f"{STASH_REFS}{number:04d}": oid for number, oid in enumerate(oids, 1)}

    async def _heads(self) -> tuple[str, str, dict[str, list[str]]]:
        """Return the main HEAD's branch and commit, and those of the linked worktrees."""
        found: list[tuple[str, str, str]] = []
        for block in (await self.text("worktree", "list", "--porcelain", "-z")).split("\0\0"):
            values = dict(line.partition(" ")[::2] for line in block.split("\0") if line)
            if path := values.get("worktree", ""):
                oid = values.get("HEAD", "")
                found.append((path, values.get("branch", ""), oid if oid.strip("0") else ""))
        worktrees = {path: [branch, oid] for path, branch, oid in found[1:] if _is_utf8(path)}
        main = Git(self.location.common_dir, self.environment)
        try:
            head = await main.text("symbolic-ref", "--quiet", "HEAD")
        except GitError:
            head = ""
        try:
            commit = await main.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except GitError:
            commit = ""
        return head, commit, worktrees

    async def has(self, *oids: str) -> bool:
        """Whether all these objects are here."""
        return not await self.missing(*oids)

    async def roots(self) -> set[str]:
        """Return the root commits of all branches; none if objects are missing."""
        try:
            listing = await self.text("rev-list", "--max-parents=0", "--all", "HEAD")
        except GitError:
            return set()
        return set(listing.split())

    async def _is_bare(self) -> bool:
        return await self.text("rev-parse", "--is-bare-repository") == "true"

    async def object_format(self) -> str:
        """Return ``sha1`` or ``sha256``."""
        return await self.text("rev-parse", "--show-object-format")

    async def _settings(self) -> list[list[str]]:
        """Return the settings that a restore sets again; none with a command or a password."""
        try:
            listing = await self.output("config", "-z", "--local", "--no-includes", "--list")
        except GitError:
            return []
        pairs = (item.decode("utf-8", "replace").partition("\n") for item in listing.split(b"\0"))
        return [
            [key, without_password(value) if _URL_SETTING.fullmatch(key) else value]
            for key, _, value in pairs
            if _SETTING.fullmatch(key) and _is_harmless(key, value)
        ]

    def shallow_commits(self) -> list[str]:
        """Return the commits whose parents a shallow clone lacks."""
        shallow = self.location.common_dir / "shallow"
        return shallow.read_text().split() if shallow.is_file() else []


def _rank(name: str) -> tuple[int, str]:
    """Return the place of a ref: branches before tags, whatever else last."""
    places = [place for place, prefix in enumerate(_ORDER) if name.startswith(prefix)]
    return (places[0] if places else len(_ORDER), name)


def _is_harmless(key: str, value: str) -> bool:
    """Whether a setting runs no command, and has no password in its name (a partial clone's)."""
    name = key.split(".", 1)[-1]
    is_command = _URL_SETTING.fullmatch(key) and _COMMAND_URL.match(value)
    return not is_command and ("://" not in name or without_password(name) == name)


def without_password(url: str) -> str:
    """Return a URL without the user, password and query that some tools put into it.

    The user stays for SSH, which does not connect without it.
    """
    if (short := _SHORT_URL.fullmatch(url)) is not None:
        return short["user"] + short["host"]
    if (found := _URL.fullmatch(url)) is None:
        return url
    user, _, host = found["authority"].rpartition("@")
    name, scheme, rest = user.partition(":")[0], found["scheme"].lower(), found["rest"]
    authority = f"{name}@{host}" if name and "ssh" in scheme else host
    if "http" in scheme:
        rest = re.split("[?#]", rest)[0]
    return f"{url[: found.start('authority')]}{authority}{rest}"


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)
