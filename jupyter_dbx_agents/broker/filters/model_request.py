"""What an agent's request says: its model, and its body as the gateway takes it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from ..routes import Route
from .request import REQUEST_FILTERS, EventFilter, event_filter, filter_request

# Reading JSON of this size takes a millisecond or two; more is done beside the event loop.
LARGE_BODY_BYTES = 128 * 1024


@dataclass(frozen=True)
class ModelRequest:
    """A request: ``model`` is '' if it names none, ``events`` corrects the events of its answer."""

    model: str
    body: bytes
    events: EventFilter | None = None


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
    if not isinstance(given, dict):  # the gateway will say what is wrong with it
        return ModelRequest(route.model, body)
    request = filter_request(agent, route.dialect, given)
    if request.body is not given:
        body = json.dumps(request.body).encode()
    events = event_filter(agent, route.dialect, request)
    return ModelRequest(route.model or str(given.get("model", "")), body, events)
