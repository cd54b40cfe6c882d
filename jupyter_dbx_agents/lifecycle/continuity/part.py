"""What the app uses of continuity: its settings, its loop, its status, and the owner's requests."""

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from tornado.web import HTTPError
from traitlets import Bool, Enum, List, TraitError, Unicode, default, validate
from traitlets.config import LoggingConfigurable

from ...agents import AGENTS
from ...agents.conversations import Conversation, Kept
from ...background import Listeners
from ...errors import DbxAgentsError, RequestError
from ...git_sync import GitSync
from ...git_sync.states import Remark
from ...secret import Secret
from ...terminals.manager import DbxTerminalManager
from . import unsent
from .choice import CameBack, Choice, Dotfiles
from .coming_back import ComingBack, Offer, Step, offer_text
from .keeper import HomeKeeper
from .segments import TerminalRecord
from .selection import HISTORY, HomePart, dotfile_problem, settings_part
from .store import Store
from .terminals import OpenTerminals, all_conversations

Keeps = Literal["all", "projects", "nothing"]
ALL: Keeps = "all"
PROJECTS: Keeps = "projects"
NOTHING: Keeps = "nothing"
_RECORD = "continuity.json"
_CAME_BACK = "came-back.json"
_DOTFILES = "dotfiles.json"
_FORGOTTEN = "What was kept is forgotten; nothing more is kept until the next start."
_MOST_LISTED = 100
# An agent that commits each second must not keep its conversation from being kept.
_MOST_WAIT_SECONDS = 20.0
# A workspace that did not answer is asked again for what is kept.
_LOOK_BACK_RETRY_SECONDS = 60.0
_MOST_CONVERSATIONS = 500


class ConversationModel(TypedDict):
    """A conversation's REST model; ``at`` is the time of its last change."""

    agent: str
    id: str
    title: str
    folder: str
    at: str


class ConversationsModel(TypedDict):
    """The REST model of several conversations."""

    conversations: list[ConversationModel]


class ForgottenHome(TypedDict):
    """What was deleted: files in ``folder``, their bytes, and work in progress of ``projects``."""

    folder: str
    files: int
    bytes: int
    projects: list[str]


class ContinuityStatus(TypedDict):
    """What of the home is kept, and what is coming back.

    ``dotfiles`` are the files that the owner named, beside those of the configuration.
    ``offered`` says what of former starts can come back, and ``unsent`` what the last stop did not
    send; '' for nothing.
    """

    keeps: Keeps
    kept_at: str
    pending: bool
    message: str
    left_out: list[Remark]
    dotfiles: list[str]
    offered: str
    unsent: str
    steps: list[Step]


