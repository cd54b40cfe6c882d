"""Requests and answers are corrected where a dialect needs it, and nowhere else."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbx_workspace.models import chat as models_chat
from dbx_workspace.models import responses as models_responses
from dbx_workspace.models.catalog import ANTHROPIC, CHAT, RESPONSES
from dbx_workspace.models.rules import ModelCall, RuleBook
from dbx_workspace.models.script import Reply, ToolCall
from jupyter_dbx_agents.broker.filters.events import MOST_LINE_BYTES, EventStream, Lines
from jupyter_dbx_agents.broker.filters.json_steps import plain_schema
from jupyter_dbx_agents.broker.filters.request import REQUEST_FILTERS, event_filter, filter_request
from jupyter_dbx_agents.broker.filters.tools import MOST_NAME_CHARACTERS
from jupyter_dbx_agents.models import Dialect

AGENTS = ("claude-code", "codex", "gemini-cli", "opencode", "hermes")
CLAUDE = "databricks-claude-opus-4-7"
REFERRING = {
    "type": "object",
    "$defs": {"Key": {"type": "string", "minLength": 1}, "Tree": {"$ref": "#/$defs/Tree"}},
    "definitions": {"Old": {"type": "integer"}},
    "properties": {
        "key": {"$ref": "#/$defs/Key"},
        "keys": {"type": "array", "items": {"$ref": "#/$defs/Key"}, "uniqueItems": True},
        "either": {"anyOf": [{"$ref": "#/definitions/Old"}, {"type": "null"}]},
        "rest": {"additionalProperties": {"$ref": "#/$defs/Tree"}},
    },
    "required": ["key"],
    "additionalProperties": False,
}


def chat(*messages: dict[str, Any], model: str = CLAUDE, **rest: Any) -> dict[str, Any]:
    return {"model": model, "messages": list(messages), **rest}


def rule(api_type: str, body: dict[str, Any]) -> str:
    """The workspace's rule that refuses a body, '' if none does."""
    model = body.get("model", "databricks-gpt-5-5" if api_type == RESPONSES else CLAUDE)
    refused = RuleBook().first_refusal(ModelCall(api_type, model, body))
    return refused[0].name if refused else ""


def filtered(agent: str, dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    """Filter a body; it must not change itself."""
    before = json.dumps(body)
    result = filter_request(agent, dialect, body).body
    assert json.dumps(body) == before
    return result


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def call(number: int) -> dict[str, Any]:
    function = {"name": "bash", "arguments": "{}"}
    return {"id": f"c{number}", "type": "function", "function": function}


def result(number: int, text: Any = "out") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"c{number}", "content": text}


# ---- off where not needed


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("dialect", Dialect)
def test_a_request_without_faults_is_the_same_object_everywhere(agent, dialect):
    tools = [{"type": "function", "name": "f", "parameters": REFERRING}]
    functions = [{"type": "function", "function": {"name": "f", "parameters": REFERRING}}]
    calling = {"role": "assistant", "content": None, "tool_calls": [call(1)]}
    body = chat(
        user("hi"),
        calling,
        result(1),
        input=[{"type": "function_call", "name": "f"}],
        tools=functions if dialect is Dialect.CHAT else tools,
        tool_choice="auto",
    )
    assert filter_request(agent, dialect, body).body is body


FAULTY = {
    Dialect.ANTHROPIC: {
        "tools": [{"type": "web_search_20250305"}, {"eager_input_streaming": True}]
    },
    Dialect.CHAT: {**chat(user(""), result(9)), "store": False},
    Dialect.RESPONSES: {"tools": [{"type": "namespace", "name": "n", "tools": [{"name": "t"}]}]},
    "gemini": {"tools": [{"googleSearch": {}}]},
}


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("dialect", Dialect)
def test_nothing_is_corrected_but_for_the_agents_and_dialects_that_need_it(agent, dialect):
    body = FAULTY[dialect]
    is_same = filter_request(agent, dialect, body).body is body
    assert is_same is ((agent, dialect) not in REQUEST_FILTERS)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("junk", [None, 1, "x", [1, None, []], {"type": []}, [{"name": {}}]])
def test_a_request_of_any_shape_does_no_harm(agent, dialect, junk):
    for key in ("tools", "messages", "input", "tool_choice", "model"):
        for base in ({}, FAULTY[dialect]):
            body = {"model": CLAUDE, **base, key: junk}
            assert isinstance(filter_request(agent, dialect, body).body, dict)
        alone = {key: junk}
        if not isinstance(junk, list):
            assert filter_request(agent, dialect, alone).body is alone


