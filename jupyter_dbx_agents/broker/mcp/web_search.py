"""A web search of the broker's own, by a served model whose vendor hosts a search tool.

For workspaces without a search service.  A model call with the hosted tool in the Responses dialect
is known to be refused by some gateways and may be answered by others, so it is tried: once for each
model, with a small search.  What it answered is remembered until the server ends or the owner asks
for a check.  Agents cannot send that tool themselves, since a gateway that refuses it refuses the
whole request with it; as an MCP tool it is offered only where it works.

Source: developers.openai.com, *Web search* in the Responses API: the output has an item of the type
``web_search_call`` and a message whose ``annotations`` of the type ``url_citation`` are the links.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ..._version import __version__
from ...models import Dialect, ModelTable
from ...models.names import alternatives
from ...workspace_api import read_error
from ..gateway_errors import GatewayGoneError
from ..refusals import Refusal
from ..upstream import ModelCall, Upstream
from . import messages
from .catalog import StandInError
from .messages import INVALID_PARAMS, METHOD_NOT_FOUND, Json, Message

TOOL: Json = {
    "name": "web_search",
    "title": "Web search",
    "description": "Search the web. Returns what was found, and links to the pages.",
    "inputSchema": {
        "type": "object",
        "properties": {"query": {"type": "string", "description": "What to search for."}},
        "required": ["query"],
    },
    "annotations": {"readOnlyHint": True, "openWorldHint": True},
}
HOSTED_TOOL = {"type": "web_search"}
INSTRUCTIONS = "Search the web for the user. Answer in short with what the pages say, and cite."
PROBE = "the documentation of Databricks SQL"
PROBE_SECONDS = 90.0
# Each is a paid call where it works; the models of one vendor behave alike.
MOST_MODELS = 3
MOST_ANSWER_BYTES = 4 * 1024 * 1024
# A token that is being replaced, a limit, a request that took too long.
PASSING_STATUSES = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
Way = tuple[str, str]  # the URL and the model


class RefusedSearchError(StandInError):
    """A model does not search, and will not later."""


class HostedSearch:
    """The search; ``models`` says which models there are and where they are called."""

    def __init__(self, models: ModelTable, upstream: Upstream) -> None:
        self._models, self._upstream = models, upstream
        self._found: Way | None = None
        self._refused: set[Way] = set()

    @property
    def path(self) -> str:
        """Where the search is made, for people."""
        url, model = self._found or ("", "")
        return f"{urlsplit(url).path} ({model})"

    def forget(self) -> None:
        """Try all models again the next time."""
        self._found = None
        self._refused.clear()

    async def tools(self) -> list[Json]:
        """Return the tool if a model searches; none if none does, or if none answers now."""
        ways = self._ways()
        if self._found not in ways:
            self._found = await self._first_that_searches(ways)
        return [TOOL] if self._found else []

    async def answer(self, message: Message) -> bytes:
        """Return the answer to a request.  Raises StandInError for a search that failed."""
        if message.method != "tools/call":
            return messages.error(message.id, METHOD_NOT_FOUND, "There are only tools here.")
        if message.tool != TOOL["name"] or self._found is None:
            said = f"There is no tool “{message.tool}”."
            return messages.error(message.id, INVALID_PARAMS, said)
        query = _query(message)
        if not query:
            said = "Give what to search for as “query”, a string."
            return messages.error(message.id, INVALID_PARAMS, said)
        found = _text(await self._search(self._found, query))
        return messages.result(message.id, {"content": [{"type": "text", "text": found}]})

    def _ways(self) -> list[Way]:
        """Return the models to try: Codex' own, then the newest of each family near it."""
        models = self._models
        names = models.served.speaking(Dialect.RESPONSES)
        first = [name for name in names if name == models.codex_model]
        nearest = dict.fromkeys([*first, *alternatives(models.codex_model, names)])
        url = f"{models.gateway.base_urls[Dialect.RESPONSES]}/responses"
        return [(url, name) for name in nearest][:MOST_MODELS]

    async def _first_that_searches(self, ways: list[Way]) -> Way | None:
        for way in ways:
            if way not in self._refused and await self._searches(way):
                return way
        return None

    async def _searches(self, way: Way) -> bool:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await self._search(way, PROBE)
        except RefusedSearchError:
            self._refused.add(way)
        except (StandInError, TimeoutError):
            pass  # it may answer later
        else:
            return True
        return False

    async def _search(self, way: Way, query: str) -> Json:
        """Return a model's answer that has searched.  Raises StandInError."""
        url, model = way
        body = {
            "model": model,
            "instructions": INSTRUCTIONS,
            "input": query,
            "tools": [HOSTED_TOOL],
            "tool_choice": "required",
            "store": False,
        }
        headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", f"jupyter-dbx-agents/{__version__}"),
        ]
        call = ModelCall(Dialect.RESPONSES, "POST", url, headers, json.dumps(body).encode())
        response = await self._sent(call, model)
        if not any(_items(response, "web_search_call")):
            raise RefusedSearchError(f"{model} answers without a search.")
        return response

    async def _sent(self, call: ModelCall, model: str) -> Json:
        answer = await self._upstream.send(call)
        if isinstance(answer, Refusal):
            raise StandInError(answer.message)
        content = bytearray()
        try:
            async for chunk in answer.chunks():
                content += chunk
                if len(content) > MOST_ANSWER_BYTES:
                    size = MOST_ANSWER_BYTES >> 20
                    raise StandInError(f"What {model} found is larger than {size} MiB.")
        except GatewayGoneError as gone:
            raise StandInError(f"{call.host} broke off its answer ({gone}).") from None
        finally:
            answer.close()
        if answer.status != HTTPStatus.OK:
            raise _problem(answer.status, bytes(content), model)
        return _object(bytes(content), model)


def _query(message: Message) -> str:
    """Return what is to be searched for, '' if that is not a string."""
    arguments = message.params.get("arguments")
    query = arguments.get("query") if isinstance(arguments, dict) else None
    return query.strip() if isinstance(query, str) else ""


def _problem(status: int, content: bytes, model: str) -> StandInError:
    said = f"{model} refuses the search: {read_error(content).message or f'HTTP {status}'}"
    is_lasting = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if is_lasting and status not in PASSING_STATUSES:
        return RefusedSearchError(said)
    return StandInError(said)


def _object(content: bytes, model: str) -> Json:
    try:
        response = json.loads(content)
    except (ValueError, RecursionError):
        response = None
    if not isinstance(response, dict):
        raise StandInError(f"{model} does not answer in the Responses dialect.")
    return response


def _items(within: Json, kind: str, key: str = "output") -> Iterator[Json]:
    """Yield the objects of one type in a list."""
    listed: Any = within.get(key)
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and item.get("type") == kind:
            yield item


def _text(response: Json) -> str:
    """Return what was found, with the pages' links below."""
    parts = [p for m in _items(response, "message") for p in _items(m, "output_text", "content")]
    cited = [c for part in parts for c in _items(part, "url_citation", "annotations")]
    links = {str(c.get("url", "")): str(c.get("title") or "") for c in cited}
    said = "\n\n".join(text for part in parts if isinstance(text := part.get("text"), str))
    listed = "\n".join(f"- {title} {url}".replace("-  ", "- ") for url, title in links.items())
    return "\n\nSources:\n".join(filter(None, (said or "Nothing was found.", listed)))
