"""What Claude Code's hooks run: report a finished turn to the server.

Whatever goes wrong, it prints nothing and exits with 0: a hook must not disturb an agent.
"""

import contextlib
import json
import sys
from collections.abc import Sequence

from ..errors import DbxAgentsError
from ..local_channel.client import call
from ..local_channel.paths import TRACES_PATH

TIMEOUT_SECONDS = 5.0
# What the server needs of the hook's input; the rest may be large.
FIELDS = ("session_id", "transcript_path", "last_assistant_message")
# Enough to identify the message, and it fits into a request of the local channel.
MOST_CHARACTERS = 1000


def main(_arguments: Sequence[str]) -> None:
    """Read the hook's input and send it to the server."""
    with contextlib.suppress(DbxAgentsError, ValueError, OSError, AttributeError):
        session = json.load(sys.stdin)
        body = {name: str(session.get(name) or "")[:MOST_CHARACTERS] for name in FIELDS}
        call("POST", TRACES_PATH, body, TIMEOUT_SECONDS)