# ---- tools


@pytest.mark.parametrize(
    ("agent", "dialect", "kind"),
    [
        ("claude-code", Dialect.ANTHROPIC, "web_search_20250305"),
        ("opencode", Dialect.ANTHROPIC, "web_search_20250305"),
        ("codex", Dialect.RESPONSES, "web_search"),
        ("codex", Dialect.RESPONSES, "web_search_preview"),
        ("codex", Dialect.RESPONSES, "tool_search"),
    ],
)
def test_hosted_tools_are_left_out(agent, dialect, kind):
    own, hosted = {"name": "own", "type": "function"}, {"type": kind, "name": "web"}
    body = {"tools": [own, hosted], "tool_choice": {"type": "tool", "name": "own"}}
    assert filtered(agent, dialect, body) == {**body, "tools": [own]}
    forced = {"tools": [own, hosted], "tool_choice": {"type": "tool", "name": "web"}}
    assert filtered(agent, dialect, forced) == {"tools": [own]}
    assert filtered(agent, dialect, {"tools": [hosted], "tool_choice": "auto"}) == {}


@pytest.mark.parametrize("agent", ["claude-code", "opencode"])
def test_eager_streaming_is_left_out_of_tools(agent):
    schema = {"properties": {"eager_input_streaming": {"type": "boolean"}}}
    tool = {"name": "t", "input_schema": schema}
    body = {"tools": [{**tool, "eager_input_streaming": True}]}
    assert filtered(agent, Dialect.ANTHROPIC, body) == {"tools": [tool]}
    assert rule(ANTHROPIC, body)
    assert not rule(ANTHROPIC, filtered(agent, Dialect.ANTHROPIC, body))


@pytest.mark.parametrize("agent", ["opencode", "hermes"])
def test_fields_that_chat_refuses_are_left_out_for_every_model(agent):
    function = {"name": "f", "parameters": {"properties": {"strict": {}, "store": {}}}}
    tool = {"type": "function", "function": {**function, "strict": True}}
    body = chat(user("hi"), model="databricks-gpt-5-5", store=False, tools=[tool])
    assert rule(CHAT, body) == "chat-fields"
    corrected = filtered(agent, Dialect.CHAT, body)
    assert rule(CHAT, corrected) != "chat-fields"
    assert corrected["tools"] == [{"type": "function", "function": function}]


# ---- schemas


def test_a_schema_with_references_is_never_touched():
    assert plain_schema(REFERRING) is REFERRING


def test_keywords_are_left_out_at_any_depth_and_everything_else_stays():
    def schema(**keywords: Any) -> dict[str, Any]:
        number = {"type": "number", **keywords}
        return {
            **REFERRING,
            "$defs": {"Key": number},
            "properties": {
                "a": {"items": [number, number]},
                "b": {"oneOf": [{"not": number}]},
                "c": {"additionalProperties": number},
                "exclusiveMinimum": {"type": "string", "enum": ["exclusiveMinimum"]},
                "d": {"const": {"exclusiveMinimum": 1}, "default": {"$schema": "x"}},
            },
        }

    given = {"$schema": "http://json-schema.org/draft-07/schema#", **schema(exclusiveMinimum=0)}
    assert plain_schema(given) == schema()


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMaximum": 9}, {"type": "integer", "maximum": 8}),
        (
            {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
            {"type": "integer", "minimum": 3},
        ),
        ({"type": "number", "exclusiveMinimum": 0.5}, {"type": "number"}),
    ],
)
def test_the_bound_of_an_integer_is_said_in_other_words(given, plain):
    assert plain_schema(given) == plain


def test_schemas_are_corrected_for_claude_only():
    parameters = {"type": "number", "exclusiveMinimum": 0}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    others = chat(user("hi"), model="databricks-gpt-oss-120b", tools=tools)
    assert filter_request("hermes", Dialect.CHAT, others).body is others
    claude = filtered("hermes", Dialect.CHAT, chat(user("hi"), tools=tools))
    assert claude["tools"][0]["function"]["parameters"] == {"type": "number"}


# ---- messages


def test_empty_texts_are_left_out_with_what_they_leave_empty():
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    body = chat(
        {"role": "system", "content": ""},
        user([{"type": "text", "text": " \n"}, image]),
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": [{"type": "text", "text": ""}]},
        {"role": "assistant", "content": "", "tool_calls": [call(1)]},
        result(1, ""),
        user("go on"),
    )
    assert filtered("opencode", Dialect.CHAT, body)["messages"] == [
        user([image]),
        {"role": "assistant", "content": None, "tool_calls": [call(1)]},
        result(1, "(no output)"),
        user("go on"),
    ]


