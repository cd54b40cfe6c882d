"""What one repository has: HEAD, refs, objects, remotes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import GitError
from .git import Git
from .projects import Location, read

SYNCED_REF = "refs/dbx/synced"
# A repository's worktrees share its refs; these belong to one worktree (git 2.20).
SYNCED_REF_OF_WORKTREE = "refs/worktree/dbx/synced"
# Commits that only the archive had when a project was cloned again instead of restored.
KEPT_REFS = "refs/dbx/before/"
# Of more branches and tags, the newest are kept: all of them are uploaded with each commit.
MOST_REFS = 1000
_ID_FILE = "jupyter_dbx_agents_id"


@dataclass(frozen=True)
class Head:
    """HEAD's commit, its tree and the refs; ``name`` is '' if HEAD is detached."""

    commit: str
    tree: str
    name: str
    refs: Mapping[str, str] = field(default_factory=dict)


class Repository(Git):
    """One repository: what its refs, objects and settings are."""

    def __init__(self, location: Location, environment: Mapping[str, str]) -> None:
        super().__init__(location.git_dir, environment)
        self.location = location
        self._object_format = ""

    @property
    def synced_ref(self) -> str:
        """The ref of the last commit in the workspace."""
        return SYNCED_REF_OF_WORKTREE if self.location.is_linked else SYNCED_REF

    async def head(self) -> Head | None:
        """Return HEAD, None before the first commit.  Raises GitError."""
        name = _head_name(self.location.git_dir)
        try:
            found = await self.text("rev-parse", "HEAD^{commit}", "HEAD^{tree}")
        except GitError:
            if await self._is_unborn():
                return None
            raise
        commit, tree = found.split()
        return Head(commit, tree, name, await self._refs(name))

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

    async def _refs(self, head_name: str) -> dict[str, str]:
        """Return branches and tags; of a linked worktree its branch alone, as refs are shared."""
        patterns: tuple[str, ...] = ("refs/heads", "refs/tags", KEPT_REFS)
        if self.location.is_linked:
            patterns = (head_name,) if head_name else ()
        if not patterns:
            return {}
        command = ("for-each-ref", "--format=%(objectname) %(refname)", f"--count={MOST_REFS}")
        try:
            listing = await self.text(*command, "--sort=-creatordate", *patterns)
        except GitError:  # an object is missing, which must not stop HEAD's files
            listing = await self.text(*command, *patterns)
        lines = (line.partition(" ") for line in listing.splitlines())
        return {name: oid for oid, _, name in lines if _is_utf8(name)}

    def identity(self) -> str:
        """Return the repository's own id, which is written on first use.  Raises GitError.

        The first commit's id would not do: forks and templates share it.
        """
        path = self.location.common_dir / _ID_FILE
        try:
            if not path.exists():
                path.write_text(uuid.uuid4().hex + "\n")
            known = path.read_text().strip()
        except OSError as error:
            raise GitError(
                f"{path} cannot be written: {error.strerror}.",
                "Free some space, or check its permissions.",
            ) from error
        return f"{known}/{self.location.git_dir.name}" if self.location.is_linked else known

    def adopt_identity(self, identity: str) -> None:
        """Take the id of the repository that this one was restored from."""
        (self.location.common_dir / _ID_FILE).write_text(identity.partition("/")[0] + "\n")

    async def has(self, *oids: str) -> bool:
        """Whether all these objects are here."""
        return not await self.missing(*oids)

    async def missing(self, *oids: str) -> set[str]:
        """Return those of the objects that are not here."""
        wanted = [oid for oid in oids if oid]
        if not wanted:
            return set()
        listing = await self.text(
            "cat-file", "--batch-check", stdin="\n".join(wanted).encode() + b"\n"
        )
        return {line.split()[0] for line in listing.splitlines() if line.endswith(" missing")}

    async def roots(self) -> set[str]:
        """Return the root commits of all branches; none if objects are missing."""
        try:
            listing = await self.text("rev-list", "--max-parents=0", "--all", "HEAD")
        except GitError:
            return set()
        return set(listing.split())

    async def mark_synced(self, commit: str) -> None:
        """Move our ref, which also protects the commit from garbage collection."""
        await self.output("update-ref", self.synced_ref, commit)

    async def object_format(self) -> str:
        """Return ``sha1`` or ``sha256``; it never changes."""
        if not self._object_format:
            self._object_format = await self.text("rev-parse", "--show-object-format")
        return self._object_format

    async def remotes(self) -> dict[str, str]:
        """Return the remotes' URLs, without passwords."""
        try:
            listing = await self.output("config", "-z", "--get-regexp", r"^remote\..*\.url$")
        except GitError:
            return {}
        pairs = (item.decode("utf-8", "replace").partition("\n") for item in listing.split(b"\0"))
        return {key[7:-4]: without_password(url) for key, _, url in pairs if key}

    def shallow_commits(self) -> list[str]:
        """Return the commits whose parents a shallow clone lacks."""
        shallow = self.location.common_dir / "shallow"
        return shallow.read_text().split() if shallow.is_file() else []


def without_password(url: str) -> str:
    """Return a URL without the user and password that some tools put into it."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not separator or scheme not in {"http", "https"} or "@" not in authority:
        return url
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def _head_name(git_dir: Path) -> str:
    head = read(git_dir / "HEAD").decode("utf-8", "replace").strip()
    return head.removeprefix("ref: ").strip() if head.startswith("ref: ") else ""


def _is_utf8(name: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in name)
