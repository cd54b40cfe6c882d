"""What agents are told of this workspace: read once there is a token, and kept current.

Sources: the Workspace, Unity Catalog, SQL Warehouses and Settings APIs as published.  A part that
cannot be read is left out, and so is what the token's scopes do not allow.

Decided
- ``state`` and size of warehouses are written, since a question to one that sleeps takes minutes;
  they are of the last reading, which the text says.
- Names come from the workspace, where others may write: they are one line, without markup, and cut.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ...errors import WorkspaceError, WorkspaceUnavailableError
from ...secret import Secret
from ...workspace_api import WorkspaceApi

MOST_WAREHOUSES = 5
MOST_NAME_CHARACTERS = 80
_CLOUDS = (
    (r"\.azuredatabricks\.net$|\.databricks\.azure\.(us|cn)$", "Azure"),
    (r"\.gcp\.databricks\.com$", "Google Cloud"),
    (r"\.cloud\.databricks\.(com|us|mil)$", "AWS"),
)
# The better first: what answers at once.
_STATES = ("RUNNING", "STARTING", "STOPPED", "STOPPING")


@dataclass(frozen=True)
class Warehouse:
    """A SQL warehouse."""

    id: str
    name: str
    size: str
    state: str
    is_serverless: bool


@dataclass(frozen=True)
class WorkspaceFacts:
    """What is known of a workspace; '' or None for what is not."""

    host: str
    user: str = ""
    cloud: str = ""
    catalog: str = ""
    schema: str = ""
    warehouses: tuple[Warehouse, ...] | None = None
    scopes: frozenset[str] | None = None

    @property
    def has_serverless(self) -> bool:
        """Whether a warehouse shows that serverless compute is on."""
        return any(warehouse.is_serverless for warehouse in self.warehouses or ())


async def read_facts(
    api: WorkspaceApi, token: Secret, user: str, scopes: frozenset[str] | None
) -> WorkspaceFacts:
    """Read what the token may.  Raises WorkspaceUnavailableError for a workspace that is away."""

    async def part(reading: Awaitable[Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            return await reading
        except WorkspaceUnavailableError:
            raise
        except WorkspaceError:  # not allowed, or not in this workspace
            return {}

    def get(path: str) -> Awaitable[Mapping[str, Any]]:
        return part(api.get_json(path, token))

    assignment, setting, warehouses = await asyncio.gather(
        get("/api/2.1/unity-catalog/current-metastore-assignment"),
        get("/api/2.0/settings/types/default_namespace_ws/names/default"),
        get("/api/2.0/sql/warehouses"),
    )
    namespace = setting.get("namespace")
    chosen = namespace.get("value") if isinstance(namespace, dict) else None
    found = warehouses.get("warehouses")
    return WorkspaceFacts(
        host=api.host,
        user=user,
        cloud=cloud_of(api.host),
        catalog=_name(chosen or assignment.get("default_catalog_name")),
        schema="default" if chosen or assignment.get("default_catalog_name") else "",
        warehouses=_warehouses(found if isinstance(found, list) else ()) if warehouses else None,
        scopes=scopes,
    )


def cloud_of(host: str) -> str:
    """Return the cloud of a workspace's address, '' if that does not say it."""
    name = host.partition("://")[2].partition(":")[0]
    return next((cloud for pattern, cloud in _CLOUDS if re.search(pattern, name)), "")


def render_facts(facts: WorkspaceFacts) -> str:
    """Return the text for agents, in Markdown."""
    where = f"{facts.host}{f' ({facts.cloud})' if facts.cloud else ''}"
    lines = [f"- Workspace: {where}; you act as {facts.user or 'the owner'}."]
    if facts.catalog:
        lines.append(f"- Default catalog and schema: `{facts.catalog}.{facts.schema}`.")
    lines += _warehouse_lines(facts)
    if facts.scopes is not None:
        scopes = ", ".join(f"`{_name(scope)}`" for scope in sorted(facts.scopes))
        lines.append(
            f"- The token is limited to the scopes {scopes}: other calls are refused, whatever you "
            "try. Say so instead of looking for another way."
        )
    return "\n".join(lines)