def test_a_result_without_its_call_becomes_the_users_words():
    body = chat(
        result(1, [{"type": "text", "text": "lost"}]),
        {"role": "assistant", "content": "x", "tool_calls": [call(2), call(3)]},
        result(2),
        result(3),
        user("more"),
        result(2, "late"),
    )
    first, *middle, last = filtered("opencode", Dialect.CHAT, body)["messages"]
    assert first == user("Result of an earlier tool call:\nlost")
    assert middle == body["messages"][1:5]
    assert last == user("Result of an earlier tool call:\nlate")


# ---- namespaces


def namespace(name: str, *tools: str) -> dict[str, Any]:
    inner = [{"type": "function", "name": tool, "parameters": REFERRING} for tool in tools]
    return {"type": "namespace", "name": name, "description": "", "tools": inner}


def test_tools_in_namespaces_become_functions_and_past_calls_are_named_alike():
    past = {"type": "function_call", "name": "look", "namespace": "mcp__w", "call_id": "1"}
    body = {
        "tools": [{"type": "custom", "name": "c"}, namespace("mcp__w", "look")],
        "input": [past],
    }
    assert rule(RESPONSES, body) == "namespaces"
    done = filter_request("codex", Dialect.RESPONSES, body)
    assert not rule(RESPONSES, {**done.body, "input": []})
    look = {"type": "function", "name": "mcp__w__look", "parameters": REFERRING}
    assert done.body["tools"] == [{"type": "custom", "name": "c"}, look]
    assert done.body["input"] == [{"type": "function_call", "name": "mcp__w__look", "call_id": "1"}]
    assert done.names == {"mcp__w__look": ("mcp__w", "look")}


def test_long_names_are_cut_and_stay_different():
    body = {"tools": [namespace("n" * 60, "alpha", "beta")]}
    done = filter_request("codex", Dialect.RESPONSES, body)
    assert len(done.names) == 2
    assert all(len(name) <= MOST_NAME_CHARACTERS for name in done.names)


def flattened(body: dict[str, Any]) -> Any:
    return filter_request("codex", Dialect.RESPONSES, body)


def test_an_empty_namespace_is_left_out_and_with_the_last_tool_its_choice():
    plain = {"type": "function", "name": "f"}
    empty = namespace("mcp__x")
    assert flattened({"tools": [empty, plain], "tool_choice": "auto"}).body == {
        "tools": [plain],
        "tool_choice": "auto",
    }
    assert flattened({"model": "m", "tools": [empty], "tool_choice": "auto"}).body == {"model": "m"}


def test_names_that_would_be_the_same_stay_different_and_lead_back():
    body = {
        "tools": [
            {"type": "function", "name": "a__b__c"},
            namespace("a__b", "c"),
            namespace("a", "b__c"),
            namespace("n" * 60, "alpha"),
            namespace("n" * 60 + "__", "alpha"),
        ],
        "input": [
            {"type": "function_call", "namespace": "a__b", "name": "c"},
            {"type": "function_call", "namespace": "a", "name": "b__c"},
            {"type": "function_call", "name": "a__b__c"},
        ],
    }
    done = flattened(body)
    names = [tool["name"] for tool in done.body["tools"]]
    assert len(set(names)) == 5
    assert names[0] == "a__b__c"
    assert [done.names.get(name) for name in names] == [
        None,
        ("a__b", "c"),
        ("a", "b__c"),
        ("n" * 60, "alpha"),
        ("n" * 60 + "__", "alpha"),
    ]
    assert [call["name"] for call in done.body["input"]] == [names[1], names[2], names[0]]
    assert flattened(body).names == done.names  # the same at the next turn


def test_a_choice_of_tools_has_the_names_that_are_offered():
    one = {"type": "function", "name": "look", "namespace": "mcp__w"}
    flat = {"type": "function", "name": "mcp__w__look"}
    tools = [namespace("mcp__w", "look")]
    assert flattened({"tools": tools, "tool_choice": one}).body["tool_choice"] == flat
    several = {"type": "allowed_tools", "mode": "auto", "tools": [one, {"type": "web_search"}]}
    done = flattened({"tools": [*tools, {"type": "web_search"}], "tool_choice": several})
    assert done.body["tool_choice"] == {"type": "allowed_tools", "mode": "auto", "tools": [flat]}
    none_left = {**several, "tools": [{"type": "web_search"}]}
    done = flattened({"tools": [*tools, {"type": "web_search"}], "tool_choice": none_left})
    assert "tool_choice" not in done.body


