"""What follows the owner's token: adopted from the environment, then taken up by every part."""

import asyncio
import itertools

from ..background import backoff_seconds
from ..errors import DbxAgentsError, WorkspaceError
from ..pat import parse_pat
from .home import Home
from .parts import Parts

# Between two attempts to adopt DATABRICKS_TOKEN: the first, and the longest.
ADOPTION_PAUSES_SECONDS = (2.0, 60.0)


class Credential:
    """Has the parts follow the token."""

    def __init__(self, parts: Parts, home: Home) -> None:
        self._parts, self._home = parts, home
        self._written: object = None
        parts.pats.on_change.append(self._changed)

    async def adopt_from_environment(self) -> None:
        """Adopt ``DATABRICKS_TOKEN`` as if it had been pasted, once the owner is known."""
        parts = self._parts
        if parts.resolver is not None:
            await parts.resolver.wait()
        for attempt in itertools.count():
            try:
                await parts.pats.adopt(parse_pat(parts.environment.token.reveal()))
            except WorkspaceError as error:  # nothing that judges the token
                pause = backoff_seconds(attempt, *ADOPTION_PAUSES_SECONDS)
                pause = max(pause, getattr(error, "retry_after_seconds", 0.0))
                parts.log.warning(
                    "DATABRICKS_TOKEN cannot be checked yet: %s Retrying in %.0f s.",
                    error.message,
                    pause,
                )
                await asyncio.sleep(pause)
            except DbxAgentsError as error:
                parts.log.warning("DATABRICKS_TOKEN is not used: %s %s", error.message, error.hint)
                return
            if parts.pats.current() is not None:  # this one, or one that was pasted meanwhile
                return

    def _changed(self) -> None:
        parts = self._parts
        parts.emit("pat", parts.pats.status())
        if parts.pats.current() != self._written:
            self._written = parts.pats.current()
            if not parts.may_write_home:
                self._home.set_up()
            parts.background.spawn(self._write_profile())
            parts.model_watch.token_changed()
            parts.databricks.token_changed()
            parts.facts.token_changed()
            parts.broker.mcp.token_changed()
            parts.git_sync.pat_changed()

    async def _write_profile(self) -> None:
        try:
            await self._home.write_profile()
        except DbxAgentsError as error:
            self._parts.log.warning("%s %s", error.message, error.hint)
