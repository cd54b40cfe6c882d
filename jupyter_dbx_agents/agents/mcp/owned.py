"""The MCP servers that the owner added, and which are on; kept in a file of ours."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...config_files import atomic
from ...config_files.managed import STATE_FOLDER
from ...errors import ConfigFileError, RequestError


@dataclass(frozen=True)
class Owned:
    """``servers`` by name: a ``path`` of the workspace, or what ``choices`` takes of a foreign one.

    ``enabled`` has the owner's switches; what is not in it is as configured.
    """

    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    enabled: Mapping[str, bool] = field(default_factory=dict)

    def with_server(self, name: str, server: Mapping[str, Any]) -> "Owned":
        """Return it with one more server, switched on."""
        return Owned({**self.servers, name: server}, {**self.enabled, name: True})

    def without(self, name: str) -> "Owned":
        """Return it without a server."""
        servers = {n: s for n, s in self.servers.items() if n != name}
        return Owned(servers, {n: on for n, on in self.enabled.items() if n != name})

    def switched(self, name: str, *, is_on: bool) -> "Owned":
        """Return it with a server switched on or off."""
        return Owned(self.servers, {**self.enabled, name: is_on})


class OwnedFile:
    """The file; read once, and left as it is if it cannot be read (``problem`` says why).

    ``checked`` returns a server as it is kept, and raises RequestError.
    """

    def __init__(self, home: Path, checked: Callable[[str, Any], dict[str, Any]]) -> None:
        self._path = home / STATE_FOLDER / "mcp.json"
        self.content = Owned()
        self.problem: ConfigFileError | None = None
        try:
            content = json.loads(atomic.read(self._path).content or b"{}")
            servers = {
                str(name): checked(str(name), one)
                for name, one in content.get("servers", {}).items()
            }
            enabled = {str(name): bool(on) for name, on in content.get("enabled", {}).items()}
            self.content = Owned(servers, enabled)
        except (ValueError, AttributeError, TypeError, RequestError) as error:
            self.problem = ConfigFileError(
                f"{self._path} cannot be read: {error}.",
                "Correct or delete it and restart the app; until then, no change can be saved.",
            )
        except ConfigFileError as error:
            self.problem = error

    def keep(self, content: Owned) -> None:
        """Remember servers and switches; blocks for a moment.  Raises ConfigFileError."""
        if self.problem is not None:
            raise self.problem
        servers = {name: dict(server) for name, server in content.servers.items()}
        data = json.dumps({"servers": servers, "enabled": dict(content.enabled)}, indent=1)
        if not atomic.replace(atomic.read(self._path), data.encode(), 0o600):
            raise ConfigFileError(
                f"{self._path} is being changed by another program.", "Try again."
            )
        self.content = content
