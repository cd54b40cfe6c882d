"""The served models, and their records in the platform's lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ANTHROPIC = "anthropic/v1/messages"
RESPONSES = "openai/v1/responses"
GEMINI = "gemini/v1/generateContent"
CHAT = "mlflow/v1/chat/completions"

_PREFIX = "databricks-"
_UNITY_PREFIX = "system.ai."
_DOTS_OF_A_SERVICE = 2


@dataclass(frozen=True)
class ServedModel:
    """A foundation model endpoint named ``databricks-…`` and the APIs that it supports.

    With an ``entity`` it is an endpoint of the workspace's own, with any name: of an external model
    of that name if it has a ``provider``, else of that model with provisioned throughput.
    """

    name: str
    api_types: tuple[str, ...]
    is_ready: bool = True
    task: str = "llm/v1/chat"
    entity: str = ""
    provider: str = ""

    @property
    def unity_name(self) -> str:
        """The Unity Catalog name, ``system.ai.…``; a service of another schema has only that."""
        if self.is_own_service:
            return self.name
        return _UNITY_PREFIX + self.name.removeprefix(_PREFIX)

    @property
    def is_own_service(self) -> bool:
        """Whether it is a model service in a schema of somebody's own, ``catalog.schema.name``."""
        return self.name.count(".") >= _DOTS_OF_A_SERVICE

    def endpoint(self) -> dict[str, object]:
        """Return the record of ``GET /api/2.0/serving-endpoints``."""
        return {
            "name": self.name,
            "task": self.task,
            "state": _state(self.is_ready),
            "config": {"served_entities": [{"name": self.name, **self._served()}]},
            "endpoint_type": "EXTERNAL_MODEL" if self.provider else "FOUNDATION_MODEL_API",
        }

    def _served(self) -> dict[str, object]:
        if not self.entity:
            return {"foundation_model": {"name": self.unity_name}}
        if not self.provider:
            return {"entity_name": self.entity, "max_provisioned_throughput": 1000}
        external = {"provider": self.provider, "name": self.entity, "task": self.task}
        return {"external_model": external}

    def foundation_endpoint(self) -> dict[str, object]:
        """Return the record of ``GET /api/2.0/serving-endpoints:foundation-models``."""
        foundation_model = {
            "name": self.unity_name,
            "display_name": self.name.removeprefix(_PREFIX),
            "ai_gateway_v2_supported": bool(self.api_types),
            "api_types": list(self.api_types),
        }
        entity = {
            "name": self.name,
            "entity_name": self.unity_name,
            "foundation_model": foundation_model,
        }
        return {**self.endpoint(), "config": {"served_entities": [entity]}}


def _state(is_ready: bool) -> dict[str, str]:
    return {"ready": "READY" if is_ready else "NOT_READY", "config_update": "NOT_UPDATING"}


def _family(api_types: tuple[str, ...], names: str) -> list[ServedModel]:
    return [ServedModel(_PREFIX + name, api_types) for name in names.split()]


def default_models() -> list[ServedModel]:
    """Return sample models: some of each API, one that is not ready, one for embeddings."""
    return [
        *_family(
            (ANTHROPIC, CHAT),
            "claude-opus-4-8 claude-opus-4-7 claude-opus-4-6 "
            "claude-sonnet-4-6 claude-sonnet-4-5 claude-haiku-4-5",
        ),
        *_family((RESPONSES, CHAT), "gpt-5-5 gpt-5-3-codex gpt-5 gpt-5-mini"),
        *_family(
            (GEMINI, CHAT),
            "gemini-3-5-flash gemini-3-1-pro gemini-3-flash gemini-2-5-pro gemini-2-5-flash",
        ),
        *_family(
            (CHAT,),
            "gpt-oss-120b kimi-k2-7-code glm-5-2 llama-4-maverick qwen3-next-80b-a3b-instruct "
            "inkling",
        ),
        ServedModel(_PREFIX + "claude-opus-5", (ANTHROPIC, CHAT), is_ready=False),
        ServedModel(_PREFIX + "gte-large-en", (), task="llm/v1/embeddings"),
    ]


class ModelCatalog:
    """The served models, in the order of the lists."""

    def __init__(self, models: Sequence[ServedModel] | None = None) -> None:
        self._models = list(default_models() if models is None else models)

    def all(self) -> list[ServedModel]:
        """Return every served model."""
        return list(self._models)

    def replace(self, models: Sequence[ServedModel]) -> None:
        """Replace the served models."""
        self._models = list(models)

    def foundation(self) -> list[ServedModel]:
        """Return the platform's own endpoints."""
        return [model for model in self._models if not model.entity]

    def find(self, name: str) -> ServedModel | None:
        """Return the model with this endpoint name or Unity Catalog name, or None."""
        return next((m for m in self._models if name in (m.name, m.unity_name)), None)

    def with_api(self, api_type: str) -> list[ServedModel]:
        """Return the ready models that support an API."""
        return [m for m in self._models if api_type in m.api_types and m.is_ready]
