"""Schemas of tools, without keywords that a model is refused with.

A schema is walked as one: a property may be called like a keyword, and nothing that a ``$ref`` can
point to is touched.  (To remove ``$defs`` breaks every tool that uses references.)
"""

from __future__ import annotations

from typing import Any

from .json_steps import Json, same_unless_changed

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
# the first says nothing, the others are bounds.
REFUSED_KEYWORDS = frozenset({"$schema", "exclusiveMinimum", "exclusiveMaximum"})


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
    if schema.get("type") == "integer":  # the same bound in the other words
        for exclusive, bound, step in (
            ("exclusiveMinimum", "minimum", 1),
            ("exclusiveMaximum", "maximum", -1),
        ):
            limit = schema.get(exclusive)
            if isinstance(limit, int) and not isinstance(limit, bool):
                changed.setdefault(bound, limit + step)
    return same_unless_changed(schema, changed)
