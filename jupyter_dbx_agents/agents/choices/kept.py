"""What the owner chose for each agent, kept for the life of the home.

They are in a file of ours and not in the agent's, so they are kept while it is off, too.  They are
checked by hand: a JSON schema with messages as clear took 55 lines instead of 43, and the messages
of jsonschema itself quote values, which may be secrets.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...config_files import atomic
from ...config_files.managed import STATE_FOLDER
from ...errors import ConfigFileError, RequestError
from ...models import without_window_mark
from .approvals import Approvals, checked_approvals

# Under which the choices for all agents are kept.
ALL = "all"

# As endpoints, Unity Catalog models and their versions are named; it becomes part of URLs.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
# A key in TOML, YAML and JSON, and part of the names of its tools.
_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SERVER_HINT = (
    'Give a server "url" and optionally "headers", or "command" and optionally "args" and "env": '
    '{"docs": {"url": "https://…"}}. null removes one.'
)
_STRINGS, _LIST, _TEXT = "an object of strings of one line", "a list of strings", "a string"
_HIDDEN = "…"
# Keys in addresses are longer than the words of a path.
_MOST_SHOWN_CHARACTERS = 20
_SERVER_KEYS: Mapping[str, Mapping[str, str]] = {
    "url": {"url": _TEXT, "headers": _STRINGS},
    "command": {"command": _TEXT, "args": _LIST, "env": _STRINGS},
}


@dataclass(frozen=True)
class Choice:
    """One agent's choices; None is "as configured"."""

    enabled: bool | None = None
    model: str | None = None
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    approvals: Approvals | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of it."""
        servers = {name: dict(server) for name, server in self.mcp_servers.items()}
        return {
            "enabled": self.enabled,
            "model": self.model,
            "mcp_servers": servers,
            "approvals": self.approvals,
        }


def changed(choice: Choice, patch: Mapping[str, Any]) -> Choice:
    """Return a choice with a JSON merge patch (RFC 7396) applied; raises RequestError."""
    unknown = sorted(set(patch) - {"enabled", "model", "mcp_servers", "approvals"})
    if unknown:
        raise RequestError(
            f"“{unknown[0]}” is not a setting of agents.",
            "Set enabled, model, mcp_servers or approvals.",
        )
    return checked(_merge_patch(choice.to_json(), patch))


def checked(values: Mapping[str, Any]) -> Choice:
    """Return the choice that a JSON object describes; raises RequestError."""
    enabled, model = values.get("enabled"), values.get("model")
    if isinstance(model, str):
        model = without_window_mark(model)  # who has the large window gets it anyway
    if not isinstance(enabled, bool | None):
        raise RequestError("“enabled” must be true, false or null.", "Use null for the default.")
    if model is not None and not (isinstance(model, str) and _MODEL.fullmatch(model)):
        raise RequestError(
            f"“{model}” is not a model's name.", "Use one such as databricks-claude-opus-4-7."
        )
    servers = values.get("mcp_servers", {})
    if not isinstance(servers, Mapping):
        raise RequestError("“mcp_servers” is not an object.", _SERVER_HINT)
    kept = {name: checked_server(name, one) for name, one in servers.items()}
    return Choice(enabled, model, kept, checked_approvals(values.get("approvals")))


class Choices:
    """The choices for all agents, and their file.

    It is read once; ``problem`` says why it, or a part of it, could not be read, and it is then
    left unchanged.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / STATE_FOLDER / "agents.json"
        self._by_agent: dict[str, Choice] = {}
        self._lost = set[str]()
        self.problem: ConfigFileError | None = None
        try:
            content = json.loads(atomic.read(self._path).content or b"{}")
            for name, one in content.items():
                self._take(str(name), one)
        except (ValueError, AttributeError) as error:
            self.problem = self._unreadable(error)
        except ConfigFileError as error:
            self.problem = error

    def _take(self, name: str, one: Any) -> None:
        try:
            self._by_agent[name] = checked(one)
        except (AttributeError, RequestError) as error:
            self.problem = self._unreadable(error)
            self._lost.add(name)

    def _unreadable(self, error: Exception) -> ConfigFileError:
        return ConfigFileError(
            f"{self._path} cannot be read: {error}.",
            "Correct or delete it and restart the app; until then, no choice can be saved.",
        )

    def of(self, agent: str) -> Choice:
        """Return the choices for an agent, or for ``ALL``."""
        return self._by_agent.get(agent, Choice())

    def is_lost(self, agent: str) -> bool:
        """Whether the choices for an agent could not be read."""
        return agent in self._lost

    def keep(self, agent: str, choice: Choice) -> None:
        """Remember the choices for an agent; blocks for a moment.  Raises ConfigFileError."""
        if self.problem is not None:
            raise self.problem
        everything = {**self._by_agent, agent: choice}
        kept = {name: one.to_json() for name, one in everything.items() if one != Choice()}
        content = json.dumps(kept, indent=1).encode()
        if not atomic.replace(atomic.read(self._path), content, 0o600):
            raise ConfigFileError(
                f"{self._path} is being changed by another program.", "Try again."
            )
        self._by_agent = everything


