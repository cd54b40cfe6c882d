"""The scripted model: a pure function from a conversation to a reply, the same in every dialect.

The last user message, without ``<system-reminder>`` blocks and the like, decides:

- ``run: COMMAND`` on its own line: a call of the agent's shell tool, then ``done: OUTPUT``.
  Several such lines run in turn.  ``just run: COMMAND`` is a call without a word.
- ``tool: NAME {JSON}`` on its own line: a call of the offered tool of that name, else of one whose
  name ends so, then ``done: RESULT``; several such lines are called in turn.  Without such a tool:
  ``no tool: NAME``.
- ``stream: N chunks every M ms``: N numbered chunks, slowly, then ``end of stream``.
- ``bulk: N tokens``: N words at full speed, then ``end of bulk``.
- ``recall?``: ``recalled: `` and what lines ``remember: WORDS`` said earlier in the conversation.
- anything else: ``echo: `` and the message.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

ECHO_LIMIT_CHARACTERS = 2_000
OUTPUT_LIMIT_CHARACTERS = 400
_MAX_CHUNKS = 100_000

# The blocks that Claude Code, Codex and Gemini CLI add to a prompt.
_ADDED_BLOCKS = re.compile(
    r"<(system-reminder|environment_context|session_context)>.*?</\1>", re.DOTALL
)
# ``opencode run`` puts quotation marks around a prompt of several words.
_RUN = re.compile(r"^[ \t]*(\"?)(just )?run:[ \t]*(\S.*?)[ \t]*\1$", re.MULTILINE)
# Around a prompt of several lines.
_QUOTED = re.compile(r'\A"([^"]*\n[^"]*)"\Z')
# Codex and Gemini CLI put a report before a command's output, Gemini CLI also one after it.
_REPORT_HEAD = re.compile(r"\A.*?^Output:\s", re.DOTALL | re.MULTILINE)
_REPORT_TAIL = re.compile(r"^(Process Group PGID:|</untrusted_context>).*", re.DOTALL | re.M)
# Agents put the name of an MCP server before that of its tool, each in its own way.
_TOOL = re.compile(r"^[ \t]*\"?tool:[ \t]*(\S+)[ \t]*(\{.*\})?[ \t]*\"?$", re.MULTILINE)
# Claude Code offers the tools of MCP servers only after they were searched for.
_SEARCH, _FOUND = "ToolSearch", "Tool loaded."
_STREAM = re.compile(r"^\s*stream:\s*(\d+)\s*chunks?\s*every\s*(\d+)\s*ms", re.MULTILINE)
_RECALL = re.compile(r"^\s*\"?recall\?", re.MULTILINE)
_REMEMBER = re.compile(r"^\s*\"?remember: *(.+?)\"?\s*$", re.MULTILINE)
_BULK = re.compile(r"^\s*bulk:\s*(\d+)\s*tokens?", re.MULTILINE)
# The names of the agents' shell tools; else any tool with a command parameter is used.
_SHELL_TOOL_NAMES = (
    "Bash", "bash", "shell_command", "exec_command", "shell", "container.exec",
    "run_shell_command", "terminal", "execute_command",
)  # fmt: skip
_COMMAND_PROPERTIES = ("command", "cmd")


@dataclass(frozen=True)
class Tool:
    """A function that the request offers, with its JSON schema."""

    name: str
    schema: dict[str, Any]

    @classmethod
    def of(cls, declaration: Json, *schema_fields: str) -> Tool:
        """Return the declared tool; its schema is the first of ``schema_fields`` that is set."""
        schemas = (declaration.get(name) for name in schema_fields)
        return cls(str(declaration.get("name", "")), next(filter(None, schemas), {}))


@dataclass(frozen=True)
class Turn:
    """One message; a tool's result is a turn of its own."""

    role: Literal["user", "assistant", "tool"]
    text: str


@dataclass(frozen=True)
class Conversation:
    """The content of a request, independent of its dialect."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    stop_sequences: tuple[str, ...] = ()
    json_schema: dict[str, Any] | None = None

    def input_tokens(self) -> int:
        """Return a plausible count: four characters a token."""
        return 1 + sum(len(turn.text) for turn in self.turns) // 4


@dataclass(frozen=True)
class ToolCall:
    """A call of one offered tool."""

    name: str
    arguments: dict[str, Any]

    def arguments_json(self) -> str:
        """Return the arguments as a JSON string."""
        return json.dumps(self.arguments)


@dataclass(frozen=True)
class Reply:
    """Text in chunks, and optionally a tool call after it.

    ``quirks`` are the rules in force that shape an answer, such as ``long-ids``; ``pages`` are what
    the model found with the search tool that its vendor hosts, None if it did not search.
    """

    chunks: tuple[str, ...]
    tool_call: ToolCall | None = None
    pause_seconds: float = 0.0
    stop_sequence: str | None = None
    input_tokens: int = field(default=1)
    quirks: frozenset[str] = frozenset()
    pages: tuple[Json, ...] | None = None

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.chunks)

    def output_tokens(self) -> int:
        """Return a plausible count: a token a chunk."""
        return max(1, len(self.chunks))


def reply_to(conversation: Conversation) -> Reply:
    """Return the model's reply."""
    chunks, call, pause_seconds, stop = _decide(conversation)
    return Reply(chunks, call, pause_seconds, stop, conversation.input_tokens())


