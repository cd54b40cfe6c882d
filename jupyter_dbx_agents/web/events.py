"""The events that the server pushes to the browser: their schema, and the beat."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS_SCHEMA_ID = "https://jupyter-dbx-agents/events/status/v1"
STATUS_SCHEMA_FILE = Path(__file__).with_name("status-v1.yaml")
# A page that hears nothing for two of these and a half is offline, which it says within 5 s.
BEAT_SECONDS = 1.75


async def beat(emit: Callable[[str, Any], None]) -> None:
    """Show each page that its connection is alive, for ever.

    Nothing else would: a network that swallows everything is reported neither by the browser nor
    by its websocket.
    """
    while True:
        emit("beat", {})
        await asyncio.sleep(BEAT_SECONDS)
