"""The workspace's data: Databricks' API and words over a program that has others."""

from __future__ import annotations

import pytest

from dbx_workspace.lake.answers import SqlError
from dbx_workspace.lake.dialect import is_one_statement, translate

PLACE = "samples.bakery"


def words(statement: str, **values: str) -> str:
    parameters = [{"name": name, "value": value, "type": "INT"} for name, value in values.items()]
    return translate(statement, parameters, "c", "s")


def test_parameters_are_values_and_never_text_of_the_statement():
    assert words("SELECT :a + :b", a="1", b="2") == "SELECT CAST('1' AS INT) + CAST('2' AS INT)"
    assert words("SELECT :a", a="1'; DROP TABLE t --") == (
        "SELECT CAST('1''; DROP TABLE t --' AS INT)"
    )


@pytest.mark.parametrize(
    "statement",
    ["SELECT ':a'", 'SELECT ":a"', "SELECT `:a`", "SELECT 1 -- :a", "SELECT /* :a */ 1", "1::INT"],
)
def test_what_only_looks_like_a_parameter_stays(statement: str):
    assert words(statement) == statement


def test_a_parameter_without_a_value_and_one_of_a_strange_type_are_errors():
    with pytest.raises(SqlError, match=r"UNBOUND_SQL_PARAMETER.*: a"):
        words("SELECT :a")
    with pytest.raises(SqlError, match="is not known"):
        translate("SELECT :a", [{"name": "a", "value": "1", "type": "INT); DROP"}], "c", "s")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("show tables in `a`.b", "table_catalog = 'a' AND table_schema = 'b'"),
        ("SHOW TABLES", "table_catalog = 'c' AND table_schema = 's'"),
        ("SHOW SCHEMAS FROM a;", "catalog_name = 'a'"),
        ("SHOW DATABASES", "catalog_name = 'c'"),
        ("SHOW CATALOGS", "duckdb_databases()"),
    ],
)
def test_show_is_a_query(statement: str, said: str):
    assert said in words(statement)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("SELECT ';';", True), ("SELECT 1 -- ;", True), ("SELECT 1; SELECT 2", False), ("", True)],
)
def test_a_semicolon_ends_a_statement_where_it_is_one(text: str, is_one: bool):
    assert is_one_statement(text) == is_one
