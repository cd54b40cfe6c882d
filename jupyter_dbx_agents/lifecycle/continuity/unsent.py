"""What a stop could not send: a small file beside the home's segments, read at the next start.

It is written last, and only if something is left: on a machine that is thrown away nobody would
know of it.  After a kill, or without the workspace, there is none.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from .store import Store

_MOST_NAMED = 20


async def write(store: Store, origin: str, things: Sequence[str]) -> None:
    """Write what is left now.  Raises WorkspaceError."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    await store.write_unsent(origin, json.dumps({"at": at, "things": [*things]}).encode())


async def read(store: Store, origin: str) -> str:
    """Return what the last stop left, in words, '' for nothing.  Raises WorkspaceError."""
    data = await store.read_unsent(origin)
    try:
        record = json.loads(data or b"{}")
        at, things = str(record.get("at", "")), [str(each) for each in record.get("things", ())]
    except (ValueError, AttributeError, TypeError):  # of another version, or damaged
        return ""
    if not things:
        return ""
    more = f" and {len(things) - _MOST_NAMED} more" if len(things) > _MOST_NAMED else ""
    when = at[:16].replace("T", " ")
    listed = ", ".join(things[:_MOST_NAMED]) + more
    return (
        f"Not sent when the app stopped, {when} UTC: {listed}. "
        "It is lost unless it is still on this machine, which sends it now."
    )