class Continuity(LoggingConfigurable):
    """Keeps what a restart would destroy beside the projects, and brings all of it back."""

    keeps = Enum(
        (ALL, PROJECTS, NOTHING),
        help="What is kept in the workspace for the next start: all (conversations and memory of "
        "the agents, shell history, the list of open terminals, and the projects with what is not "
        "committed), only the projects, or nothing but commits. On a Databricks App the default "
        "is all, elsewhere projects.",
    ).tag(config=True)
    dotfiles = List(
        Unicode(),
        help="More files to keep, relative to the home folder, such as .vimrc; none with secrets. "
        "The panel has such a list, too.",
    ).tag(config=True)
    restores_by_itself = Bool(
        False,
        help="Whether all that is kept comes back without a question, when there is a token and "
        "no project here.",
    ).tag(config=True)
    look_seconds = 5.0

    @default("keeps")
    def _default_keeps(self) -> Keeps:
        return ALL if self._is_databricks_app else PROJECTS

    @validate("dotfiles")
    def _check_dotfiles(self, proposal: Any) -> list[str]:
        for name in proposal["value"]:
            if problem := dotfile_problem(name):
                raise TraitError(f"Continuity.dotfiles: {problem}")
        return list(proposal["value"])

    def __init__(
        self,
        *,
        home: Path,
        state_folder: Path,
        origin: str,
        is_databricks_app: bool,
        git_sync: GitSync,
        secrets: Callable[[], Iterable[Secret]],
        manager: Callable[[], DbxTerminalManager | None],
        is_coming: Callable[[str], bool] = lambda _agent: False,
        **kwargs: Any,
    ) -> None:
        self._is_databricks_app = is_databricks_app
        super().__init__(**kwargs)
        self.on_change = Listeners("continuity", self.log)
        self._home, self._git_sync = home, git_sync
        self._terminals = OpenTerminals(home, manager, is_coming)
        self._named = Dotfiles(state_folder / _DOTFILES)
        self._keeper = HomeKeeper(
            home,
            record=state_folder / _RECORD,
            origin=origin,
            kept=self._kept,
            secrets=secrets,
            terminals=self._terminals.records,
            dotfiles=lambda: self._named.names,
        )
        self._came_back = CameBack(state_folder / _CAME_BACK)
        self._back = ComingBack(
            home,
            origin=origin,
            git_sync=git_sync,
            keeper=self._keeper,
            terminals=self._terminals,
            parts=self._parts,
            dotfiles=self._named,
            came_back=self._came_back,
            changed=self.on_change.notify,
            log=self.log,
        )
        self._is_asked = self._is_forgotten = False
        self._origin, self._offered, self._unsent = origin, "", ""
        self._next_look_back_at = self._next_try_at = 0.0
        # Since then commits are on their way.
        self._free_at = time.monotonic()

    def _parts(self, former: Iterable[str] = ()) -> Sequence[HomePart]:
        """Return all that is kept, with files that the owner named on a ``former`` machine."""
        ours = HISTORY, settings_part([*self.dotfiles, *self._named.names, *former])
        memories = [(agent, agent.memory) for agent in AGENTS if agent.memory is not None]
        theirs = [HomePart(agent.name, agent.title, memory.kept) for agent, memory in memories]
        return [*theirs, *ours]

    def _kept(self) -> Sequence[Kept]:
        return [kept for part in self._parts() for kept in part.kept]

    # ---- life

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self.look_seconds)
            await self._look()
            for step in (self._restore_by_itself, self._look_back):
                try:
                    await step()
                except Exception:  # the loop must live, for what is kept
                    self.log.exception("Continuing where you were failed")

    async def _look(self, *, at_once: bool = False) -> None:
        remote = self._git_sync.remote()
        if self.keeps != ALL or remote is None or self._is_forgotten:
            return
        if not at_once and self._waits_for_commits():
            return
        try:
            if await self._keeper.look(Store(*remote), at_once=at_once):
                self.on_change.notify()
        except Exception as error:  # whatever is odd about a file: the loop must live
            message = f"{error} {getattr(error, 'hint', '')}".strip()
            if message != self._keeper.message:
                self.log.warning("What is in the home is not kept: %s", message)
                self.log.debug("Keeping the home failed", exc_info=True)
            self._keeper.message = message
            self.on_change.notify()

    def _waits_for_commits(self) -> bool:
        """Whether a commit, which is worth more, is on its way; not without end, while many are."""
        now = time.monotonic()
        if not self._git_sync.is_catching_up or now - self._free_at > _MOST_WAIT_SECONDS:
            self._free_at = now
            return False
        return True

    async def _restore_by_itself(self) -> None:
        if not self.restores_by_itself or self._is_asked or self._git_sync.remote() is None:
            return
        if time.monotonic() < self._next_try_at:
            return
        self._next_try_at = time.monotonic() + _LOOK_BACK_RETRY_SECONDS
        if not self._git_sync.folders():
            try:
                await self._back.run()
            except DbxAgentsError as error:
                self.log.warning("What is kept did not come back: %s %s", error.message, error.hint)
                return
        self._is_asked = True

    async def _look_back(self) -> None:
        """Find once what of former starts the status shows: what is lost, and what can come back.

        The latter is offered on a machine without projects.
        """
        remote = self._git_sync.remote()
        if remote is None or time.monotonic() < self._next_look_back_at:
            return
        self._next_look_back_at = math.inf
        try:
            self._unsent = await unsent.read(Store(*remote), self._origin)
            if not (self.restores_by_itself or self._git_sync.folders() or self._back.steps):
                await self.offer()
        except DbxAgentsError as error:
            self.log.debug("What is kept is not known: %s %s", error.message, error.hint)
            self._next_look_back_at = time.monotonic() + _LOOK_BACK_RETRY_SECONDS
        self.on_change.notify()

    def freeze(self) -> None:
        """Remember the open terminals: they end now."""
        self._terminals.freeze()

    async def flush(self) -> None:
        """Upload what has changed, at a stop."""
        await self._look(at_once=True)

    async def note_unsent(self) -> None:
        """Record what could not be sent, at the very end of a stop; never raises."""
        remote, things = self._git_sync.remote(), self._unsent_things()
        if things:
            self.log.warning("Not sent to the workspace: %s", ", ".join(things))
        try:
            if remote is not None and things:
                await unsent.write(Store(*remote), self._origin, things)
            elif remote is not None and self._unsent:
                await Store(*remote).delete_unsent(self._origin)
        except DbxAgentsError as error:
            self.log.debug("There is no record of it: %s %s", error.message, error.hint)

    def _unsent_things(self) -> list[str]:
        is_kept = self.keeps == ALL and not self._is_forgotten
        ours = ["conversations and history"] if is_kept and self._keeper.is_pending else []
        return [*self._git_sync.unsent(), *ours]

    def terminal_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return what lets bash write each line of its history at once, not when it ends."""
        if self.keeps != ALL or "PROMPT_COMMAND" in base:
            return {}
        return {"PROMPT_COMMAND": "history -a"}

    # ---- requests of users

    def status(self) -> ContinuityStatus:
        """Return the REST model."""
        keeper = self._keeper
        listed = [*keeper.left_out.items()][:_MOST_LISTED]
        return {
            "keeps": self.keeps,
            "kept_at": keeper.kept_at,
            "pending": keeper.is_pending,
            "message": _FORGOTTEN if self._is_forgotten else keeper.message,
            "left_out": [Remark(path=path, reason=reason) for path, reason in listed],
            "dotfiles": [*self._named.names],
            "offered": self._offered,
            "unsent": self._unsent,
            "steps": self._back.steps,
        }

    async def offer(self) -> Offer:
        """Return what could come back.  Raises RequestError or GitSyncError without a token."""
        found = await self._back.offer()
        is_used = self._git_sync.folders() or self._back.steps
        self._set_offered("" if is_used else offer_text(found))
        return found

    def _set_offered(self, text: str) -> None:
        if text != self._offered:
            self._offered = text
            self.on_change.notify()

    async def restore(self, choice: Choice | None = None) -> list[Step]:
        """Bring back what is chosen, or all.  Raises RequestError, GitSyncError, WorkspaceError."""
        offered = self._offered
        self._set_offered("")
        try:
            return await self._back.run(choice or Choice())
        except DbxAgentsError:
            self._set_offered(offered)
            raise

    def name_dotfiles(self, names: Any) -> None:
        """Replace the list of more files to keep.  Raises RequestError."""
        self._named.set(names)
        self.on_change.notify()

    async def forget(self) -> ForgottenHome:
        """Delete what is kept of homes and of work in progress, and keep no more until a restart.

        Returns what it was.  Raises RequestError without a token, and WorkspaceError.
        """
        remote = self._git_sync.remote()
        if remote is None:
            raise RequestError("There is no token to forget with.", "Sign in or paste one.")
        store = Store(*remote)
        async with self._keeper.forgetting():
            sets = await store.sets()
            await store.delete(sets)
            await store.delete_unsent(self._origin)
            await store.delete_folder()
            works = await self._git_sync.forget_work()
        self._came_back.forget(each.id for each in sets)
        self._is_forgotten, self._offered, self._unsent = True, "", ""
        self.on_change.notify()
        count = sum(len(each.serials) for each in sets)
        return {
            "folder": store.folder,
            "files": count,
            "bytes": sum(each.size_bytes for each in sets),
            "projects": works,
        }

    async def conversations(self, text: str = "") -> list[ConversationModel]:
        """Return the agents' conversations here, newest first; with a text, those that have it."""
        return await asyncio.to_thread(self._conversations, text.casefold())

    def _conversations(self, text: str) -> list[ConversationModel]:
        found = list[ConversationModel]()
        for agent, each in all_conversations(self._home):
            if not _has_text(each, text):
                continue
            at = datetime.fromtimestamp(each.at, UTC).isoformat(timespec="seconds")
            model = ConversationModel(
                agent=agent.name, id=each.id, title=each.title, folder=each.folder, at=at
            )
            found.append(model)
            if len(found) >= _MOST_CONVERSATIONS:
                break
        return found

    async def resume(self, conversation: str) -> str:
        """Resume a conversation in a new terminal; return its name.  Raises RequestError."""
        here = await asyncio.to_thread(all_conversations, self._home)
        found = next((pair for pair in here if pair[1].id == conversation), None)
        if found is None:
            raise RequestError(
                f"There is no conversation {conversation}.",
                "List them: jupyter dbx-agents conversations",
                status=404,
            )
        agent, known = found
        record = TerminalRecord("", known.folder, agent.name, known.id)
        try:
            return await self._terminals.open(record)
        except HTTPError as error:
            raise RequestError(str(error.log_message), "Close a terminal.") from error


def _has_text(conversation: Conversation, text: str) -> bool:
    """Whether a text, in lower case, is in a conversation or its title."""
    first = (conversation.title, conversation.folder, conversation.id)
    return any(text in part.casefold() for part in itertools.chain(first, conversation.texts()))
