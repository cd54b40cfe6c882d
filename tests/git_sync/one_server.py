"""Git sync as a process of its own, which a test can kill: ``python -m … HOME URL TOKEN``.

It has the default pace, and prints a project's state whenever that changes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from jupyter_dbx_agents.git_sync import GitSync
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER

from .conftest import Pats


async def main(home: str, url: str, token: str) -> None:
    sync = GitSync(
        home=Path(home),
        projects=Path(home) / "projects",
        origin="app",
        api=WorkspaceApi(url),
        pats=Pats(token),
        user=lambda: OWNER,
    )
    await sync.start()
    printed = None
    while True:
        state = [(m["name"], m["history"]["commit"], m["done"]) for m in sync.status()]
        if state != printed:
            print(json.dumps(state), flush=True)
            printed = state
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
