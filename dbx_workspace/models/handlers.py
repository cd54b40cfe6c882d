"""The operations of model serving: calls in every dialect, and the lists of models."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tornado.iostream import StreamClosedError

from .. import platform_errors as errors
from ..mcp import web_search
from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import ApiHandler, Json, Operation, Route
from . import anthropic, chat, gemini, responses
from .catalog import ANTHROPIC, RESPONSES, ServedModel
from .rules import ModelCall
from .script import Dialect, Frame, Reply, reply_to

# The base paths of each API, and whether they belong to the AI Gateway.
_ANTHROPIC_BASES = {
    "/ai-gateway/anthropic": True,
    "/anthropic": True,
    "/serving-endpoints/anthropic": False,
}
_RESPONSES_BASES = {
    "/ai-gateway/codex/v1": True,
    "/ai-gateway/openai/v1": True,
    "/codex/v1": True,
    "/openai/v1": True,
    "/serving-endpoints": False,
}
_CHAT_BASES = {
    "/ai-gateway/mlflow/v1": True,
    "/ai-gateway/openai/v1": True,
    "/mlflow/v1": True,
    "/openai/v1": True,
    "/serving-endpoints": False,
}
# No documentation has the last one; it is served if the rule ``gemini-path`` is off.
_OLD_GEMINI_BASE = "/serving-endpoints/google"
_GEMINI_BASES = {
    "/ai-gateway/gemini": True,
    "/gemini": True,
    "/serving-endpoints/gemini": False,
    _OLD_GEMINI_BASE: False,
}
# The platform replies 499 to a list without a page size; ours is limited to this size anyway.
_MAX_PAGE_SIZE = 100


class ServingHandler(ApiHandler):
    """One path of model serving; the AI Gateway's paths exist only if the workspace has one."""

    def initialize(  # type: ignore[override]
        self,
        workspace: Workspace,
        operations: Mapping[str, Operation],
        is_gateway: bool,
        scope: str = "serving.serving-endpoints-query",
    ) -> None:
        """Store the operations, their scope, and whether the path is the AI Gateway's."""
        super().initialize(workspace, operations, scope)
        self._is_gateway = is_gateway

    async def prepare(self) -> None:
        """Reply 404 if the workspace has no gateway, before the token is checked."""
        if self._is_gateway and not self.workspace.switches.is_gateway_present:
            raise errors.no_such_route(self.request.method or "", self.request.path)
        await super().prepare()

    @property
    def is_gateway(self) -> bool:
        """Whether the path is the AI Gateway's."""
        return self._is_gateway

    def invalid_token(self) -> PlatformError:
        """Return the gateway's error for a dead token, which differs from the REST APIs'."""
        return errors.invalid_gateway_token() if self._is_gateway else super().invalid_token()


async def _complete(
    dialect: Dialect, call: ServingHandler, model: str = "", action: str = ""
) -> Json | None:
    """Reply to a model call, whole or as a stream; ``model`` is set if it is in the path."""
    body = call.json_body()
    name = model or str(body.get("model", ""))
    call.log_entry.model = name
    _require_servable(call, dialect, name)
    request = ModelCall(dialect.api_type, name, body, call.is_gateway, call.request.body)
    call.log_entry.pictures, call.log_entry.cache_marks = request.pictures, request.cache_marks
    call.log_entry.digest = hashlib.sha256(call.request.body).hexdigest()
    give_back = _admit(call, request)
    reply = _searched(request) if _searches(request) else reply_to(dialect.parse(body))
    reply = replace(reply, quirks=_quirks(call, request))
    try:
        if body.get("stream") is True or action.startswith("stream"):
            await _stream(call, dialect.frames(reply, name, body))
            return None
        await call.pause(reply.pause_seconds * len(reply.chunks))
        return dialect.render(reply, name)
    finally:
        give_back(reply.output_tokens())


def _searches(request: ModelCall) -> bool:
    """Whether a model uses the search that its vendor hosts; else a rule has refused it."""
    kinds = [str(tool.get("type")) for tool in request.tools]
    return request.api_type == RESPONSES and "web_search" in kinds


