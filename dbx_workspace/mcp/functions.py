"""Functions of a schema of the catalog: a couple that compute something."""

from __future__ import annotations

import math
from datetime import date, timedelta

from .tools import NUMBER, TEXT, Json, Tool, ToolError, ToolServer

CATALOG, SCHEMA = "samples", "tools"
EARTH_KM = 6371.0


def distance_km(arguments: Json) -> Json:
    """Return the great-circle distance of two places."""
    try:
        a, b, c, d = (
            math.radians(float(arguments[name])) for name in ("lat1", "lon1", "lat2", "lon2")
        )
    except (TypeError, ValueError):
        raise ToolError("The coordinates are not numbers.") from None
    half = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return {"result": round(2 * EARTH_KM * math.asin(math.sqrt(half)), 1)}


def add_days(arguments: Json) -> Json:
    """Return a date so many days later."""
    try:
        start, days = date.fromisoformat(str(arguments["start"])), int(arguments["days"])
        return {"result": (start + timedelta(days=days)).isoformat()}
    except (TypeError, ValueError, OverflowError):
        raise ToolError("The start is not a date, or the days are not a whole number.") from None


FUNCTIONS = {
    "distance_km": (
        "The distance of two places, in km.",
        dict.fromkeys(("lat1", "lon1", "lat2", "lon2"), NUMBER),
        distance_km,
    ),
    "add_days": (
        "The date so many days after another.",
        {"start": TEXT, "days": {"type": "integer"}},
        add_days,
    ),
}


def server(catalog: str, schema: str, function: str = "") -> ToolServer | None:
    """Return the server of a schema, or of one function; None if there is none."""
    if (catalog, schema) != (CATALOG, SCHEMA) or (function and function not in FUNCTIONS):
        return None
    tools = (
        Tool(f"{catalog}__{schema}__{name}", text, properties, run)
        for name, (text, properties, run) in FUNCTIONS.items()
        if function in ("", name)
    )
    return ToolServer("uc_functions", "unity-catalog", tuple(tools))
