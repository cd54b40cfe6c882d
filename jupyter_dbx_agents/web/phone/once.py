"""Each action is done once, however often it arrives.

A key is issued by the server and names its boot and its time, so that a repetition is recognised
for as long as its key is accepted: what is forgotten, by age or by a restart, is refused.
"""

import asyncio
import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...errors import RequestError

# How long an action may be repeated; a page that is open renews its key with each refresh.
KEY_SECONDS = 3600
# As many as nobody taps within that time.
MOST_ACTIONS = 10_000
# The part behind the dot is the page's own count of what it did with the key.
_KEY = re.compile(r"([0-9a-f]{16})-([0-9]{1,12})-[0-9a-f]{16}(?:\.[0-9]{1,6})?")


@dataclass(frozen=True)
class _Action:
    what: bytes  # a hash: a text may be long
    outcome: asyncio.Task[str]


class OnceOnly:
    """The actions of the last hour, by their keys, each with its outcome."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._boot = secrets.token_hex(8)
        self._actions: OrderedDict[str, _Action] = OrderedDict()

    def new_key(self) -> str:
        """Return a key for actions from now on."""
        return f"{self._boot}-{int(self._clock())}-{secrets.token_hex(8)}"

    async def run(self, key: str, what: object, do: Callable[[], Awaitable[str]]) -> str:
        """Return what ``do`` returns, or did when the action with this key arrived first.

        ``what`` is compared, so that a key is not used for something else.  Raises RequestError for
        a key that is not accepted, and what ``do`` raises or raised.
        """
        known = self._actions.get(key)
        digest = hashlib.sha256(repr(what).encode()).digest()
        if known is None:
            self._check(key)
            known = self._actions[key] = _Action(digest, asyncio.ensure_future(_outcome(do)))
        elif known.what != digest:
            raise RequestError(
                "This key was used for another action.", "Reload the page.", status=409
            )
        return await asyncio.shield(known.outcome)

    async def fate(self, key: str) -> str:
        """Return what the action with this key did; '' if it is unknown or has failed."""
        known = self._actions.get(key)
        try:
            return await asyncio.shield(known.outcome) if known else ""
        except RequestError:
            return ""

    def _check(self, key: str) -> None:
        found = _KEY.fullmatch(key)
        if found is None:
            raise RequestError("The action has no valid key.", "Reload the page.")
        if found[1] != self._boot:
            raise RequestError(
                "The app has restarted since this page was loaded. This was not done now.",
                "Reload the page and look whether it is still needed.",
                status=409,
            )
        oldest = self._clock() - KEY_SECONDS
        if int(found[2]) < oldest:
            raise RequestError(
                "This page was not refreshed for an hour. This was not done now.",
                "Reload the page and look whether it is still needed.",
                status=409,
            )
        self._forget_before(oldest)

    def _forget_before(self, oldest: float) -> None:
        """Forget what could not be repeated any more.  Raises RequestError if that is not enough.

        Keys of one page arrive in about the order in which they were issued; one that does not
        only keeps those behind it for longer.
        """
        while self._actions and _issued_at(next(iter(self._actions))) < oldest:
            self._actions.popitem(last=False)
        if len(self._actions) >= MOST_ACTIONS:
            raise RequestError(
                "Too many actions within an hour.", "Use the terminal in JupyterLab.", status=429
            )


async def _outcome(do: Callable[[], Awaitable[str]]) -> str:
    return await do()


def _issued_at(key: str) -> int:
    return int(key.split("-")[1])
