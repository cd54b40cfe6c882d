"""What the local workspace refuses of model calls, rule by rule, over the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbx_workspace.models.rules.book import RULES
from dbx_workspace.models.rules.families import Family, family_of

OPUS, SONNET_45, HAIKU = (f"databricks-claude-{n}" for n in ("opus-4-7", "sonnet-4-5", "haiku-4-5"))
GPT, MINI, OSS = "databricks-gpt-5-5", "databricks-gpt-5-mini", "databricks-gpt-oss-120b"
GEMINI, GEMINI_3 = "databricks-gemini-2-5-pro", "databricks-gemini-3-1-pro"
LLAMA, QWEN = "databricks-llama-4-maverick", "databricks-qwen3-next-80b-a3b-instruct"
KIMI, INKLING = "databricks-kimi-k2-7-code", "databricks-inkling"

MESSAGES, CHAT = "/ai-gateway/anthropic/v1/messages", "/ai-gateway/mlflow/v1/chat/completions"
RESPONSES, SERVING = "/ai-gateway/codex/v1/responses", "/serving-endpoints"
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "out"}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def said(*messages, model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "hi"}, *messages], **more}


def assistant(content, *calls):
    return {"role": "assistant", "content": content, **({"tool_calls": [*calls]} if calls else {})}


def function(**schema):
    return [{"type": "function", "function": {"name": "f", "parameters": schema}}]


def items(*more_items, model=GPT, **more):
    return {
        "model": model,
        "store": False,
        "input": [{"role": "user", "content": "hi"}, *more_items],
        **more,
    }


def gemini_path(model, base="/ai-gateway/gemini"):
    return f"{base}/v1beta/models/{model}:generateContent"


def contents(*more_contents, **more):
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, *more_contents], **more}


TTL = {"type": "ephemeral", "ttl": "1h"}
LONG = {"type": "message", "role": "assistant", "id": "msg_" + "x" * 186, "content": []}
REFUSED = [
    (
        "output-cap",
        CHAT,
        said(model=OSS, max_tokens=32_000),
        "max_tokens (32000) cannot exceed 25000",
    ),
    ("output-cap", CHAT, said(model=LLAMA, max_tokens=8_193), "cannot exceed 8192"),
    ("output-cap", CHAT, said(model=QWEN, max_tokens=10_001), "cannot exceed 10000"),
    (
        "output-cap",
        f"{SERVING}/chat/completions",
        said(model=OSS, max_completion_tokens=25_001),
        "code = InvalidArgument desc = max_tokens (25001) cannot exceed 25000",
    ),
    ("output-cap", CHAT, said(model=SONNET_45, max_tokens=65_536), "65536 > 64000"),
    ("output-cap", MESSAGES, said(model=HAIKU, max_tokens=65_536), "65536 > 64000"),
    ("output-cap", MESSAGES, said(model=OPUS, max_tokens=128_001), "128001 > 128000"),
    ("output-cap", RESPONSES, items(max_output_tokens=200_000), "at most 128000"),
    (
        "output-cap",
        gemini_path(GEMINI),
        contents(generationConfig={"maxOutputTokens": 65_537}),
        "maxOutputTokens value of 65537",
    ),
    ("chat-fields", CHAT, said(model=MINI, store=False), "store: Extra inputs"),
    (
        "chat-fields",
        CHAT,
        said(model=MINI, tools=[{"type": "function", "function": {"name": "f", "strict": True}}]),
        "tools.0.function.strict",
    ),
    ("stream-options", CHAT, said(model=QWEN, stream_options={}), 'unknown field "stream_options"'),
    ("stream-options", CHAT, said(model=LLAMA, stream_options={}), "unknown field"),
    (
        "gemini-chat-fields",
        CHAT,
        said(model=GEMINI, stream_options={}),
        'Unknown name "stream_options"',
    ),
    (
        "gemini-chat-fields",
        CHAT,
        said(model=GEMINI, tools=function(**{"$schema": "x"})),
        "'tools[0].function_declarations[0].parameters'",
    ),
    (
        "gemini-chat-fields",
        CHAT,
        said(model=GEMINI, tools=function(properties={"a": {"exclusiveMinimum": 0}})),
        "parameters.properties.a",
    ),
    (
        "claude-chat-schema",
        CHAT,
        said(model=OPUS, tools=function(**{"$schema": "x"})),
        "input_schema",
    ),
    (
        "anthropic-fields",
        MESSAGES,
        said(model=OPUS, reasoning_effort="low"),
        "reasoning_effort: Extra",
    ),
    (
        "eager-streaming",
        MESSAGES,
        said(model=OPUS, tools=[{"name": "a", "eager_input_streaming": True}]),
        "tools.0.custom.eager_input_streaming",
    ),
    (
        "serving-betas",
        f"{SERVING}/anthropic/v1/messages",
        said(model=OPUS, context_management={}),
        "context_management",
    ),
    (
        "serving-betas",
        f"{SERVING}/anthropic/v1/messages",
        said(model=OPUS, tools=[{"name": "a", "defer_loading": True}]),
        "defer_loading",
    ),
    (
        "serving-betas",
        f"{SERVING}/anthropic/v1/messages",
        said(model=OPUS, system=[{"type": "text", "text": "x", "cache_control": TTL}]),
        "ephemeral.ttl",
    ),
    ("gateway-betas", MESSAGES, said(model=OPUS, context_management={}), "context_management"),
    ("empty-content", CHAT, said(assistant(None, CALL), RESULT, model=OPUS), "non-empty"),
    ("empty-content", CHAT, said(assistant("", CALL), RESULT, model=OPUS), "non-empty"),
    (
        "empty-content",
        CHAT,
        said(assistant([{"type": "text", "text": ""}], CALL), RESULT, model=OPUS),
        "non-empty",
    ),
    (
        "empty-content",
        MESSAGES,
        said(model=OPUS, messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}]),
        "non-empty",
    ),
    (
        "tool-pairs",
        CHAT,
        said(assistant("x", CALL), {"role": "user", "content": "?"}, model=OPUS),
        "without `tool_result` blocks immediately after: c1",
    ),
    ("tool-pairs", CHAT, said(RESULT, model=OPUS), "unexpected `tool_use_id`"),
    (
        "tool-pairs",
        MESSAGES,
        said(
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}],
            },
            model=OPUS,
        ),
        "t1",
    ),
    (
        "answered-calls",
        RESPONSES,
        items({"type": "function_call", "call_id": "c1", "name": "f"}),
        "No tool output found for function call c1",
    ),
    ("prefill", MESSAGES, said(assistant("So"), model=OPUS), "prefill"),
    ("prefill", CHAT, said(assistant("So"), model=OPUS), "prefill"),
    ("long-ids", RESPONSES, items(LONG), "Invalid 'input[1].id': string too long"),
    (
        "hosted-tools",
        MESSAGES,
        said(model=OPUS, tools=[{"type": "web_search_20250305"}]),
        "Input tag 'web_search_20250305'",
    ),
    (
        "hosted-tools",
        MESSAGES,
        said(model=OPUS, tools=[{"type": "code_execution_20250825"}]),
        "tools.0",
    ),
    ("hosted-tools", RESPONSES, items(tools=[{"type": "image_generation"}]), "image_generation"),
    ("hosted-tools", gemini_path(GEMINI), contents(tools=[{"googleSearch": {}}]), "googleSearch"),
    ("namespaces", RESPONSES, items(tools=[{"type": "namespace", "name": "a"}]), "namespace"),
    ("gpt-chat-tools", CHAT, said(model=GPT, tools=[FUNCTION]), "Please use /v1/responses"),
    (
        "gpt-chat-tools",
        CHAT,
        said(model=GPT, tools=[FUNCTION], reasoning_effort="low"),
        "/v1/responses",
    ),
    (
        "thinking",
        MESSAGES,
        said(model=OPUS, max_tokens=9000, thinking={"type": "enabled", "budget_tokens": 8000}),
        "thinking.type.adaptive",
    ),
    ("thinking", MESSAGES, said(model=HAIKU, thinking={"type": "adaptive"}), "adaptive thinking"),
    (
        "thinking",
        MESSAGES,
        said(model=HAIKU, max_tokens=100, thinking={"type": "enabled", "budget_tokens": 100}),
        "must be greater",
    ),
    ("thinking", MESSAGES, said(model=HAIKU, output_config={"effort": "low"}), "effort parameter"),
    (
        "thinking",
        MESSAGES,
        said(model="databricks-claude-sonnet-4-6", output_config={"effort": "xhigh"}),
        "should be one of",
    ),
    (
        "efforts",
        CHAT,
        said(model=LLAMA, reasoning_effort="low"),
        'unknown field "reasoning_effort"',
    ),
    (
        "efforts",
        RESPONSES,
        items(model=MINI, reasoning={"effort": "xhigh"}),
        "Supported values are",
    ),
    ("sampling", CHAT, said(model=GPT, temperature=0.3), "'temperature' does not support 0.3"),
    ("sampling", MESSAGES, said(model=OPUS, temperature=0), "deprecated"),
    ("images", CHAT, said({"role": "user", "content": [PICTURE]}, model=OSS), "image input"),
    (
        "signatures",
        gemini_path(GEMINI_3),
        contents({"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}),
        "thought_signature",
    ),
    ("signatures", CHAT, said(assistant("x", CALL), RESULT, model=GEMINI_3), "thought_signature"),
]


def last_rule(site):
    return site.control.requests()[-1]["rule"]


@pytest.mark.parametrize(("rule", "path", "body", "words"), REFUSED)
def test_a_rule_refuses_alone_says_so_in_the_log_and_can_be_switched_off(
    site, rule, path, body, words
):
    site.control.rule_models({"*": False, rule: True})
    response = site.call("POST", path, json=body)
    assert response.status_code == 400
    assert words in response.json()["message"].replace('\\"', '"')
    assert last_rule(site) == rule
    site.control.rule_models({rule: False})
    assert site.call("POST", path, json=body).status_code == 200
    assert last_rule(site) is None


def test_every_rule_has_a_source_and_a_test_and_all_but_one_are_on(site):
    listed = site.control.rule_models()
    assert all(one["source"] for one in listed.values())
    assert [name for name, one in listed.items() if not one["on"]] == ["gateway-betas"]
    elsewhere = {"strict-json", "open-responses", "unknown-items", "no-finish", "output-budget"}
    elsewhere |= {"gemini-path", "count-tokens"}
    assert {case[0] for case in REFUSED} | elsewhere == {rule.name for rule in RULES} == set(listed)


ALLOWED = [
    (
        MESSAGES,
        said(
            model=OPUS,
            max_tokens=128_000,
            thinking={"type": "adaptive"},
            output_config={"effort": "max"},
            context_management={"edits": []},
        ),
    ),
    (
        MESSAGES,
        said(model=HAIKU, max_tokens=64_000, thinking={"type": "enabled", "budget_tokens": 8000}),
    ),
    (
        MESSAGES,
        said(
            model=OPUS,
            tools=[
                {"name": "a", "input_schema": {}, "defer_loading": True},
                {"type": "bash_20250124", "name": "bash"},
            ],
        ),
    ),
    (MESSAGES, said(model=OPUS, system=[{"type": "text", "text": "x", "cache_control": TTL}])),
    (CHAT, said(assistant(" ", CALL), RESULT, model=OPUS, tools=[FUNCTION])),
    (CHAT, said(assistant("a", CALL), RESULT, model=GEMINI, tools=[FUNCTION])),
    (CHAT, said(model=GPT, tools=[FUNCTION], reasoning_effort="none")),
    (CHAT, said(model=OSS, max_tokens=25_000, reasoning_effort="high", stream_options={})),
    (
        RESPONSES,
        items(
            LONG | {"id": "m" * 64},
            tools=[{"type": "custom", "name": "apply_patch"}],
            reasoning={"effort": "xhigh"},
            prompt_cache_key="k",
            text={"verbosity": "low"},
        ),
    ),
    (RESPONSES, items({"type": "reasoning", "id": "rs_1", "encrypted_content": "x"})),
    (CHAT, said({"role": "user", "content": [PICTURE]}, model=LLAMA)),
]


@pytest.mark.parametrize(("path", "body"), ALLOWED)
def test_what_is_documented_passes_all_rules(site, path, body):
    response = site.call("POST", path, json=body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": "\\ud83d"}', '{"a": Infinity}'])
def test_what_is_no_json_is_refused(site, text):
    text = text.replace('"a"', f'"model": "{MINI}", "messages": [], "a"')
    headers = {"Content-Type": "application/json"}
    response = site.call("POST", CHAT, content=text, headers=headers)
    assert response.status_code == 400
    assert "not valid JSON" in response.json()["message"]
    assert last_rule(site) == "strict-json"


def test_an_item_that_only_an_id_describes_is_not_found_unless_items_are_stored(site):
    body = items({"type": "reasoning", "id": "rs_abc", "summary": []})
    response = site.call("POST", RESPONSES, json=body)
    assert response.status_code == 404
    assert "Item with id 'rs_abc' not found" in response.json()["message"]
    assert last_rule(site) == "unknown-items"
    assert site.call("POST", RESPONSES, json={**body, "store": True}).status_code == 200


def test_open_models_take_of_responses_what_they_know(site):
    site.control.serve_models([{"name": KIMI, "api_types": ["openai/v1/responses"]}])
    assert site.call("POST", RESPONSES, json=items(model=KIMI)).status_code == 200
    for more in (
        {"text": {"verbosity": "low"}},
        {"prompt_cache_key": "k"},
        {"tools": [{"type": "custom", "name": "apply_patch"}]},
    ):
        assert site.call("POST", RESPONSES, json=items(model=KIMI, **more)).status_code == 400
        assert last_rule(site) == "open-responses"


def test_ids_of_responses_are_longer_than_those_that_are_taken_back(site):
    answer = site.call("POST", RESPONSES, json=items()).json()
    assert len(answer["output"][0]["id"]) > 180
    site.control.rule_models({"long-ids": False})
    answer = site.call("POST", RESPONSES, json=items()).json()
    assert len(answer["output"][0]["id"]) < 64


def test_one_models_stream_ends_without_a_reason(site):
    body = said(model=INKLING, stream=True)
    streamed = site.call("POST", CHAT, json=body).text
    assert '"finish_reason": "stop"' not in streamed
    assert streamed.endswith("data: [DONE]\n\n")
    site.control.rule_models({"no-finish": False})
    assert '"finish_reason": "stop"' in site.call("POST", CHAT, json=body).text


def test_a_call_of_gemini_3_comes_with_the_signature_that_must_come_back(site):
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    tools = [{"functionDeclarations": [{"name": "bash", "parametersJsonSchema": schema}]}]
    asked = {"role": "user", "parts": [{"text": "run: ls"}]}
    body: dict[str, Any] = {"contents": [asked], "tools": tools}
    reply = site.call("POST", gemini_path(GEMINI_3), json=body).json()["candidates"][0]["content"]
    assert reply["parts"][-1]["thoughtSignature"]
    result = {"functionResponse": {"name": "bash", "response": {"output": "OK"}}}
    body["contents"] += [reply, {"role": "user", "parts": [result]}]
    assert "done: OK" in site.call("POST", gemini_path(GEMINI_3), json=body).text
    for part in reply["parts"]:
        part.pop("thoughtSignature", None)
    assert site.call("POST", gemini_path(GEMINI_3), json=body).status_code == 400
    body["contents"].append({"role": "user", "parts": [{"text": "go on"}]})  # an earlier turn's
    assert site.call("POST", gemini_path(GEMINI_3), json=body).status_code == 200


def test_the_budget_of_a_minute_is_reserved_before_a_request_runs_and_given_back(site):
    site.control.switch(output_tokens_per_minute=20_000)
    response = site.call("POST", MESSAGES, json=said(model=OPUS, max_tokens=32_000))
    assert (response.status_code, response.json()["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
    assert "Retry-After" not in response.headers
    assert "output tokens per minute" in response.json()["message"]
    assert last_rule(site) == "output-budget"
    for _ in range(3):  # what is not used is given back
        assert site.call("POST", MESSAGES, json=said(model=OPUS, max_tokens=19_000)).is_success
    site.control.rule_models({"output-budget": False})
    assert site.call("POST", MESSAGES, json=said(model=OPUS, max_tokens=32_000)).is_success


def test_a_route_that_no_documentation_has_is_404_unless_its_rule_is_off(site):
    calls = {
        "gemini-path": (gemini_path(GEMINI, "/serving-endpoints/google"), contents()),
        "count-tokens": (f"{MESSAGES}/count_tokens", said(model=OPUS)),
    }
    for rule, (path, body) in calls.items():
        assert site.call("POST", path, json=body).status_code == 404
        assert last_rule(site) == rule
        site.control.rule_models({rule: False})
        assert site.call("POST", path, json=body).status_code == 200


def test_an_unknown_model_and_a_wrong_dialect_are_in_the_log(site):
    assert site.call("POST", MESSAGES, json=said(model="claude-opus-4-6")).status_code == 404
    assert last_rule(site) == "unknown-model"
    assert site.call("POST", RESPONSES, json=items(model=KIMI)).status_code == 400
    assert last_rule(site) == "dialect"


def test_a_refusal_has_the_vendors_own_json_in_the_platforms(site):
    body = said(model=GPT, tools=[FUNCTION])
    message = site.call("POST", CHAT, json=body).json()["message"]
    assert json.loads(message)["error"]["type"] == "invalid_request_error"
    message = site.call("POST", MESSAGES, json=said(assistant("a"), model=OPUS)).json()["message"]
    assert "prefill" in json.loads(message)["message"]


def test_an_unknown_rule_changes_nothing(site):
    with pytest.raises(Exception, match="unknown rules"):
        site.control.rule_models({"*": False, "no-such-rule": True})
    assert site.control.rule_models()["long-ids"]["on"]


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("databricks-claude-opus-4-7", Family("claude", "opus", (4, 7))),
        ("system.ai.claude-sonnet-5", Family("claude", "sonnet", (5, 0))),
        ("il_model_service.default.il-claude-opus-5", Family("claude", "opus", (5, 0))),
        ("databricks-gpt-5-mini", Family("gpt", "mini", (5, 0))),
        ("databricks-gpt-5-3-codex", Family("gpt", "codex", (5, 3))),
        ("databricks-gpt-oss-120b", Family("gpt-oss", "", (0, 0))),
        ("databricks-gemini-3-1-pro", Family("gemini", "pro", (3, 1))),
        ("databricks-kimi-k2-7-code", Family("kimi", "code", (2, 7))),
        ("my-model", Family("")),
    ],
)
def test_families_are_read_from_names(name, family):
    assert family_of(name) == family
