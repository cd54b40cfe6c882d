"""Codex' catalog of models: what its screen offers, and what it sends to each.

For a name that it does not know Codex warns, takes a poorer prompt and offers no tool for patches;
so each served model is described in a catalog that takes the place of its own.

Decided
- A model that Codex knows under its vendor's name keeps its own windows, efforts and prompt, but in
  the plain form of requests and tools: the program's newer forms are the vendor's alone.
- A GPT that it does not know is described as its plain one, with the efforts of our table.
- Any other model gets the cautious description of Databricks' own launcher
  (databricks/unity-gateway, ``agents/codex_catalog.py``): no effort, no verbosity, no free-form
  tool, the window of our table.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..models import Dialect, Family, family_of
from ..models.names import stem_of

Json = dict[str, Any]
# Over every entry: what only the vendor's own service has.
_EVERYWHERE: Mapping[str, Any] = {
    "description": "Served by your workspace.",
    "visibility": "list",
    "supported_in_api": True,
    "supports_search_tool": False,  # a tool hosted by the vendor
    "upgrade": None,  # it would offer the vendor's next model
    "availability_nux": None,
    "service_tiers": [],
    "additional_speed_tiers": [],
    "use_responses_lite": False,
    "tool_mode": None,
    "multi_agent_version": None,
    "experimental_supported_tools": [],
}
_CAUTIOUS: Mapping[str, Any] = {
    "default_reasoning_level": "none",
    "supported_reasoning_levels": [{"effort": "none", "description": "The model's own behavior"}],
    "default_reasoning_summary": "none",
    "support_verbosity": False,
    "default_verbosity": None,
    "apply_patch_tool_type": None,
    "supports_image_detail_original": False,
}


def build_catalog(built_in: Mapping[str, Any], models: Iterable[str]) -> Json:
    """Return a catalog of these models, in this order, from the program's own.

    Raises KeyError or StopIteration when the program's own has no plain model.
    """
    known = {_key(entry["slug"]): entry for entry in built_in["models"]}
    plain = next(
        entry
        for entry in built_in["models"]
        if not entry.get("use_responses_lite") and not entry.get("tool_mode")
    )
    return {
        "models": [
            {**_described(model, known, plain), **_EVERYWHERE, "slug": model, "priority": number}
            | {"display_name": model}
            for number, model in enumerate(models)
        ]
    }


def _described(model: str, known: Mapping[str, Json], plain: Json) -> Json:
    family = family_of(model)
    if entry := known.get(_key(model)):
        # Its own tools and prompt may be those of the other form.
        return {**plain, **{key: entry[key] for key in _OWN_KEYS if key in entry}}
    if family.dialect is Dialect.RESPONSES:
        return {**plain, **_efforts(family)}
    return {**plain, **_CAUTIOUS, **_window(family), "input_modalities": _modalities(family)}


_OWN_KEYS = (
    "context_window",
    "max_context_window",
    "default_reasoning_level",
    "supported_reasoning_levels",
    "input_modalities",
)


def _key(name: str) -> str:
    return stem_of(name).replace(".", "-")


def _efforts(family: Family) -> Json:
    levels = [{"effort": effort, "description": effort.capitalize()} for effort in family.efforts]
    return {
        "default_reasoning_level": family.efforts[0],
        "supported_reasoning_levels": levels,
    }


def _window(family: Family) -> Json:
    return {
        "context_window": family.context_tokens,
        "max_context_window": family.context_tokens,
    }


def _modalities(family: Family) -> list[str]:
    return ["text", "image"] if family.sees_images else ["text"]