def _warehouse_lines(facts: WorkspaceFacts) -> list[str]:
    if facts.warehouses is None:
        return []
    if not facts.warehouses:
        return ["- There is no SQL warehouse that you may use: run SQL as a job, or ask for one."]
    serverless = "on" if facts.has_serverless else "not seen on any warehouse"
    shown = [
        f"  - `{w.id}` {w.name}: {w.size or 'size unknown'}, {w.state.lower() or 'state unknown'}"
        f"{', serverless' if w.is_serverless else ''}"
        for w in facts.warehouses[:MOST_WAREHOUSES]
    ]
    more = len(facts.warehouses) - len(shown)
    rest = [f"  - and {more} more: `databricks warehouses list`"] if more else []
    return [
        "- SQL warehouses, the first one first (states are those of the last look; a stopped one "
        f"starts with the first statement; serverless is {serverless}):",
        *shown,
        *rest,
    ]


def _warehouses(entries: Iterable[Any]) -> tuple[Warehouse, ...]:
    found = [
        Warehouse(
            id=_name(each["id"]),
            name=_name(each.get("name")),
            size=_name(each.get("cluster_size")),
            state=_name(each.get("state")),
            is_serverless=each.get("enable_serverless_compute") is True,
        )
        for each in entries
        if isinstance(each, dict) and each.get("id") and each.get("state") not in _GONE
    ]
    return tuple(sorted(found, key=_rank))


_GONE = ("DELETED", "DELETING")


def _rank(warehouse: Warehouse) -> tuple[int, bool, str]:
    state = warehouse.state
    place = _STATES.index(state) if state in _STATES else len(_STATES)
    return place, not warehouse.is_serverless, warehouse.name


def _name(value: object) -> str:
    """Return a name from the workspace as plain text: agents read it among their instructions."""
    text = re.sub(r"[^\w .@:+()-]+", " ", str(value or ""))
    return " ".join(text.split())[:MOST_NAME_CHARACTERS]


class FactsWatch(LoggingConfigurable):
    """Keeps the facts; ``changed`` is called after each reading that is different."""

    interval_seconds = Float(
        300.0, min=1.0, help="How often (seconds) the workspace is read for what agents are told."
    ).tag(config=True)
    pause_seconds = Float(
        10.0, min=0.01, help="Pause (seconds) before a workspace that was away is read again."
    ).tag(config=True)

    def __init__(
        self,
        api: WorkspaceApi,
        token: Callable[[], Secret | None],
        about_token: Callable[[], tuple[str, frozenset[str] | None]],
        changed: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._api, self._token, self._about_token = api, token, about_token
        self._changed = changed
        self._facts: WorkspaceFacts | None = None
        self._wake = asyncio.Event()

    @property
    def text(self) -> str:
        """The text for agents, '' while nothing is known."""
        return render_facts(self._facts) if self._facts is not None else ""

    def token_changed(self) -> None:
        """Read at once if nothing is known, or the token's user or scopes are others."""
        known = self._facts
        if known is None or (known.user, known.scopes) != self._about_token():
            self._wake.set()

    async def run(self) -> None:
        """Read now and then while there is a token, until cancelled."""
        while True:
            self._wake.clear()
            try:
                done = await self._read()
            except Exception:  # an answer of a new shape must not end this loop
                self.log.warning("Could not read the workspace's facts.", exc_info=True)
                done = True
            try:
                async with asyncio.timeout(self.interval_seconds if done else self.pause_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _read(self) -> bool:
        """Read once; return whether nothing has to be read again soon."""
        token = self._token()
        if token is None:
            return True
        try:
            facts = await read_facts(self._api, token, *self._about_token())
        except WorkspaceUnavailableError:
            return False
        if facts != self._facts:
            self._facts = facts
            self._changed()
        return True
