"""Corrections of what agents send and get, where a dialect at the gateway differs from its model.

Each is a pure function of a request, or of the events of an answer, and is in force for the agents
and dialects named here only; what needs no correction passes byte by byte.  Each says what it
corrects, and where that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .chat import (
    FinishReasonCorrector,
    with_full_texts,
    with_matched_results,
    with_plain_schemas,
    without_refused_chat_fields,
)
from .events import EventFilter, EventStream, Lines, parse_event
from .json_steps import Json, is_claude
from .tools import (
    NamespaceRestorer,
    flatten_namespaces,
    without_eager_streaming,
    without_hosted_tools,
)

__all__ = [
    "REQUEST_FILTERS",
    "EventFilter",
    "EventStream",
    "FilteredRequest",
    "Json",
    "Lines",
    "event_filter",
    "filter_request",
    "parse_event",
]

_CHAT = (
    without_refused_chat_fields,
    with_plain_schemas,
    with_matched_results,
    with_full_texts,
)
# By agent and dialect; the dialects are spelled as in ``models.Dialect``.
REQUEST_FILTERS: Mapping[tuple[str, str], tuple[Callable[[Json], Json], ...]] = {
    ("claude-code", "anthropic"): (without_hosted_tools, without_eager_streaming),
    ("opencode", "anthropic"): (without_hosted_tools, without_eager_streaming),
    ("opencode", "chat"): _CHAT,
    ("hermes", "chat"): _CHAT,
    ("codex", "responses"): (without_hosted_tools,),
}
WITH_NAMESPACES = frozenset({("codex", "responses")})


@dataclass(frozen=True)
class FilteredRequest:
    """A request as the gateway takes it; ``names`` tells namespace and name of flattened tools."""

    body: Json
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def filter_request(agent: str, dialect: str, body: Json) -> FilteredRequest:
    """Correct a request; its body is the same object if there was nothing to correct."""
    for correct in REQUEST_FILTERS.get((agent, dialect), ()):
        body = correct(body)
    if (agent, dialect) in WITH_NAMESPACES:
        return FilteredRequest(*flatten_namespaces(body))
    return FilteredRequest(body)


def event_filter(agent: str, dialect: str, request: FilteredRequest) -> EventFilter | None:
    """Return what corrects the events of the answer to a request, if anything does."""
    if request.names:
        return NamespaceRestorer(request.names)
    if dialect == "chat" and (agent, dialect) in REQUEST_FILTERS and is_claude(request.body):
        return FinishReasonCorrector()
    return None
