"""Genie: a question becomes a query over the catalog, which is executed; no model takes part."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from .engine import CATALOG, SqlEngine, SqlError, Table
from .tools import TEXT, Json, Tool, ToolError, ToolServer

# What asks for an aggregate, in the order in which it is looked for.
MEASURES = (
    (r"how many|number of|count", "count"),
    (r"average|mean", "avg"),
    (r"total|sum", "sum"),
    (r"highest|largest|longest|most|max", "max"),
    (r"lowest|smallest|shortest|least|min", "min"),
)
NUMERIC = ("integer", "real")


@dataclass
class GenieTools:
    """The tools, and the answers that are ready to be fetched."""

    engine: SqlEngine
    _answers: dict[str, Json] = field(default_factory=dict)

    def everything(self) -> ToolServer:
        """Return the server for all data: a question is asked, and its answer fetched."""
        ids = {"conversation_id": TEXT, "response_id": TEXT}
        return ToolServer(
            "genie_chat",
            "genie",
            (
                Tool(
                    "genie_ask",
                    "Ask a question about the data; fetch the answer with genie_poll_response.",
                    {"question": TEXT, "conversation_id": TEXT},
                    self._ask,
                    optional=frozenset({"conversation_id"}),
                ),
                Tool("genie_poll_response", "Return the state of an answer.", ids, self._poll),
            ),
        )

    def space(self, space_id: str) -> ToolServer:
        """Return the server of one space, which answers at once."""
        return ToolServer(
            f"genie_space_{space_id}",
            "genie",
            (
                Tool(
                    f"query_space_{space_id}",
                    "Ask a question about the data of this space.",
                    {"query": TEXT},
                    lambda arguments: self.answer(str(arguments["query"])),
                ),
            ),
        )

    def _ask(self, arguments: Json) -> Json:
        conversation = str(arguments.get("conversation_id") or uuid.uuid4())
        response = str(uuid.uuid4())
        self._answers[response] = self.answer(str(arguments["question"]))
        ids = {"conversation_id": conversation, "response_id": response}
        return {**ids, "status": "in_progress"}

    def _poll(self, arguments: Json) -> Json:
        answer = self._answers.get(str(arguments["response_id"]))
        if answer is None:
            raise ToolError("There is no such response.")
        return {"conversation_id": arguments["conversation_id"], **answer}

    def answer(self, question: str) -> Json:
        """Return the answer to a question, with the query that found it."""
        query = query_for(question, self.engine.tables())
        if query is None:
            tables = ", ".join(f"{CATALOG}.{t.schema}.{t.name}" for t in self.engine.tables())
            return {"status": "failed", "final_answer": f"Name one of the tables {tables}."}
        try:
            rows = self.engine.execute(query, may_write=False)
        except SqlError as error:
            return {"status": "failed", "final_answer": str(error)}
        lines = [", ".join(map(str, row)) for row in rows.rows[:20]]
        return {
            "status": "completed",
            "final_answer": "\n".join([", ".join(rows.columns), *lines]),
            "query_items": [{"item_id": "1", "sql": query}],
        }


def query_for(question: str, tables: list[Table]) -> str | None:
    """Return the query that a question asks for; None if it names no table."""
    words = set(re.findall(r"[a-z]+", question.lower()))
    table = max(tables, key=lambda each: len(words & set(_names(each))), default=None)
    if table is None or not words & set(_names(table)):
        return None
    name = f"{CATALOG}.{table.schema}.{table.name}"
    measure = next((how for what, how in MEASURES if re.search(what, question.lower())), "")
    group = _group(question, table)
    if not measure:
        return f"SELECT * FROM {name} LIMIT 20"  # noqa: S608 all names are the catalog's
    column = "*" if measure == "count" else _measured(words, table)
    if column is None:
        return None
    what = f"{measure}({column}) FROM {name}"
    return (
        f"SELECT {group}, {what} GROUP BY {group} ORDER BY {group}" if group else f"SELECT {what}"
    )


def _names(table: Table) -> Iterator[str]:
    for name in (table.name, *(column for column, _ in table.columns)):
        for word in name.split("_"):
            yield word
            yield word.removesuffix("s")


def _measured(words: set[str], table: Table) -> str | None:
    numbers = [n for n, kind in table.columns if kind in NUMERIC and not n.endswith("_id")]
    named = [name for name in numbers if words & set(name.split("_"))]
    return next(iter(named or numbers[-1:]), None)


def _group(question: str, table: Table) -> str:
    match = re.search(r"\b(?:by|per|each)\s+([a-z_ ]+)", question.lower())
    asked = re.findall(r"[a-z]+", match[1]) if match else []
    ranked = [(len(set(asked) & set(name.split("_"))), name) for name, _ in table.columns]
    best, name = max(ranked, default=(0, ""))
    return name if best else ""
