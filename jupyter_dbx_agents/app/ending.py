"""The end of the server: in stages, whose times fit into what the platform gives."""

from ..background import Stage
from .home import Home
from .parts import Parts

STOPPING_MESSAGE = (
    "The app is shutting down. Committed work is safe; open this page again in a minute."
)
# Off the platform nobody kills us 15 s after a SIGTERM.
LEAVE_SECONDS = 10.0
# For commits made just before the stop: on the platform the disk is lost then.
FLUSH_SECONDS = 4.2


def last_stages(parts: Parts, home: Home) -> list[Stage]:
    """Return the stages of a stop; the sum of their times is below the platform's 15 s."""
    closing = [parts.broker.stop, parts.api.close, parts.attention.stop]
    closing += [part.stop for part in (parts.channel, parts.resolver) if part is not None]
    sessions = [parts.sessions.end_terminals, parts.sessions.end_kernels, parts.pats.settle]
    flushes = [lambda: parts.git_sync.stop(FLUSH_SECONDS), parts.continuity.flush]

    async def notify() -> None:
        parts.continuity.freeze()
        parts.emit("server", {"state": "stopping", "message": STOPPING_MESSAGE})
        parts.sessions.announce(STOPPING_MESSAGE)

    stages = [
        Stage("notifying the clients", 0.2, [notify]),
        Stage("background work", 1.0, [parts.background.stop]),
        Stage("sessions and sync", 4.4, [*sessions, *flushes]),
        Stage("what was not sent", 0.4, [parts.continuity.note_unsent]),
        Stage("revoking the tokens", 3.1, [parts.credential_tasks.stop, parts.pats.stop]),
        Stage("files and connections", 0.8, [parts.profile.leave, *closing]),
    ]
    if home.is_left():
        stages.insert(-1, Stage("the home folder", LEAVE_SECONDS, [home.leave]))
    return stages
