"""Small steps on JSON that return the same object when they change nothing.

A schema of a tool is walked as one: a property may be called like a keyword, and nothing that a
``$ref`` can point to is touched.  (To remove ``$defs`` breaks every tool that uses references.)
"""

from collections.abc import Callable
from functools import partial
from typing import Any

Json = dict[str, Any]
# Where schemas are within a schema: alone or in a list, and by name.
SCHEMA_PLACES = frozenset(
    {
        *("additionalItems", "additionalProperties", "allOf", "anyOf", "contains", "else", "if"),
        *("items", "not", "oneOf", "prefixItems", "propertyNames", "then"),
        *("unevaluatedItems", "unevaluatedProperties"),
    }
)
SCHEMA_MAPS = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
# Refused in chat completions for Claude [anomalyco/opencode#5028 and the reports that follow it];
# the first has no effect on the model, the others are bounds.
REFUSED_KEYWORDS = frozenset({"$schema", "exclusiveMinimum", "exclusiveMaximum"})


def objects(value: Any) -> list[Json]:
    """Return the objects of a list, and nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_object(value: Any) -> Json:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def is_claude(body: Json) -> bool:
    """Whether a request is for a Claude model."""
    return "claude" in str(body.get("model", ""))


def without(value: Json, key: str) -> Json:
    """Return an object without a key."""
    return {k: v for k, v in value.items() if k != key} if key in value else value


def with_tools(body: Json, correct: Callable[[Json], Json]) -> Json:
    """Return a request with each tool corrected."""
    tools = body.get("tools")
    if not isinstance(tools, list):
        return body
    corrected = same_unless_changed(tools, [correct(tool) for tool in objects(tools)])
    return body if corrected is tools else {**body, "tools": corrected}


def with_functions(body: Json, correct: Callable[[Json], Json]) -> Json:
    """Return a request of chat completions with each tool's function corrected."""
    return with_tools(body, partial(_with_function, correct))


def _with_function(correct: Callable[[Json], Json], tool: Json) -> Json:
    function = tool.get("function")
    if not isinstance(function, dict):
        return tool
    corrected = correct(function)
    return tool if corrected is function else {**tool, "function": corrected}


def same_unless_changed(old: Any, new: Any) -> Any:
    """Return the old list or object if the new one holds the very same things."""
    if isinstance(old, dict) and isinstance(new, dict):
        is_same = old.keys() == new.keys() and all(old[key] is new[key] for key in new)
    elif isinstance(old, list) and isinstance(new, list):
        is_same = len(old) == len(new) and all(a is b for a, b in zip(old, new, strict=True))
    else:
        is_same = old is new
    return old if is_same else new


def plain_schema(schema: Any) -> Any:
    """Return a schema without REFUSED_KEYWORDS; the same object if there are none."""
    if isinstance(schema, list):
        return same_unless_changed(schema, [plain_schema(item) for item in schema])
    if not isinstance(schema, dict):
        return schema
    changed: Json = {}
    for key, value in schema.items():
        if key in REFUSED_KEYWORDS:
            continue
        if key in SCHEMA_PLACES:
            changed[key] = plain_schema(value)
        elif key in SCHEMA_MAPS and isinstance(value, dict):
            plain = {name: plain_schema(each) for name, each in value.items()}
            changed[key] = same_unless_changed(value, plain)
        else:
            changed[key] = value
    if schema.get("type") == "integer":  # the same bound, inclusive
        for exclusive, bound, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            limit = schema.get(exclusive)
            if isinstance(limit, int) and not isinstance(limit, bool):
                changed.setdefault(bound, limit + step)
    return same_unless_changed(schema, changed)