_Decision = tuple[tuple[str, ...], ToolCall | None, float, str | None]


def _decide(conversation: Conversation) -> _Decision:
    if "</block>" in conversation.stop_sequences:
        # Claude Code asks before it runs a shell command: "do not block".
        return ("<block>no",), None, 0.0, "</block>"
    if conversation.json_schema is not None:
        return (json.dumps(sample_of(conversation.json_schema)),), None, 0.0, None
    prompt, results = _prompt_and_results(conversation.turns)
    prompt = _QUOTED.sub(r"\1", prompt)
    commands = [(match[3], bool(match[2])) for match in _RUN.finditer(prompt)]
    tool = shell_tool(conversation.tools)
    if tool is not None and len(results) < len(commands):
        command, is_silent = commands[len(results)]
        said = () if is_silent else ("Running it. ",)
        return said, ToolCall(tool.name, shell_arguments(tool, command)), 0.0, None
    called = _tool_call(prompt, results, conversation.tools)
    if called is not None:
        return called
    if results:
        return _split_words(f"done: {_tool_output(results[-1])}"), None, 0.0, None
    return _decide_text(prompt, conversation.turns)


def _tool_call(prompt: str, results: list[str], tools: tuple[Tool, ...]) -> _Decision | None:
    """Return the next call that the prompt names; None if there is none left."""
    wanted = [(match[1], match[2] or "{}") for match in _TOOL.finditer(prompt)]
    done = len([result for result in results if result])  # a search has no text
    if done >= len(wanted):
        return None
    name, arguments = wanted[done]
    tool = _named(name, tools)
    was_searched = bool(results) and not results[-1]
    if tool is None and not was_searched and any(t.name == _SEARCH for t in tools):
        return (), ToolCall(_SEARCH, {"query": name, "max_results": 5}), 0.0, None
    if tool is None:
        return _split_words(f"no tool: {name} " + " ".join(t.name for t in tools)), None, 0.0, None
    return (), ToolCall(tool.name, _arguments(arguments)), 0.0, None


def _named(name: str, tools: tuple[Tool, ...]) -> Tool | None:
    """Return the tool of a name, else the first one whose name ends so."""
    ending = [tool for tool in tools if _plain(tool.name).endswith(_plain(name))]
    return min(ending, key=lambda tool: _plain(tool.name) != _plain(name), default=None)


def _arguments(text: str) -> dict[str, Any]:
    """Return a call's arguments; ``opencode run`` escapes the quotation marks of a prompt."""
    try:
        return dict(json.loads(text))
    except ValueError:
        return dict(json.loads(text.replace('\\"', '"')))


def _plain(name: str) -> str:
    """Return a tool's name without what agents change in it."""
    return name.lower().replace("-", "_")


def _remembered(turns: tuple[Turn, ...]) -> list[str]:
    """Return what the user's messages asked to remember, in their order."""
    texts = (_ADDED_BLOCKS.sub("", turn.text) for turn in turns if turn.role == "user")
    return [words for text in texts for words in _REMEMBER.findall(text)]


def _decide_text(prompt: str, turns: tuple[Turn, ...]) -> _Decision:
    if _RECALL.search(prompt):
        return _split_words(f"recalled: {', '.join(_remembered(turns))}"), None, 0.0, None
    if match := _STREAM.search(prompt):
        count, milliseconds = min(int(match[1]), _MAX_CHUNKS), int(match[2])
        chunks = (*(f"chunk {i} " for i in range(1, count + 1)), "end of stream")
        return chunks, None, milliseconds / 1000, None
    if match := _BULK.search(prompt):
        count = min(int(match[1]), _MAX_CHUNKS)
        return (*(f"token{i} " for i in range(count)), "end of bulk"), None, 0.0, None
    return _split_words(f"echo: {prompt[:ECHO_LIMIT_CHARACTERS]}"), None, 0.0, None


