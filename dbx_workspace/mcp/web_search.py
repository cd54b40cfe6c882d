"""Web search over a handful of pages, since the local workspace reaches no network."""

from __future__ import annotations

import re

from .tools import TEXT, Json, Tool, ToolServer

PAGES = (
    (
        "https://docs.example/sql/merge",
        "MERGE INTO",
        "MERGE INTO updates, inserts and deletes rows of a Delta table by a source table.",
    ),
    (
        "https://docs.example/sql/pivot",
        "PIVOT",
        "PIVOT turns the values of one column into columns of their own, with an aggregate each.",
    ),
    (
        "https://docs.example/bundles",
        "Declarative bundles",
        "A bundle describes jobs, pipelines and apps as files and deploys them with one command.",
    ),
)


def search(query: str) -> list[Json]:
    """Return the pages that have words of a query, best first."""
    words = set(re.findall(r"\w+", query.lower()))
    ranked = [
        (len(words & set(re.findall(r"\w+", f"{title} {text}".lower()))), url, title, text)
        for url, title, text in PAGES
    ]
    best = sorted((page for page in ranked if page[0]), reverse=True)
    return [{"url": url, "title": title, "text": text} for _, url, title, text in best]


def server() -> ToolServer:
    """Return the server."""

    def run(arguments: Json) -> Json:
        return {"results": search(str(arguments["query"]))}

    tool = Tool("web_search", "Search the web.", {"query": TEXT}, run)
    return ToolServer("web_search", "ai-gateway", (tool,))