def _searched(request: ModelCall) -> Reply:
    """Return what the model found for the last words of the conversation."""
    asked = responses.DIALECT.parse(request.body)
    pages = web_search.search(asked.turns[-1].text if asked.turns else "")
    chunks = [f"{page['title']}: {page['text']}\n" for page in pages] or ["Nothing was found."]
    return Reply(tuple(chunks), input_tokens=asked.input_tokens(), pages=tuple(pages))


def _admit(call: ServingHandler, request: ModelCall) -> Callable[[int], None]:
    """Check a call by the rules that are on; raises the refusal and logs which rule it was."""
    rules = call.workspace.model_rules
    refused = rules.first_refusal(request)
    if refused is not None:
        call.log_entry.rule = refused[0].name
        raise refused[1]
    if not rules.is_on("output-budget"):
        return lambda _used: None
    try:
        return call.workspace.output_budget.admit(request)
    except PlatformError:
        call.log_entry.rule = "output-budget"
        raise


def _quirks(call: ServingHandler, request: ModelCall) -> frozenset[str]:
    """Return the rules in force that shape the answer of this model."""
    family = request.family
    shaping = {
        "long-ids": True,
        "signatures": family.vendor == "gemini" and family.version >= (3, 0),
        "no-finish": family.vendor == "inkling",
    }
    rules = call.workspace.model_rules
    return frozenset(n for n, applies in shaping.items() if applies and rules.is_on(n))


async def _stream(call: ServingHandler, frames: Iterator[Frame]) -> None:
    call.set_header("Content-Type", "text/event-stream")
    call.set_header("Cache-Control", "no-cache")
    fault = call.stream_fault
    for number, frame in enumerate(frames):
        if fault is not None and number >= fault.after_frames:
            return call.drop_connection()
        await call.pause(frame.pause_seconds)
        call.write(frame.data)
        try:
            await call.flush()
        except StreamClosedError:
            return call.on_connection_close()
    return None


def _require_servable(call: ServingHandler, dialect: Dialect, name: str) -> None:
    model = call.workspace.models.find(name)
    if model is None:
        call.log_entry.rule = "unknown-model"
        raise errors.not_found(f"Endpoint with name '{name}' does not exist.")
    if dialect.api_type not in model.api_types:
        call.log_entry.rule = "dialect"
        raise PlatformError(
            400, "BAD_REQUEST", f"Endpoint {name} does not support the API {dialect.api_type}."
        )
    if not model.is_ready:
        raise PlatformError(503, "TEMPORARILY_UNAVAILABLE", f"Endpoint {name} is not ready.")


def _count_anthropic_tokens(call: ServingHandler) -> Json:
    """Return the number of input tokens of a request."""
    _require_route(call, "count-tokens")
    body = call.json_body()
    _require_servable(call, anthropic.DIALECT, str(body.get("model", "")))
    return {"input_tokens": anthropic.DIALECT.parse(body).input_tokens()}


async def _gemini(call: ServingHandler, model: str, action: str) -> Json | None:
    """Reply to one of Gemini's three actions."""
    if call.request.path.startswith(_OLD_GEMINI_BASE):
        _require_route(call, "gemini-path")
    if action == "countTokens":
        return {"totalTokens": gemini.DIALECT.parse(call.json_body()).input_tokens()}
    return await _complete(gemini.DIALECT, call, model, action)


def _require_route(call: ServingHandler, rule: str) -> None:
    """Raise 404 for a path that no API has while a rule is on."""
    if call.workspace.model_rules.is_on(rule):
        call.log_entry.rule = rule
        raise errors.no_such_route(call.request.method or "", call.request.path)


def _list_anthropic(call: ServingHandler) -> Json:
    """Return Anthropic's list of the ready models."""
    models = call.workspace.models.with_api(ANTHROPIC)
    created_at = "2026-01-01T00:00:00Z"
    data = [
        {"type": "model", "id": m.name, "display_name": m.name, "created_at": created_at}
        for m in models
    ]
    first, last = (models[0].name, models[-1].name) if models else (None, None)
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def _list_openai(call: ServingHandler) -> Json:
    """Return OpenAI's list of the ready models."""
    models = call.workspace.models.with_api(RESPONSES)
    data = [{"id": m.name, "object": "model", "owned_by": "databricks"} for m in models]
    return {"object": "list", "data": data}


