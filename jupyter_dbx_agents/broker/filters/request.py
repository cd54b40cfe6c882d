"""What an agent's request says, and its body as the gateway takes it.

The gateway's dialects differ from the vendors' own.  Each correction is a pure function of a
request, or of the events of an answer, and applies only to the agents and dialects named here;
everything else passes unchanged.  Each names what it corrects, and where that was found.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ...models import Dialect
from ..access import Route
from .chat import (
    FinishReasonCorrector,
    with_full_texts,
    with_matched_results,
    with_plain_schemas,
    without_refused_chat_fields,
)
from .events import EventFilter
from .json_steps import Json, is_claude
from .tools import (
    NamespaceRestorer,
    flatten_namespaces,
    without_eager_streaming,
    without_hosted_tools,
)

# Parsing JSON of this size takes a millisecond or two; more is done in a thread.
LARGE_BODY_BYTES = 128 * 1024
_CHAT = (
    without_refused_chat_fields,
    with_plain_schemas,
    with_matched_results,
    with_full_texts,
)
REQUEST_FILTERS: Mapping[tuple[str, Dialect], tuple[Callable[[Json], Json], ...]] = {
    ("claude-code", Dialect.ANTHROPIC): (without_hosted_tools, without_eager_streaming),
    ("opencode", Dialect.ANTHROPIC): (without_hosted_tools, without_eager_streaming),
    ("opencode", Dialect.CHAT): _CHAT,
    ("hermes", Dialect.CHAT): _CHAT,
    ("codex", Dialect.RESPONSES): (without_hosted_tools,),
}
WITH_NAMESPACES = frozenset({("codex", Dialect.RESPONSES)})


@dataclass(frozen=True)
class ModelRequest:
    """A request: ``model`` is '' if it names none, ``events`` corrects the events of its answer."""

    model: str
    body: bytes
    events: EventFilter | None = None


@dataclass(frozen=True)
class FilteredRequest:
    """A request as the gateway takes it; ``names`` has namespace and name of flattened tools."""

    body: Json
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)


async def read_request(agent: str, route: Route, body: bytes) -> ModelRequest:
    """Read a request and correct it if its agent and dialect need that."""
    if route.model and (agent, route.dialect) not in REQUEST_FILTERS:
        return ModelRequest(route.model, body)
    if len(body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(_read, agent, route, body)
    return _read(agent, route, body)


def _read(agent: str, route: Route, body: bytes) -> ModelRequest:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):  # the gateway reports what is wrong with it
        return ModelRequest(route.model, body)
    request = filter_request(agent, route.dialect, given)
    if request.body is not given:
        body = json.dumps(request.body).encode()
    events = event_filter(agent, route.dialect, request)
    return ModelRequest(route.model or str(given.get("model", "")), body, events)


def filter_request(agent: str, dialect: Dialect, body: Json) -> FilteredRequest:
    """Correct a request; its body is the same object if there was nothing to correct."""
    for correct in REQUEST_FILTERS.get((agent, dialect), ()):
        body = correct(body)
    if (agent, dialect) in WITH_NAMESPACES:
        return FilteredRequest(*flatten_namespaces(body))
    return FilteredRequest(body)


def event_filter(agent: str, dialect: Dialect, request: FilteredRequest) -> EventFilter | None:
    """Return what corrects the events of the answer to a request, None if nothing does."""
    if request.names:
        return NamespaceRestorer(request.names)
    if dialect is Dialect.CHAT and (agent, dialect) in REQUEST_FILTERS and is_claude(request.body):
        return FinishReasonCorrector()
    return None
