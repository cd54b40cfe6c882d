"""Tools that the gateway refuses: hosted ones, some fields, and Codex' namespaces."""

import hashlib
from collections.abc import Mapping
from typing import Any

from .json_steps import Json, as_object, objects, same_unless_changed, with_tools, without

# Tools that the vendor's own servers would run; the gateway answers 400 to a request with one.
HOSTED_TOOLS = ("web_search", "tool_search")
# Longest name of a function in OpenAI's API.
MOST_NAME_CHARACTERS = 64


def without_hosted_tools(body: Json) -> Json:
    """Leave out tools that only the vendor's servers could run [databricks/ucode]."""
    tools = objects(body.get("tools"))
    kept = [t for t in tools if not str(t.get("type", "")).startswith(HOSTED_TOOLS)]
    if len(kept) == len(tools):
        return body
    changed = {**body, "tools": kept}
    choice = as_object(body.get("tool_choice"))
    gone = [tool.get(key) for tool in tools if tool not in kept for key in ("name", "type")]
    if not kept or choice.get("name", choice.get("type", "auto")) in gone:
        changed.pop("tool_choice", None)
    if not kept:
        del changed["tools"]
    return changed


def without_eager_streaming(body: Json) -> Json:
    """Leave out a field of tools that the gateway refuses; OpenCode's SDK adds it [measured]."""
    return with_tools(body, lambda tool: without(tool, "eager_input_streaming"))


def flatten_namespaces(body: Json) -> tuple[Json, dict[str, tuple[str, str]]]:
    """Flatten namespaces, which Codex makes of MCP servers' tools, into functions [measured].

    A strict gateway refuses the type ``namespace``.  ``NamespaceRestorer`` restores the names in
    the model's calls, which Codex would not recognize otherwise.
    """
    names: dict[str, tuple[str, str]] = {}
    tools: list[Json] = []
    for tool in objects(body.get("tools")):
        if tool.get("type") != "namespace":
            tools.append(tool)
            continue
        namespace = str(tool.get("name", ""))
        for inner in objects(tool.get("tools")):
            flat = _flat_name(namespace, str(inner.get("name", "")))
            names[flat] = (namespace, str(inner.get("name", "")))
            tools.append({**inner, "name": flat})
    changed = {**body, "tools": tools} if names else body
    given = body.get("input")
    if isinstance(given, list):
        flattened = same_unless_changed(given, [_flat_call(item) for item in given])
        changed = changed if flattened is given else {**changed, "input": flattened}
    return changed, names


def _flat_call(item: Any) -> Any:
    if not isinstance(item, dict) or not item.get("namespace"):
        return item
    flat = _flat_name(str(item["namespace"]), str(item.get("name", "")))
    return {**without(item, "namespace"), "name": flat}


def _flat_name(namespace: str, name: str) -> str:
    flat = f"{namespace}__{name}"
    if len(flat) <= MOST_NAME_CHARACTERS:
        return flat
    mark = hashlib.sha256(flat.encode()).hexdigest()[:8]
    return f"{flat[: MOST_NAME_CHARACTERS - 9]}_{mark}"


class NamespaceRestorer:
    """Restores the namespace in calls of flattened tools."""

    marks = (b'"function_call"',)

    def __init__(self, names: Mapping[str, tuple[str, str]]) -> None:
        self._names = names

    def correct(self, event: Json) -> Json:
        """Restore it in an item, and in the list of items at the end."""
        changed = dict(event)
        if isinstance(event.get("item"), dict):
            changed["item"] = self._restored(event["item"])
        response = event.get("response")
        if isinstance(response, dict) and isinstance(response.get("output"), list):
            output = [self._restored(item) for item in response["output"]]
            changed["response"] = {**response, "output": output}
        return event if changed == event else changed

    def _restored(self, item: Any) -> Any:
        original = self._names.get(str(as_object(item).get("name")))
        if original is None:
            return item
        namespace, name = original
        return {**item, "namespace": namespace, "name": name}