def checked_server(name: str, server: Any) -> dict[str, Any]:
    """Return a user's MCP server, as it is kept.  Raises RequestError."""
    if not _SERVER_NAME.fullmatch(name):
        raise RequestError(
            f"“{name}” is not a valid name of an MCP server.",
            "Use up to 64 letters, digits, - and _.",
        )
    kind = next((key for key in _SERVER_KEYS if isinstance(server, Mapping) and key in server), "")
    wanted = _SERVER_KEYS.get(kind, {})
    for key in server if wanted else ():
        if key not in wanted or not _matches(server[key], wanted[key]):
            problem = f"must be {wanted[key]}" if key in wanted else f"does not go with {kind}"
            raise RequestError(f"“{key}” of the MCP server “{name}” {problem}.", _SERVER_HINT)
    if not wanted:
        raise RequestError(f"The MCP server “{name}” needs a url or a command.", _SERVER_HINT)
    return {key: tuple(v) if isinstance(v, list | tuple) else v for key, v in server.items()}


def shown_server(server: Mapping[str, Any]) -> dict[str, Any]:
    """Return a user's MCP server for people, without what may be a secret.

    Of headers and variables only the names are left; of a URL neither query and user nor the long
    words of its path; of a command's arguments only the names of options.
    """
    shown: dict[str, Any] = {
        key: sorted(v) if isinstance(v, Mapping) else v for key, v in server.items()
    }
    if "url" in shown:
        shown["url"] = _shown_url(shown["url"])
    if "args" in shown:
        args = [_shown_argument(word) for word in shown["args"]]
        shown["args"] = [w for w, before in zip(args, ["", *args], strict=False) if w != before]
    return shown


def _shown_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # it is the agent's to refuse
        return _HIDDEN
    words = [w if len(w) <= _MOST_SHOWN_CHARACTERS else _HIDDEN for w in parts.path.split("/")]
    query = f"?{_HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{'/'.join(words)}{query}"


def _shown_argument(word: str) -> str:
    name, equals, _value = word.partition("=")
    is_option = name.startswith("-") and len(name) <= _MOST_SHOWN_CHARACTERS
    return f"{name}{equals}{_HIDDEN if equals else ''}" if is_option else _HIDDEN


def _matches(value: Any, what: str) -> bool:
    if what == _STRINGS:
        return isinstance(value, Mapping) and all(map(_is_plain, (*value, *value.values())))
    if what == _LIST:
        return isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)
    return isinstance(value, str) and bool(value)


def _is_plain(text: Any) -> bool:
    """Whether it can be a header or a variable: a line break would make two of it."""
    return isinstance(text, str) and not set(text) & set("\r\n\0")


def _merge_patch(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge_patch(merged.get(key), value)
    return merged