# ---- streams, cut at every byte

NAMES = {"tools": [namespace("mcp__w", "look")]}


def recorded(dialect: Any, name: str) -> bytes:
    """The scripted model's stream with one call of a tool."""
    reply = Reply(("Running é. ", "it"), ToolCall(name, {"key": "ü"}), 0.0, None, 7)
    body = {"stream_options": {"include_usage": True}}
    return b"".join(frame.data for frame in dialect.frames(reply, CLAUDE, body))


def corrected(stream: bytes, *cuts: int, agent: str, dialect: Dialect, body: Any) -> bytes:
    events = event_filter(agent, dialect, filter_request(agent, dialect, body))
    assert events is not None
    filter_ = EventStream(events)
    edges = [0, *cuts, len(stream)]
    parts = [filter_.feed(stream[a:b]) for a, b in itertools.pairwise(edges)]
    return b"".join(parts) + filter_.finish()


CODEX: dict[str, Any] = {"agent": "codex", "dialect": Dialect.RESPONSES, "body": NAMES}
HERMES: dict[str, Any] = {"agent": "hermes", "dialect": Dialect.CHAT, "body": chat(user("hi"))}
WRONG_END = recorded(models_chat.DIALECT, "bash").replace(
    b'"finish_reason": "tool_calls"', b'"finish_reason": "stop"'
)
STREAMS = [
    (recorded(models_responses.DIALECT, "mcp__w__look"), CODEX),
    (recorded(models_responses.DIALECT, "mcp__w__look").replace(b"\n", b"\r\n"), CODEX),
    (WRONG_END, HERMES),
]


@pytest.mark.parametrize(("stream", "how"), STREAMS)
def test_a_stream_is_corrected_the_same_wherever_it_is_cut(stream, how):
    whole = corrected(stream, **how)
    assert whole != stream
    assert whole.count(b"\n") == stream.count(b"\n")
    for cut in range(1, len(stream)):
        assert corrected(stream, cut, **how) == whole
    assert corrected(stream, *range(1, len(stream)), **how) == whole


def events(stream: bytes) -> Iterator[dict[str, Any]]:
    for line in stream.splitlines():
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def test_calls_get_their_namespace_back_in_every_event():
    items = []
    for event in events(corrected(STREAMS[0][0], **CODEX)):
        items += [event["item"]] if "item" in event else []
        items += event.get("response", {}).get("output", [])
    calls = [item for item in items if item["type"] == "function_call"]
    assert len(calls) == 3
    assert {(item["namespace"], item["name"]) for item in calls} == {("mcp__w", "look")}


def test_an_answer_with_calls_does_not_end_with_stop():
    reasons = [
        c["finish_reason"] for e in events(corrected(WRONG_END, **HERMES)) for c in e["choices"]
    ]
    assert [reason for reason in reasons if reason] == ["tool_calls"]


@pytest.mark.parametrize(
    ("stream", "how"),
    [
        (recorded(models_responses.DIALECT, "other"), CODEX),
        (recorded(models_chat.DIALECT, "bash"), HERMES),
        (b'data: {"function_call" broken\n\ndata: ["function_call"]\n: "function_call"\n', CODEX),
        (b'data: {"item": "function_call", "response": {"output": ["function_call"]}}\n', CODEX),
        (b'data: {"choices": [{"delta": "x", "finish_reason": "stop"}, 1]}\n\n', HERMES),
        (b'data: {"a": "function_call"', CODEX),
    ],
)
def test_what_is_right_or_unknown_passes_byte_by_byte(stream, how):
    for cut in range(len(stream)):
        assert corrected(stream, cut, **how) == stream


def test_answers_of_others_have_no_filter():
    for agent in AGENTS:
        for dialect in Dialect:
            needs = (agent, dialect) in {("opencode", Dialect.CHAT), ("hermes", Dialect.CHAT)}
            request = filter_request(agent, dialect, chat(user("hi")))
            assert (event_filter(agent, dialect, request) is not None) is needs


def test_complete_lines_are_not_held_and_a_line_without_an_end_is_bounded():
    lines = Lines()
    assert lines.feed(b"one\ntwo") == [b"one\n"]
    assert lines.feed(b"\n") == [b"two\n"]
    held = lines.feed(b"x" * (MOST_LINE_BYTES + 1))
    assert sum(map(len, held)) == MOST_LINE_BYTES + 1
