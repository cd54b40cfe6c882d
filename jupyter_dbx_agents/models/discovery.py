"""Which models the workspace serves, and in which dialects.

Two lists are joined: the foundation models, which have the dialects of each, and the models in
Unity Catalog, which have the names that the gateway uses, but no dialects.  If neither can be read,
the list of serving endpoints is used, which is documented but has no dialects either.

A workspace may close the platform's own schema and serve models from others
(databricks/unity-gateway#569): everything that the user may call is listed then.  It may also
cancel a long page (499, databricks/unity-gateway#345): smaller ones are tried.

Sources: the listings as ``databricks/ucode`` reads them, and the serving endpoints' API.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import TokenRefusedError, WorkspaceError, WorkspaceUnavailableError
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .gateway import Dialect
from .names import dialects_by_name, stem_of

FOUNDATION_MODELS = "/api/2.0/serving-endpoints:foundation-models"
SERVING_ENDPOINTS = "/api/2.0/serving-endpoints"
MODEL_SERVICES = "/api/2.1/unity-catalog/model-services"
# The platform's own models, then those of every schema.
PARENTS = ("parent=schemas/system.ai&", "")
# Workspaces with many models refuse an unlimited page (499), and some also a long one.
PAGE_SIZES = (100, 20, 5)
CANCELLED = 499
MOST_NAMES = 2_000
CHAT_TASK = "llm/v1/chat"
API_TYPES: Mapping[str, Dialect] = {
    "anthropic/v1/messages": Dialect.ANTHROPIC,
    "openai/v1/responses": Dialect.RESPONSES,
    "gemini/v1/generateContent": Dialect.GEMINI,
    "mlflow/v1/chat/completions": Dialect.CHAT,
}
Json = Mapping[str, Any]


@dataclass(frozen=True)
class ServedModels:
    """The names that may be called, each with the dialects that it speaks.

    Without ``is_complete`` there may be others, since a list could not be read to its end.
    """

    dialects: Mapping[str, frozenset[Dialect]] = field(default_factory=dict)
    is_complete: bool = True

    @property
    def is_known(self) -> bool:
        """Whether they could be listed; else the absence of a name means nothing."""
        return bool(self.dialects)

    def speaking(self, dialect: Dialect) -> list[str]:
        """Return the models that speak a dialect."""
        return sorted(name for name, spoken in self.dialects.items() if dialect in spoken)

    def serves(self, name: str, dialect: Dialect) -> bool:
        """Whether a model is served in a dialect, under exactly this name."""
        return dialect in self.dialects.get(name, frozenset())


async def discover(api: WorkspaceApi, token: Secret, *, through_gateway: bool) -> ServedModels:
    """List what is served; the result is empty if no list may be read.

    Raises WorkspaceUnavailableError and TokenRefusedError.
    """
    endpoints = _objects(await _read(api, FOUNDATION_MODELS, token), "endpoints")
    spoken = {_name(endpoint): _spoken(endpoint) for endpoint in endpoints}
    is_complete = True
    if through_gateway:  # the serving endpoints do not know these names
        by_stem = {stem_of(name): dialects for name, dialects in spoken.items()}
        names, is_complete = await _unity_catalog_names(api, token)
        for name in names:
            spoken[name] = by_stem.get(stem_of(name), dialects_by_name(name))
    served = {name: dialects for name, dialects in spoken.items() if name and dialects}
    if not served:
        endpoints = _objects(await _read(api, SERVING_ENDPOINTS, token), "endpoints")
        served = {
            name: dialects_by_name(name)
            for e in endpoints
            if (name := _name(e)) and _is_ready(e) and e.get("task") == CHAT_TASK
        }
    return ServedModels(served, is_complete)


async def _unity_catalog_names(api: WorkspaceApi, token: Secret) -> tuple[list[str], bool]:
    """Return the names of model services, and whether those are all."""
    for parent in PARENTS:
        names, is_complete = await _names_in(api, token, parent)
        if names or not is_complete:
            return names, is_complete
    return [], True


async def _names_in(api: WorkspaceApi, token: Secret, parent: str) -> tuple[list[str], bool]:
    names: list[str] = []
    sizes, following = list(PAGE_SIZES), ""
    while sizes and len(names) < MOST_NAMES:
        path = f"{MODEL_SERVICES}?{parent}page_size={sizes[0]}"
        try:
            page = await api.get_json(path + (following and f"&page_token={following}"), token)
        except (WorkspaceUnavailableError, TokenRefusedError):
            raise
        except WorkspaceError as error:
            if error.status != CANCELLED:
                return names, True
            sizes.pop(0)
            continue
        services = _objects(page, "model_services")
        found = (str(s.get("name", "")).removeprefix("model-services/") for s in services)
        names += [name for name in found if name]
        following = str(page.get("next_page_token") or "")
        if not following:
            return names, True
    return names, False


async def _read(api: WorkspaceApi, path: str, token: Secret) -> Json:
    """Return a list's page; empty where this workspace has no such list for this user."""
    try:
        return await api.get_json(path, token)
    except (WorkspaceUnavailableError, TokenRefusedError):
        raise
    except WorkspaceError:
        return {}


def _spoken(endpoint: Json) -> frozenset[Dialect]:
    if not _is_ready(endpoint):
        return frozenset()
    return frozenset(
        API_TYPES[api_type]
        for entity in _objects(endpoint.get("config") or {}, "served_entities")
        for api_type in (entity.get("foundation_model") or {}).get("api_types") or ()
        if api_type in API_TYPES
    )


def _is_ready(endpoint: Json) -> bool:
    return (endpoint.get("state") or {}).get("ready") == "READY"


def _name(endpoint: Json) -> str:
    return str(endpoint.get("name", ""))


def _objects(parent: Json, key: str) -> list[Json]:
    value = parent.get(key)
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
