"""What an agent's request says, and its body as the gateway takes it.

The gateway's dialects differ from the vendors' own.  Each correction is a pure function of a
request, or of the events of an answer, and applies only to the agents and dialects named here;
everything else passes unchanged.  Each names what it corrects, and where that was found.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from ...models import Dialect
from ..access import Route
from .chat import (
    with_full_texts,
    with_matched_results,
    with_plain_schemas,
    with_signatures,
    without_refused_chat_fields,
)
from .endings import ChatEndings
from .events import EventFilter
from .json_steps import Json
from .learning import Lessons, Mend, Refused
from .mends import mend_for
from .pieces import ENCODING, ERRORS, HEAD_BYTES, WHOLE, Pieces, Wanted, model_of, searched
from .tools import (
    EAGER_STREAMING_MARK,
    HOSTED_TOOL_MARKS,
    NAMESPACE_MARK,
    NamespaceRestorer,
    flatten_namespaces,
    without_eager_streaming,
    without_hosted_tools,
)
from .turns import without_item_ids

T = TypeVar("T")
# Parsing JSON of this size takes a millisecond or two; more is done in a thread, in pieces.
LARGE_BODY_BYTES = 128 * 1024
_CHAT = (
    without_refused_chat_fields,
    with_plain_schemas,
    with_matched_results,
    with_full_texts,
    with_signatures,
)
REQUEST_FILTERS: Mapping[tuple[str, Dialect], tuple[Callable[[Json], Json], ...]] = {
    ("claude-code", Dialect.ANTHROPIC): (without_hosted_tools, without_eager_streaming),
    ("opencode", Dialect.ANTHROPIC): (without_hosted_tools, without_eager_streaming),
    ("opencode", Dialect.CHAT): _CHAT,
    ("hermes", Dialect.CHAT): _CHAT,
    ("codex", Dialect.RESPONSES): (without_hosted_tools, without_item_ids),
    ("opencode", Dialect.RESPONSES): (without_hosted_tools, without_item_ids),
    ("hermes", Dialect.RESPONSES): (without_hosted_tools, without_item_ids),
}
WITH_NAMESPACES = frozenset({("codex", Dialect.RESPONSES)})
# What the corrections of a dialect read, and what an item of such a list contains if they do.
READ: Mapping[Dialect, Wanted] = {
    Dialect.ANTHROPIC: {"model": WHOLE, "tools": WHOLE, "tool_choice": WHOLE},
    Dialect.RESPONSES: {
        "model": WHOLE,
        "tools": WHOLE,
        "tool_choice": WHOLE,
        "store": WHOLE,
        "input": ('"namespace"', '"id"'),
    },
    Dialect.CHAT: {
        "model": WHOLE,
        "tools": WHOLE,
        "store": WHOLE,
        "stream_options": WHOLE,
        "messages": WHOLE,
    },
    Dialect.GEMINI: {},
}
# A string of every request that is to be corrected begins with one of these.  Chat completions are
# corrected in too many ways to be known by a mark.
MARKS: Mapping[Dialect, tuple[bytes, ...]] = {
    Dialect.ANTHROPIC: (*HOSTED_TOOL_MARKS, EAGER_STREAMING_MARK),
    Dialect.RESPONSES: (*HOSTED_TOOL_MARKS, NAMESPACE_MARK, b'"id"'),
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


NO_REQUEST = FilteredRequest({})


async def read_request(
    agent: str,
    route: Route,
    body: bytes,
    lessons: Lessons | None = None,
    stand_in: Callable[[str], str] = str,
) -> ModelRequest:
    """Read a request and correct it if its agent, its dialect or its model needs that.

    ``stand_in`` returns the model that is called for a name.
    """
    named = route.model or await _model_of(body)
    model = stand_in(named)
    mends = lessons.of(route.dialect, model) if lessons is not None else ()
    is_renamed = model != named and not route.model
    if not (mends or is_renamed or await _may_be_faulty(agent, route.dialect, body)):
        return ModelRequest(model, body, event_filter(agent, route.dialect, NO_REQUEST))
    correct = partial(_corrected, agent, route, body, mends, model if is_renamed else "")
    return replace(await _run(correct, body), model=model)


async def mended_request(request: ModelRequest, sentence: str) -> tuple[ModelRequest, Mend] | None:
    """Return a refused request as the gateway takes it, and what was learned; None if nothing."""
    learn = partial(_mended, request, sentence)
    return await _run(learn, request.body)


async def _run(work: Callable[[], T], body: bytes) -> T:
    """Do what may take long for a large body in a thread."""
    return await asyncio.to_thread(work) if len(body) > LARGE_BODY_BYTES else work()


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


def _corrected(
    agent: str, route: Route, body: bytes, mends: Sequence[Mend], model: str
) -> ModelRequest:
    wanted = {**READ[route.dialect]} | dict.fromkeys(("model", *_members(mends)), WHOLE)
    try:
        pieces = Pieces(body.decode(ENCODING, ERRORS), wanted)
        given = {**pieces.value, "model": model} if model else pieces.value
        request = filter_request(agent, route.dialect, given)
        changed = request.body
        for mend in mends:
            changed = mend.apply(changed)
        if changed is not pieces.value:
            body = pieces.write(changed)
    except (ValueError, RecursionError):  # the gateway reports what is wrong with it
        return ModelRequest(route.model, body)
    return ModelRequest("", body, event_filter(agent, route.dialect, request))


def _members(mends: Sequence[Mend]) -> list[str]:
    return [member for mend in mends for member in mend.members]


def _mended(request: ModelRequest, sentence: str) -> tuple[ModelRequest, Mend] | None:
    try:
        pieces = Pieces(request.body.decode(ENCODING, ERRORS), None)
        mend = mend_for(Refused(sentence, request.model, pieces.value))
        if mend is None:
            return None
        return replace(request, body=pieces.write(mend.apply(pieces.value))), mend
    except (ValueError, RecursionError):
        return None


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
    if dialect is Dialect.CHAT and (agent, dialect) in REQUEST_FILTERS:
        return ChatEndings()
    return None
