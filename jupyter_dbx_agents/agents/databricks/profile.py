"""Our profile in ``~/.databrickscfg``, for the Databricks CLI and SDKs.

Its token follows each rotation.

Decided
- On a Databricks App it is ``[DEFAULT]``, which every program reads first.  On the user's own
  machine that one is theirs: ours has a name of its own, and goes when we go.
- Ours replace ``host``, ``auth_type``, ``metadata_service_url`` and ``token``; they are remembered
  and restored when we leave.  Other credentials in the profile (``client_id``, ``azure_…``,
  ``password``) stay: ``auth_type`` says which one counts, in every SDK and in the CLI.
- While we have no token, the profile has none: a user's own, meant for another host, must not be
  sent to ours by a tool that reads it literally.
- No ``DATABRICKS_*`` variable is set instead: that would override a client that names another
  workspace and its token in its own code.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from ...config_files import ConfigFile, Format, ManagedFiles
from ...secret import Secret

DEFAULT_PROFILE = "DEFAULT"
OWN_PROFILE = "jupyter-dbx-agents"


class DatabricksProfile:
    """Writes the profile; ``url`` gives the broker's metadata service, known once it listens.

    Without a ``host`` there is no workspace and nothing is written.
    """

    def __init__(
        self,
        files: ManagedFiles,
        home: Path,
        host: str,
        url: Callable[[], Secret],
        *,
        name: str = DEFAULT_PROFILE,
    ) -> None:
        self._files, self._home, self._host, self._url = files, home, host, url
        self._name = name
        self._lock = asyncio.Lock()

    async def follow(self, token: Callable[[], Secret | None]) -> None:
        """Write the profile with the current token; the last call writes last.

        Raises ConfigFileError.
        """
        async with self._lock:
            if self._host:
                await asyncio.to_thread(self._write, token())

    async def leave(self) -> None:
        """Remove the token, unless another server has written the file since."""
        if self.is_ours():
            await self.follow(lambda: None)

    def is_ours(self) -> bool:
        """Whether this server was the last one to write the profile."""
        file = self._home / ".databrickscfg"
        text = file.read_text(errors="replace") if file.exists() else ""
        return self._url().reveal() in text

    def _write(self, token: Secret | None) -> None:
        file = databrickscfg(
            home=self._home,
            host=self._host,
            metadata_service_url=self._url(),
            token=token,
            name=self._name,
        )
        self._files.write(file)


def databrickscfg(
    *,
    home: Path,
    host: str,
    metadata_service_url: Secret,
    token: Secret | None = None,
    name: str = DEFAULT_PROFILE,
) -> ConfigFile:
    """Return the profile whose token comes from the broker's metadata service.

    ``token`` is the current PAT for tools that only read a literal one; SDKs do not look at it.
    """
    profile: dict[str, object] = {
        "host": host,
        "auth_type": "metadata-service",
        "metadata_service_url": metadata_service_url,
        "token": token,
    }
    return ConfigFile(home / ".databrickscfg", Format.INI, {name: profile})
