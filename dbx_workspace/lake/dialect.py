"""What Databricks' SQL has and DuckDB's has not: parameters by name, SHOW and DESCRIBE."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .answers import SqlError

# A piece of a statement: a string, a name in quotes, a comment, a parameter, or one character.
_PIECE = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/|::|:(?P<name>[A-Za-z_]\w*)|.",
    re.DOTALL,
)
_NAME = r"(?:`[^`]+`|[\w-]+)"
_SHOW = re.compile(
    rf"\s*SHOW\s+(?P<what>CATALOGS|SCHEMAS|DATABASES|TABLES)"
    rf"(?:\s+(?:IN|FROM)\s+(?P<place>{_NAME}(?:\.{_NAME})?))?\s*;?\s*",
    re.IGNORECASE,
)
_TYPES = {
    "STRING": "VARCHAR",
    "LONG": "BIGINT",
    "SHORT": "SMALLINT",
    "BYTE": "TINYINT",
    "TIMESTAMP": "TIMESTAMPTZ",
    "TIMESTAMP_NTZ": "TIMESTAMP",
}
_TYPE = re.compile(r"[A-Z_]+(\(\d+(,\s*\d+)?\))?")
# Catalogs and schemas of the program, and not of the workspace.
_HIDDEN = ("memory", "system", "temp", "unity_catalog", "main", "pg_catalog", "information_schema")
_DESCRIBE = re.compile(
    rf"\s*(?:DESCRIBE|DESC)\s+(?:TABLE\s+)?(?P<place>{_NAME}(?:\.{_NAME}){{0,2}})\s*;?\s*",
    re.IGNORECASE,
)
# DuckDB's names of types in Databricks' words.
_TYPE_NAMES = {
    "VARCHAR": "string",
    "INTEGER": "int",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "BLOB": "binary",
}
# Queries, with text in the place of ``{…}``.
_CATALOGS = """
SELECT DISTINCT database_name AS catalog FROM duckdb_databases()
WHERE database_name NOT IN ({hidden}) ORDER BY 1"""
_SCHEMAS = """
SELECT DISTINCT schema_name AS "databaseName" FROM information_schema.schemata
WHERE catalog_name = {catalog} AND schema_name NOT IN ({hidden}) ORDER BY 1"""
_TABLES = """
SELECT table_schema AS database, table_name AS "tableName", false AS "isTemporary"
FROM information_schema.tables WHERE table_catalog = {catalog} AND table_schema = {schema}
ORDER BY 2"""
_COLUMNS = """
SELECT column_name AS col_name, CASE column_type {types} ELSE lower(column_type) END AS data_type,
    CAST(NULL AS VARCHAR) AS comment
FROM (DESCRIBE {table})"""


def translate(statement: str, parameters: Sequence[Any], catalog: str, schema: str) -> str:
    """Return a statement in the program's words.  Raises SqlError for a parameter without value."""
    shown = _SHOW.fullmatch(statement)
    if shown:
        return _show(shown["what"].upper(), _parts(shown["place"]), catalog, schema)
    described = _DESCRIBE.fullmatch(statement)
    if described and described["place"].upper() not in {"SCHEMA", "CATALOG", "QUERY"}:
        return _describe(_parts(described["place"]))
    values = {str(each.get("name")): each for each in parameters if isinstance(each, dict)}
    return _PIECE.sub(lambda piece: _value(piece, values), statement)


def is_one_statement(statement: str) -> bool:
    """Whether a text has one statement only, perhaps with a semicolon at its end."""
    pieces = [piece[0] for piece in _PIECE.finditer(statement.strip())]
    return ";" not in pieces[:-1]


def _value(piece: re.Match[str], values: Mapping[str, Mapping[str, Any]]) -> str:
    name = piece["name"]
    if name is None:
        return piece[0]
    if name not in values:
        raise SqlError(
            f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {name}. Please, fix `args` and "
            "provide a mapping of the parameter to either a SQL literal or collection constructor "
            "functions. SQLSTATE: 42P02"
        )
    value, kind = values[name].get("value"), str(values[name].get("type") or "STRING").upper()
    if not _TYPE.fullmatch(kind):
        raise SqlError(f"[INVALID_PARAMETER_VALUE] The type {kind!r} of {name} is not known.")
    text = "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
    return f"CAST({text} AS {_TYPES.get(kind, kind)})"


def _show(what: str, place: list[str], catalog: str, schema: str) -> str:
    hidden = ", ".join(map(_text, _HIDDEN))
    if what == "CATALOGS":
        return _CATALOGS.format(hidden=hidden)
    if what in {"SCHEMAS", "DATABASES"}:
        return _SCHEMAS.format(catalog=_text(place[-1] if place else catalog), hidden=hidden)
    *above, last = place or [schema]
    return _TABLES.format(catalog=_text(above[0] if above else catalog), schema=_text(last))


def _describe(place: list[str]) -> str:
    types = " ".join(f"WHEN {_text(k)} THEN {_text(v)}" for k, v in _TYPE_NAMES.items())
    table = ".".join('"' + part.replace('"', '""') + '"' for part in place)
    return _COLUMNS.format(types=types, table=table)


def _parts(place: str | None) -> list[str]:
    return [part.strip("`") for part in re.findall(_NAME, place or "")]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
