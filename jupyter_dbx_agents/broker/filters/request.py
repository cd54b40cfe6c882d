"""What an agent's request says, and its body as the gateway takes it.

The gateway's dialects differ from the vendors' own.  Each correction is a pure function of a
request, or of the events of an answer, and applies only to the agents and dialects named here;
everything else passes unchanged.  Each names what it corrects, and where that was found.
"""

import asyncio
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
from .pieces import ENCODING, ERRORS, HEAD_BYTES, Pieces, model_of, searched
from .tools import (
    EAGER_STREAMING_MARK,
    HOSTED_TOOL_MARKS,
    NAMESPACE_MARK,
    NamespaceRestorer,
    flatten_namespaces,
    without_eager_streaming,
    without_hosted_tools,
)

# Parsing JSON of this size takes a millisecond or two; more is done in a thread, in pieces.
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
# What the corrections of a dialect read, and what an item of such a list contains if they do.
READ: Mapping[Dialect, Mapping[str, str]] = {
    Dialect.ANTHROPIC: {"model": "", "tools": "", "tool_choice": ""},
    Dialect.RESPONSES: {"model": "", "tools": "", "tool_choice": "", "input": '"namespace"'},
    Dialect.CHAT: {"model": "", "tools": "", "store": "", "messages": ""},
}
# A string of every request that is to be corrected begins with one of these.  Chat completions are
# corrected in too many ways to be known by a mark.
MARKS: Mapping[Dialect, tuple[bytes, ...]] = {
    Dialect.ANTHROPIC: (*HOSTED_TOOL_MARKS, EAGER_STREAMING_MARK),
    Dialect.RESPONSES: (*HOSTED_TOOL_MARKS, NAMESPACE_MARK),
}


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
    if not await _may_be_faulty(agent, route.dialect, body):
        return ModelRequest(route.model or await _model_of(body), body)
    if len(body) > LARGE_BODY_BYTES:
        return await asyncio.to_thread(_corrected, agent, route, body)
    return _corrected(agent, route, body)


async def _may_be_faulty(agent: str, dialect: Dialect, body: bytes) -> bool:
    """Whether a request may need a correction; decided without parsing it where that is possible.

    Most requests need none, and parsing them would delay keystrokes.  The search is no thread's
    work: for that, the event loop would wait longer than the search of a block takes.
    """
    if (agent, dialect) not in REQUEST_FILTERS:
        return False
    if dialect not in MARKS:
        return True
    for is_found in searched(body, MARKS[dialect]):
        if is_found:
            return True
        await asyncio.sleep(0)
    return False


async def _model_of(body: bytes) -> str:
    model = model_of(body[:HEAD_BYTES])
    if model or len(body) <= HEAD_BYTES:
        return model
    return await asyncio.to_thread(model_of, body)


def _corrected(agent: str, route: Route, body: bytes) -> ModelRequest:
    try:
        pieces = Pieces(body.decode(ENCODING, ERRORS), READ[route.dialect])
        request = filter_request(agent, route.dialect, pieces.value)
        if request.body is not pieces.value:
            body = pieces.write(request.body)
    except (ValueError, RecursionError):  # the gateway reports what is wrong with it
        return ModelRequest(route.model, body)
    events = event_filter(agent, route.dialect, request)
    return ModelRequest(route.model or str(pieces.value.get("model", "")), body, events)


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
