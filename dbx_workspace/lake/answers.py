"""The program's answers in the form of the Statement Execution API.

Sources: the API as published (values as text, ``type_name``, a failed statement is a 200 with the
state FAILED), and Databricks' error classes.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

Json = dict[str, Any]
# DuckDB's types by name -> ``type_name``, ``type_text``.
_TYPES = {
    "VARCHAR": ("STRING", "STRING"),
    "INTEGER": ("INT", "INT"),
    "BIGINT": ("LONG", "BIGINT"),
    "HUGEINT": ("DECIMAL", "DECIMAL(38,0)"),
    "SMALLINT": ("SHORT", "SMALLINT"),
    "TINYINT": ("BYTE", "TINYINT"),
    "FLOAT": ("FLOAT", "FLOAT"),
    "DOUBLE": ("DOUBLE", "DOUBLE"),
    "BOOLEAN": ("BOOLEAN", "BOOLEAN"),
    "DATE": ("DATE", "DATE"),
    "TIMESTAMP": ("TIMESTAMP", "TIMESTAMP"),
    "TIMESTAMP WITH TIME ZONE": ("TIMESTAMP", "TIMESTAMP"),
    "BLOB": ("BINARY", "BINARY"),
    '"NULL"': ("NULL", "VOID"),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
# What the program says -> Databricks' class and SQLSTATE.
_CLASSES = (
    (r"Parser Error", "PARSE_SYNTAX_ERROR", "42601"),
    (r"(Table|View).* does not exist", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    (r"(Schema|Catalog|database).* does not exist", "SCHEMA_NOT_FOUND", "42704"),
    (r"(Scalar|Table) Function.* does not exist", "UNRESOLVED_ROUTINE", "42883"),
    (r"Referenced column|column .* not found", "UNRESOLVED_COLUMN", "42703"),
    (r"already exists", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
    (r"Conversion Error", "CAST_INVALID_INPUT", "22018"),
    (r"division by zero", "DIVIDE_BY_ZERO", "22012"),
)
_FAILED = "SQL execution failed: "


class SqlError(Exception):
    """A statement that fails, with its message as Databricks words it."""


def failure_of(reply: Json) -> str | None:
    """Return the message of a statement that failed; None for an error of the request."""
    message = str(reply.get("message", ""))
    if not message.startswith(_FAILED):
        return None
    said = message.removeprefix(_FAILED).strip()
    for pattern, name, state in _CLASSES:
        if re.search(pattern, said, re.IGNORECASE):
            return f"[{name}] {said} SQLSTATE: {state}"
    return said


def failed(statement_id: str, message: str) -> Json:
    """Return the reply for a statement that failed."""
    error = {"error_code": "BAD_REQUEST", "message": message}
    return {"statement_id": statement_id, "status": {"state": "FAILED", "error": error}}


def corrected(reply: Json) -> Json:
    """Return a statement's reply, or one of its chunks, in Databricks' form."""
    whole: Json = _without_nulls(reply)
    columns = whole.get("manifest", {}).get("schema", {}).get("columns", [])
    for column in columns:
        column.update(_typed(str(column.get("type_text", ""))))
    result = whole.get("result", whole if "data_array" in whole else {})
    result.pop("columns", None)
    if "data_array" in result:
        result["data_array"] = [[_text(v) for v in row] for row in result["data_array"]]
    instants = [n for n, column in enumerate(columns) if column["type_name"] == "TIMESTAMP"]
    for row in result.get("data_array", ()) if instants else ():
        for number in instants:
            row[number] = _instant(row[number])
    return whole


def _typed(kind: str) -> Json:
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        precision, scale = map(int, decimal.groups())
        text = f"DECIMAL({precision},{scale})"
        more = {"type_precision": precision, "type_scale": scale}
        return {"type_name": "DECIMAL", "type_text": text, **more}
    if kind.endswith("[]"):
        return {"type_name": "ARRAY", "type_text": f"ARRAY<{_typed(kind[:-2])['type_text']}>"}
    for name in ("STRUCT", "MAP"):
        if kind.startswith(f"{name}("):
            return {"type_name": name, "type_text": kind.replace("(", "<").replace(")", ">")}
    name, text = _TYPES.get(kind, ("STRING", "STRING"))
    return {"type_name": name, "type_text": text}


def _text(value: Any) -> str | None:
    """Return a value as text, as the API returns all."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _instant(value: str | None) -> str | None:
    """Return a time as the API writes it: ISO 8601 in UTC, with milliseconds."""
    try:
        at = datetime.fromisoformat(value or "")
    except ValueError:
        return value
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def _without_nulls(value: Any) -> Any:
    """Return JSON without the null members of objects: Databricks leaves those out."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