def _endpoints(call: ServingHandler) -> list[ServedModel]:
    return [m for m in call.workspace.models.all() if not m.is_own_service]


def _list_endpoints(call: ServingHandler) -> Json:
    """Return every endpoint, ready or not."""
    return {"endpoints": [m.endpoint() for m in _endpoints(call)]}


def _list_foundation_models(call: ServingHandler) -> Json:
    """Return the platform's own endpoints with the APIs that they support."""
    models = call.workspace.models.foundation()
    return {"endpoints": [m.foundation_endpoint() for m in models]}


def _list_model_services(call: ServingHandler) -> Json:
    """Return one page of the models' Unity Catalog names, of one schema or of all."""
    schema = call.get_query_argument("parent", "").removeprefix("schemas/")
    services = call.workspace.models.foundation()
    of_schema = [m for m in services if m.unity_name.startswith(schema)]
    models, more = _page(call, of_schema)
    names = [{"name": f"model-services/{m.unity_name}"} for m in models]
    return {"model_services": names, **more}


def _list_gateway_endpoints(call: ServingHandler) -> Json:
    """Return one page of the gateway's endpoints."""
    models, more = _page(call, _endpoints(call))
    return {"endpoints": [{"name": m.name} for m in models], **more}


def _page(call: ServingHandler, models: list[ServedModel]) -> tuple[list[ServedModel], Json]:
    """Return the requested page of models, and the field with the next page's token."""
    try:
        size = int(call.get_query_argument("page_size", str(_MAX_PAGE_SIZE)))
        start = int(call.get_query_argument("page_token", "0"))
    except ValueError:
        raise errors.invalid_parameter("page_size or page_token is invalid.") from None
    if size > call.workspace.switches.largest_page:
        raise PlatformError(499, "CANCELLED", "The request was cancelled.")
    end = start + max(1, min(size, _MAX_PAGE_SIZE))
    return models[start:end], {"next_page_token": str(end)} if end < len(models) else {}


def model_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of model calls and of the lists of models."""

    def route(
        path: str, method: str, operation: Operation, is_gateway: bool = False, **options: str
    ) -> Route:
        operations = {method: operation}
        common = {"workspace": workspace, "operations": operations, "is_gateway": is_gateway}
        return path, ServingHandler, common | options

    chat_call = functools.partial(_complete, chat.DIALECT)
    anthropic_call = functools.partial(_complete, anthropic.DIALECT)
    responses_call = functools.partial(_complete, responses.DIALECT)
    found = [
        route(r"/api/2\.0/serving-endpoints", "GET", _list_endpoints),
        route(r"/api/2\.0/serving-endpoints:foundation-models", "GET", _list_foundation_models),
        route(
            r"/api/2\.1/unity-catalog/model-services",
            "GET",
            _list_model_services,
            scope="unity-catalog",
        ),
        route(r"/api/ai-gateway/v2/endpoints", "GET", _list_gateway_endpoints, True),
        route(r"/serving-endpoints/([^/]+)/invocations", "POST", chat_call),
    ]
    for base, is_gateway in _ANTHROPIC_BASES.items():
        messages = f"{base}/v1/messages"
        found.append(route(messages, "POST", anthropic_call, is_gateway))
        found.append(route(f"{messages}/count_tokens", "POST", _count_anthropic_tokens, is_gateway))
        found.append(route(f"{base}/v1/models", "GET", _list_anthropic, is_gateway))
    for base, is_gateway in _RESPONSES_BASES.items():
        found.append(route(f"{base}/responses", "POST", responses_call, is_gateway))
        found.append(route(f"{base}/models", "GET", _list_openai, is_gateway))
    for base, is_gateway in _CHAT_BASES.items():
        found.append(route(f"{base}/chat/completions", "POST", chat_call, is_gateway))
    for base, is_gateway in _GEMINI_BASES.items():
        path = base + r"/v1(?:beta)?/models/([^/:]+):(\w+)"
        found.append(route(path, "POST", _gemini, is_gateway))
    return found
