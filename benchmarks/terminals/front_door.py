"""The local workspace's front door before a server, in a process of its own.

Run: ``python -m benchmarks.terminals.front_door URL``; it prints the door's port.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from dbx_workspace.front_door.door import FrontDoor


async def stand_before(url: str) -> None:
    """Carry requests to the server at ``url`` until the end of the process."""
    door = FrontDoor(url, "owner@example.com")
    await door.start()
    sys.stdout.write(f"{urlsplit(door.url).port}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(stand_before(sys.argv[1]))
