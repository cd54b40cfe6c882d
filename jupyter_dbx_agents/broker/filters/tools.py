"""Tools that the gateway refuses: hosted ones, some fields, and Codex' namespaces."""

import hashlib
from collections.abc import Mapping
from typing import Any

from .json_steps import Json, as_object, objects, same_unless_changed, with_tools, without

# Tools that the vendor's own servers would run; the gateway answers 400 to a request with one.
HOSTED_TOOLS = ("web_search", "tool_search")
# What a string begins with in a request that is to be corrected; a key also ends there.
HOSTED_TOOL_MARKS = tuple(f'"{name}'.encode() for name in HOSTED_TOOLS)
EAGER_STREAMING_MARK = b'"eager_input_streaming"'
NAMESPACE_MARK = b'"namespace"'
# Longest name of a function in OpenAI's API.
MOST_NAME_CHARACTERS = 64


def without_hosted_tools(body: Json) -> Json:
    """Leave out tools that only the vendor's servers could run [databricks/ucode]."""
    tools = objects(body.get("tools"))
    kept = [tool for tool in tools if not _is_hosted(tool)]
    if len(kept) == len(tools):
        return body
    changed = {**body, "tools": kept}
    choice = as_object(body.get("tool_choice"))
    gone = [tool.get(key) for tool in tools if tool not in kept for key in ("name", "type")]
    allowed = objects(choice.get("tools"))  # of the type "allowed_tools"
    left = [tool for tool in allowed if not _is_hosted(tool)]
    if not kept or choice.get("name", choice.get("type", "auto")) in gone or (allowed and not left):
        changed.pop("tool_choice", None)
    elif len(left) < len(allowed):
        changed["tool_choice"] = {**choice, "tools": left}
    if not kept:
        del changed["tools"]
    return changed


def _is_hosted(tool: Json) -> bool:
    return str(tool.get("type", "")).startswith(HOSTED_TOOLS)


def without_eager_streaming(body: Json) -> Json:
    """Leave out a field of tools that the gateway refuses; OpenCode's SDK adds it [measured]."""
    return with_tools(body, lambda tool: without(tool, "eager_input_streaming"))


def flatten_namespaces(body: Json) -> tuple[Json, dict[str, tuple[str, str]]]:
    """Flatten namespaces, which Codex makes of MCP servers' tools, into functions [measured].

    A strict gateway refuses the type ``namespace``.  ``NamespaceRestorer`` restores the names in
    the model's calls, which Codex would not recognize otherwise.
    """
    given = objects(body.get("tools"))
    taken = {str(tool.get("name")) for tool in given if tool.get("type") != "namespace"}
    names = _FlatNames(taken)
    tools: list[Json] = []
    for tool in given:
        if tool.get("type") != "namespace":
            tools.append(tool)
            continue
        namespace = str(tool.get("name", ""))
        for inner in objects(tool.get("tools")):
            name = str(inner.get("name", ""))
            tools.append({**inner, "name": names.offered(namespace, name)})
    changed = body
    if len(tools) != len(given) or any(a is not b for a, b in zip(tools, given, strict=True)):
        changed = {**body, "tools": tools} if tools else without(body, "tools")
    for key, flattened in (
        ("input", _flat_calls(body.get("input"), names)),
        ("tool_choice", _flat_choice(body.get("tool_choice"), names)),
    ):
        if flattened is not body.get(key):
            changed = {**changed, key: flattened}
    if not tools and changed is not body:
        changed = without(changed, "tool_choice")
    return changed, names.originals


class _FlatNames:
    """One name for each tool in a namespace, different from every other tool's."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self.originals: dict[str, tuple[str, str]] = {}

    def offered(self, namespace: str, name: str) -> str:
        """Return the name of a tool that the request offers."""
        flat = self.of(namespace, name)
        self.originals[flat] = (namespace, name)
        return flat

    def of(self, namespace: str, name: str) -> str:
        """Return the name of a tool that is offered, or was in an earlier request."""
        flat = f"{namespace}__{name}"
        is_free = flat not in self._taken and self.originals.get(flat) in (None, (namespace, name))
        if is_free and len(flat) <= MOST_NAME_CHARACTERS:
            return flat
        mark = hashlib.sha256(f"{namespace}\0{name}".encode()).hexdigest()[:8]
        return f"{flat[: MOST_NAME_CHARACTERS - 9]}_{mark}"


def _flat_calls(given: Any, names: _FlatNames) -> Any:
    if not isinstance(given, list):
        return given
    return same_unless_changed(given, [_flat(item, names) for item in given])


def _flat_choice(choice: Any, names: _FlatNames) -> Any:
    """Return a choice of one tool, or of several, under the names that are offered."""
    if not isinstance(choice, dict):
        return choice
    allowed = choice.get("tools")  # of the type "allowed_tools"
    if isinstance(allowed, list):
        flattened = same_unless_changed(allowed, [_flat(tool, names) for tool in allowed])
        return choice if flattened is allowed else {**choice, "tools": flattened}
    return _flat(choice, names)


def _flat(item: Any, names: _FlatNames) -> Any:
    if not isinstance(item, dict) or not item.get("namespace"):
        return item
    flat = names.of(str(item["namespace"]), str(item.get("name", "")))
    return {**without(item, "namespace"), "name": flat}


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
