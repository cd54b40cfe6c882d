"""Model calls over HTTP: one handler for all dialects, and the lists of what is served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tornado.iostream import StreamClosedError

from .. import platform_errors as errors
from ..platform_errors import PlatformError
from ..state import Workspace
from ..web import WorkspaceHandler
from .catalog import ANTHROPIC, RESPONSES, ServedModel
from .script import Dialect, Frame, reply


class ServingRoute(WorkspaceHandler):
    """A route of model serving; behind the gateway it exists only where the gateway does."""

    required_scope = "serving.serving-endpoints-query"

    def initialize(self, workspace: Workspace, is_gateway: bool = False) -> None:
        """Notes which of the two front ends this route belongs to."""
        super().initialize(workspace)
        self._is_gateway = is_gateway

    async def prepare(self) -> None:
        """Answers 404 in a workspace without a gateway, before it looks at the token."""
        if self._is_gateway and not self.workspace.switches.is_gateway_present:
            raise errors.no_such_route(self.request.method or "", self.request.path)
        await super().prepare()

    def invalid_token(self) -> PlatformError:
        """The gateway's answer to a dead token differs from the REST APIs'."""
        return errors.invalid_gateway_token() if self._is_gateway else super().invalid_token()


class ModelHandler(ServingRoute):
    """A model call in one dialect; the model's name is in the body, or in the path as `model`."""

    def initialize(  # type: ignore[override]
        self, workspace: Workspace, dialect: Dialect, is_gateway: bool = False
    ) -> None:
        """Takes the dialect of the route."""
        super().initialize(workspace, is_gateway)
        self._dialect = dialect

    async def post(self, model: str | None = None, action: str = "") -> None:
        """Answers whole or as a stream."""
        body = self.json_body()
        name = model or str(body.get("model", ""))
        self.entry.model = name
        self._require_servable(name)
        self._require_acceptable(body)
        answer = reply(self._dialect.parse(body))
        if body.get("stream") is True or action.startswith("stream"):
            await self._stream(self._dialect.frames(answer, name, body))
        else:
            await self.pause(answer.pause_seconds * len(answer.chunks))
            self.write_json(self._dialect.render(answer, name))

    async def _stream(self, frames: Iterator[Frame]) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-cache")
        fault = self.stream_fault
        for number, frame in enumerate(frames):
            if fault is not None and number >= fault.after_frames:
                return self.cut()
            await self.pause(frame.pause_seconds)
            self.write(frame.data)
            try:
                await self.flush()
            except StreamClosedError:
                return self.on_connection_close()
        return None

    def _require_servable(self, name: str) -> None:
        model = self.workspace.models.find(name)
        if model is None:
            raise errors.not_found(f"Endpoint with name '{name}' does not exist.")
        if self._dialect.api_type not in model.api_types:
            raise PlatformError(
                400,
                "BAD_REQUEST",
                f"Endpoint {name} does not support the API {self._dialect.api_type}.",
            )
        if not model.is_ready:
            raise PlatformError(503, "TEMPORARILY_UNAVAILABLE", f"Endpoint {name} is not ready.")

    def _require_acceptable(self, body: dict[str, Any]) -> None:
        refused = self._dialect.refusal(body)
        if refused is not None and self.workspace.switches.is_gateway_strict:
            raise PlatformError(400, "BAD_REQUEST", refused)


class CountTokensHandler(ModelHandler):
    """`POST …/v1/messages/count_tokens`."""

    async def post(self, model: str | None = None, action: str = "") -> None:
        """Answers with the count."""
        body = self.json_body()
        self._require_servable(str(body.get("model", "")))
        self.write_json({"input_tokens": self._dialect.parse(body).input_tokens()})


class GeminiHandler(ModelHandler):
    """`POST …/models/{model}:{action}`."""

    async def post(self, model: str | None = None, action: str = "") -> None:
        """Answers one of the three actions."""
        if action == "countTokens":
            count = self._dialect.parse(self.json_body()).input_tokens()
            return self.write_json({"totalTokens": count})
        return await super().post(model, action)


class AnthropicModelsHandler(ServingRoute):
    """`GET …/anthropic/v1/models`."""

    def get(self) -> None:
        """Lists the ready models in Anthropic's form."""
        models = self.workspace.models.with_api(ANTHROPIC)
        data = [
            {
                "type": "model",
                "id": m.name,
                "display_name": m.name,
                "created_at": "2026-01-01T00:00:00Z",
            }
            for m in models
        ]
        page = {"has_more": False, "first_id": models[0].name if models else None}
        self.write_json({"data": data, **page, "last_id": models[-1].name if models else None})


class OpenAiModelsHandler(ServingRoute):
    """`GET …/models` in OpenAI's form."""

    def get(self) -> None:
        """Lists the ready models."""
        models = self.workspace.models.with_api(RESPONSES)
        data = [{"id": m.name, "object": "model", "owned_by": "databricks"} for m in models]
        self.write_json({"object": "list", "data": data})


class ServingEndpointsHandler(ServingRoute):
    """`GET /api/2.0/serving-endpoints`."""

    def get(self) -> None:
        """Lists every endpoint, ready or not."""
        self.write_json({"endpoints": [m.endpoint() for m in self.workspace.models.all()]})


class FoundationModelsHandler(ServingRoute):
    """`GET /api/2.0/serving-endpoints:foundation-models`."""

    def get(self) -> None:
        """Lists every endpoint with the APIs that it answers."""
        self.write_json(
            {"endpoints": [m.foundation_endpoint() for m in self.workspace.models.all()]}
        )


class PagedModelsHandler(ServingRoute):
    """What the two paginated lists share."""

    # The platform answers 499 to a list without a bound; ours is at most this long anyway.
    max_page_size = 100

    def page(self) -> tuple[list[ServedModel], dict[str, str]]:
        """The requested page of models, and the field that leads to the next one."""
        try:
            size = int(self.get_query_argument("page_size", str(self.max_page_size)))
            start = int(self.get_query_argument("page_token", "0"))
        except ValueError:
            raise errors.invalid_parameter("page_size or page_token is invalid.") from None
        end = start + max(1, min(size, self.max_page_size))
        models = self.workspace.models.all()
        return models[start:end], {"next_page_token": str(end)} if end < len(models) else {}


class ModelServicesHandler(PagedModelsHandler):
    """`GET /api/2.1/unity-catalog/model-services`."""

    def get(self) -> None:
        """Lists one page of names."""
        models, more = self.page()
        services = [{"name": f"model-services/{m.unity_name}"} for m in models]
        self.write_json({"model_services": services, **more})


class GatewayEndpointsHandler(PagedModelsHandler):
    """`GET /api/ai-gateway/v2/endpoints`."""

    def get(self) -> None:
        """Lists one page of the gateway's endpoints."""
        models, more = self.page()
        self.write_json({"endpoints": [{"name": m.name} for m in models], **more})
