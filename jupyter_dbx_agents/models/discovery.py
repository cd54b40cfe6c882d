"""Which models the workspace serves, and in which dialects.

Three lists are joined: the foundation models, which have the dialects of each; the models in Unity
Catalog, which have the names that the gateway uses, but no dialects; and the serving endpoints,
which have no dialects either, but also a workspace's own endpoints: external models, and those with
provisioned throughput.  Only the last list is documented; the others may fail in any way.

A workspace may close the platform's own schema and serve models from others
(databricks/unity-gateway#569): everything that the user may call is listed then.  It may also
cancel a long page (499, databricks/unity-gateway#345): smaller ones are tried.

Sources: the listings as ``databricks/ucode`` reads them, and the serving endpoints' API.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
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
MOST_PAGES = 400
CHAT_TASK = "llm/v1/chat"
API_TYPES: Mapping[str, Dialect] = {
    "anthropic/v1/messages": Dialect.ANTHROPIC,
    "openai/v1/responses": Dialect.RESPONSES,
    "gemini/v1/generateContent": Dialect.GEMINI,
    "mlflow/v1/chat/completions": Dialect.CHAT,
}
# A server that answers so may have the list in a moment; after any other refusal it has none.
PASSING_STATUSES = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
Json = Mapping[str, Any]


@dataclass(frozen=True)
class ServedModels:
    """The names that may be called, each with the dialects that it speaks.

    ``is_partial`` if a list could not be read now, or not to its end: there may be others.
    """

    dialects: Mapping[str, frozenset[Dialect]] = field(default_factory=dict)
    is_partial: bool = False

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

    Raises WorkspaceUnavailableError if none can be read now, and TokenRefusedError.
    """
    lists = _Lists(api, token)
    foundation = await lists.read(FOUNDATION_MODELS, "endpoints")
    spoken = {_name(endpoint): _spoken(endpoint) for endpoint in foundation}
    for endpoint in await lists.read(SERVING_ENDPOINTS, "endpoints"):
        spoken.setdefault(_name(endpoint), _dialects_of_endpoint(endpoint))
    if through_gateway:  # the serving endpoints do not know these names
        by_stem = {stem_of(name): dialects for name, dialects in spoken.items()}
        for name in await _unity_catalog_names(lists):
            spoken[name] = by_stem.get(stem_of(name), dialects_by_name(name))
    served = {name: dialects for name, dialects in spoken.items() if name and dialects}
    if not served and lists.failure is not None:
        raise lists.failure
    return ServedModels(served, is_partial=lists.is_partial)


async def _unity_catalog_names(lists: "_Lists") -> list[str]:
    """Return the names of the platform's model services, or of all others if there are none."""
    for parent in PARENTS:
        names = await _names_in(lists, parent)
        if names or lists.is_partial:
            return names
    return []


async def _names_in(lists: "_Lists", parent: str) -> list[str]:
    names: list[str] = []
    sizes, following = list(PAGE_SIZES), ""
    for _ in range(MOST_PAGES):
        path = f"{MODEL_SERVICES}?{parent}page_size={sizes[0]}{following}"
        services = await lists.read(path, "model_services")
        if lists.was_cancelled:
            sizes.pop(0)
            if not sizes:
                lists.is_partial = True
                break
            continue
        names += [str(s.get("name", "")).removeprefix("model-services/") for s in services]
        if not lists.next_page:
            break
        following = f"&page_token={lists.next_page}"
    return [name for name in names if name]


class _Lists:
    """Reads lists; ``failure`` is the last that may pass, ``next_page`` the last list's next.

    ``was_cancelled`` if the last list was too long for this workspace.
    """

    def __init__(self, api: WorkspaceApi, token: Secret) -> None:
        self._api, self._token = api, token
        self.failure: WorkspaceUnavailableError | None = None
        self.is_partial = self.was_cancelled = False
        self.next_page = ""

    async def read(self, path: str, key: str) -> list[Json]:
        """Return a list, empty if this workspace has none for this user, or cannot answer now."""
        self.next_page, self.was_cancelled = "", False
        try:
            page = await self._api.get_json(path, self._token)
        except TokenRefusedError:
            raise
        except WorkspaceUnavailableError as error:
            if not error.status:  # nothing answers at all
                raise
            if error.status in PASSING_STATUSES:
                self.failure, self.is_partial = error, True
            return []
        except WorkspaceError as error:
            self.was_cancelled = error.status == CANCELLED
            return []
        self.next_page = str(page.get("next_page_token") or "")
        return _objects(page, key)


def _dialects_of_endpoint(endpoint: Json) -> frozenset[Dialect]:
    """Return what an endpoint speaks by its own name and by those of what it serves."""
    entities = _objects(endpoint.get("config") or {}, "served_entities")
    external = [entity.get("external_model") or {} for entity in entities]
    if not _is_ready(endpoint) or CHAT_TASK not in (
        endpoint.get("task"),
        *(model.get("task") for model in external),
    ):
        return frozenset()
    names = [_name(endpoint), *map(_name, external)]
    names += [str(entity.get("entity_name", "")) for entity in entities]
    return frozenset().union(*map(dialects_by_name, _spellings(names)))


def _spellings(names: list[str]) -> Iterator[str]:
    """Yield names, also without what is before them: ``anthropic.claude-3``, ``main.ai.gpt``."""
    for name in filter(None, names):
        yield name
        yield re.split(r"[./](?=[A-Za-z])", name)[-1]


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
