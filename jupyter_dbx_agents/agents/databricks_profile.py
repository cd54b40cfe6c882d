"""``~/.databrickscfg`` over the life of a server: the token in it follows each rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..config_files import ManagedFiles
from ..secret import Secret
from .databricks_cli import databrickscfg


class DatabricksProfile:
    """Writes the profile; ``url`` gives the broker's metadata service, known once it listens.

    Without a ``host`` there is no workspace and nothing is written.
    """

    def __init__(
        self, files: ManagedFiles, home: Path, host: str, url: Callable[[], Secret]
    ) -> None:
        self._files, self._home, self._host, self._url = files, home, host, url
        self._taking_turns = asyncio.Lock()

    async def follow(self, token: Callable[[], Secret | None]) -> None:
        """Write the profile with the token of now; the last call writes last.

        Raises ConfigFileError.
        """
        async with self._taking_turns:
            if self._host:
                await asyncio.to_thread(self._write, token())

    async def leave(self) -> None:
        """Take the token out, unless another server has written the file since."""
        file = self._home / ".databrickscfg"
        text = file.read_text(errors="replace") if file.exists() else ""
        if self._url().reveal() in text:
            await self.follow(lambda: None)

    def _write(self, token: Secret | None) -> None:
        file = databrickscfg(
            home=self._home, host=self._host, metadata_service_url=self._url(), token=token
        )
        self._files.write(file)