def _prompt_and_results(turns: tuple[Turn, ...]) -> tuple[str, list[str]]:
    """Return the last user text, and the tool results after it."""
    results: list[str] = []
    for turn in reversed(turns):
        text = _ADDED_BLOCKS.sub("", turn.text).strip()
        if turn.role == "tool":
            results.insert(0, turn.text)
        elif turn.role == "user" and text and text != _FOUND:
            return text, results
    return "", results


def _tool_output(result: str) -> str:
    """Return the start of a command's output, without what the agent adds to it."""
    output = _REPORT_TAIL.sub("", _REPORT_HEAD.sub("", _ADDED_BLOCKS.sub("", result), count=1))
    return _unwrap_json(output).strip()[:OUTPUT_LIMIT_CHARACTERS]


def _unwrap_json(output: str) -> str:
    """Return the ``output`` of a JSON object, Hermes' form of a result, or the text itself."""
    try:
        return str(json.loads(output)["output"])
    except (ValueError, TypeError, KeyError):
        return output


def _split_words(text: str) -> tuple[str, ...]:
    """Return a text split after its spaces, as a model streams it."""
    return tuple(re.findall(r"\S+\s*|\s+", text)) or ("",)


def shell_tool(tools: tuple[Tool, ...]) -> Tool | None:
    """Return the agent's shell among the offered tools, or None."""
    by_name = {tool.name: tool for tool in tools}
    for name in _SHELL_TOOL_NAMES:
        if name in by_name and _command_property(by_name[name]):
            return by_name[name]
    return next((tool for tool in tools if _command_property(tool)), None)


def _command_property(tool: Tool) -> str | None:
    properties = tool.schema.get("properties") or {}
    return next((name for name in _COMMAND_PROPERTIES if name in properties), None)


def shell_arguments(tool: Tool, command: str) -> dict[str, Any]:
    """Return valid arguments: the command, and samples of other required properties."""
    properties: dict[str, Any] = tool.schema.get("properties") or {}
    command_name = _command_property(tool) or "command"
    required = tool.schema.get("required") or []
    arguments = {
        name: sample_of(properties.get(name, {})) for name in required if name != command_name
    }
    is_list = _type_of(properties.get(command_name, {})) == "array"
    arguments[command_name] = ["bash", "-lc", command] if is_list else command
    return arguments


def sample_of(schema: dict[str, Any]) -> Any:
    """Return a small value that fits a JSON schema."""
    for values in (schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if values:
            return values[0]
    for choices in (schema.get("anyOf"), schema.get("oneOf")):
        if choices:
            return sample_of(choices[0])
    kind = _type_of(schema)
    if kind == "object" or "properties" in schema:
        return dict(_required_samples(schema))
    samples: dict[str, Any] = {
        "boolean": False,
        "integer": 1,
        "number": 1,
        "array": [],
        "null": None,
    }
    return samples.get(kind, "Scripted session")


def _required_samples(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    properties: dict[str, Any] = schema.get("properties") or {}
    for name in schema.get("required") or properties:
        yield name, sample_of(properties.get(name, {}))


def _type_of(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    return str(kind).lower()


@dataclass(frozen=True)
class Frame:
    """One event of a streamed response, and the delay before it."""

    data: bytes
    pause_seconds: float = 0.0


@dataclass(frozen=True)
class Dialect:
    """One model API as functions."""

    api_type: str
    parse: Callable[[Json], Conversation]
    render: Callable[[Reply, str], Json]
    frames: Callable[[Reply, str, Json], Iterator[Frame]]


def new_id(prefix: str, digits: int = 32) -> str:
    """Return a random id of ``digits`` hexadecimal digits after a prefix."""
    return prefix + uuid.uuid4().hex[:digits]


def event(name: str, data: Mapping[str, Any], pause_seconds: float = 0.0) -> Frame:
    """Return a server-sent event with a name, as in Anthropic messages and OpenAI responses."""
    return Frame(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode(), pause_seconds)


def data_event(data: Mapping[str, Any], pause_seconds: float = 0.0) -> Frame:
    """Return a server-sent event without a name, as in OpenAI chat and Gemini."""
    return Frame(f"data: {json.dumps(data)}\n\n".encode(), pause_seconds)


def text_of(content: object, text_types: tuple[str, ...] = ("text",)) -> str:
    """Return the text of a message: a string, or the parts of ``text_types`` in a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [p for p in content if isinstance(p, dict) and p.get("type") in text_types]
    return "\n".join(str(part.get("text", "")) for part in parts)


def objects(value: object) -> list[Json]:
    """Return the objects of a list, and an empty list for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
