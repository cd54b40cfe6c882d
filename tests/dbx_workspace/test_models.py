"""Model calls in four dialects, on every base path, over the wire."""

from __future__ import annotations

import json

import pytest

CLAUDE, GPT, MINI, GEMINI = (
    "databricks-claude-opus-4-7",
    "databricks-gpt-5-5",
    "databricks-gpt-5-mini",
    "databricks-gemini-2-5-pro",
)
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "bash", "parameters": SHELL}}]
GEMINI_TOOLS = [
    {"functionDeclarations": [{"name": "run_shell_command", "parametersJsonSchema": SHELL}]}
]


def anthropic(prompt, **more):
    return {"model": CLAUDE, "messages": [{"role": "user", "content": prompt}], **more}


def responses(prompt, **more):
    content = [{"type": "input_text", "text": prompt}]
    return {
        "model": GPT,
        "input": [{"type": "message", "role": "user", "content": content}],
        **more,
    }


def chat(prompt, **more):
    return {"model": GPT, "messages": [{"role": "user", "content": prompt}], **more}


def gemini(prompt, **more):
    return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}


GEMINI_CALL = f"/v1beta/models/{GEMINI}:"
ROUTES = [
    *[(f"{base}/v1/messages", anthropic) for base in (
        "/ai-gateway/anthropic", "/anthropic", "/serving-endpoints/anthropic")],
    *[(f"{base}/responses", responses) for base in (
        "/ai-gateway/codex/v1", "/ai-gateway/openai/v1", "/openai/v1", "/serving-endpoints")],
    *[(f"{base}/chat/completions", chat) for base in (
        "/ai-gateway/mlflow/v1", "/ai-gateway/openai/v1", "/mlflow/v1", "/serving-endpoints")],
    (f"/serving-endpoints/{GPT}/invocations", chat),
    *[(f"{base}{GEMINI_CALL}generateContent", gemini) for base in (
        "/ai-gateway/gemini", "/gemini", "/serving-endpoints/gemini")],
]  # fmt: skip
GATEWAY_ROUTES = [(path, body) for path, body in ROUTES if "serving-endpoints" not in path]


def text_in(answer):
    if "content" in answer:
        return answer["content"][0]["text"]
    if "output" in answer:
        return answer["output"][0]["content"][0]["text"]
    if "choices" in answer:
        return answer["choices"][0]["message"]["content"]
    return answer["candidates"][0]["content"]["parts"][0]["text"]


def events(response):
    assert response.headers["Content-Type"] == "text/event-stream"
    found = []
    for block in response.text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        if lines["data"] != "[DONE]":
            data = json.loads(lines["data"])
            assert lines.get("event", data.get("type")) == data.get("type")
            found.append(data)
    return found


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_every_base_path_is_served(site, path, body):
    response = site.call("POST", path, json=body("hello there"))
    assert response.status_code == 200
    assert text_in(response.json()) == "echo: hello there"


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_a_dead_token_is_a_400_at_the_gateway_and_a_403_elsewhere(site, path, body):
    response = site.call("POST", path, "dapi" + "0" * 32, json=body("x"))
    if (path, body) in GATEWAY_ROUTES:
        assert (response.status_code, response.json()["message"]) == (400, "Invalid Token")
    else:
        assert (response.status_code, response.json()["error_code"]) == (403, 403)


@pytest.mark.parametrize(("path", "body"), ROUTES)
def test_only_a_bearer_token_is_a_credential(site, path, body):
    for name in ("x-api-key", "x-goog-api-key"):
        assert site.http.post(path, json=body("x"), headers={name: site.pat}).status_code == 401


@pytest.mark.parametrize(("path", "body"), GATEWAY_ROUTES)
def test_without_a_gateway_its_paths_are_404(site, path, body):
    site.control.switch(gateway_present=False)
    assert site.call("POST", path, json=body("x")).status_code == 404
    assert site.call("GET", "/api/ai-gateway/v2/endpoints").status_code == 404
    assert site.call("POST", "/serving-endpoints/responses", json=responses("x")).status_code == 200


def test_an_anthropic_stream_has_its_event_sequence(site):
    tools = [{"name": "Bash", "input_schema": SHELL}]
    body = anthropic("run: ls", stream=True, tools=tools)
    seen = events(site.call("POST", "/ai-gateway/anthropic/v1/messages?beta=true", json=body))
    kinds = [e["type"] for e in seen]
    assert kinds == [
        "message_start", "ping",
        "content_block_start", "content_block_delta", "content_block_stop",
        "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert seen[0]["message"]["usage"]["input_tokens"] > 0
    assert [e["index"] for e in seen if "index" in e] == [0, 0, 0, 1, 1, 1, 1]
    pieces = [
        e["delta"].get("partial_json", "") for e in seen if e["type"] == "content_block_delta"
    ]
    assert json.loads("".join(pieces)) == {"command": "ls"}
    assert seen[5]["content_block"]["name"] == "Bash"
    assert seen[-2]["delta"]["stop_reason"] == "tool_use"
    assert seen[-2]["usage"]["output_tokens"] > 0


def test_a_responses_stream_has_its_event_sequence(site):
    tools = [{"type": "function", "name": "shell", "parameters": SHELL}]
    body = responses("run: ls", stream=True, tools=tools)
    seen = events(site.call("POST", "/ai-gateway/codex/v1/responses", json=body))
    assert [e["sequence_number"] for e in seen] == list(range(len(seen)))
    assert [e["type"].removeprefix("response.") for e in seen] == [
        "created", "in_progress",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done", "completed",
    ]  # fmt: skip
    final = seen[-1]["response"]
    assert final["id"] == seen[0]["response"]["id"]
    assert final["output"][1] == seen[-2]["item"]
    assert json.loads(final["output"][1]["arguments"]) == {"command": "ls"}
    usage = final["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_a_chat_stream_has_chunks_usage_and_done(site):
    usage = {"include_usage": True}
    body = chat("run: ls", model=MINI, stream=True, tools=CHAT_TOOLS, stream_options=usage)
    response = site.call("POST", "/ai-gateway/mlflow/v1/chat/completions", json=body)
    assert response.text.endswith("data: [DONE]\n\n")
    seen = events(response)
    assert len({e["id"] for e in seen}) == 1
    assert seen[0]["choices"][0]["delta"]["role"] == "assistant"
    call = seen[2]["choices"][0]["delta"]["tool_calls"][0]
    assert (call["index"], call["function"]["name"]) == (0, "bash")
    assert seen[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert seen[-1]["usage"]["total_tokens"] > 0


def test_a_gemini_stream_ends_with_its_call(site):
    path = f"/ai-gateway/gemini{GEMINI_CALL}streamGenerateContent?alt=sse"
    seen = events(site.call("POST", path, json=gemini("run: ls", tools=GEMINI_TOOLS)))
    last = seen[-1]["candidates"][0]
    assert last["finishReason"] == "STOP"
    assert last["content"]["parts"][0]["functionCall"]["args"] == {"command": "ls"}
    assert seen[-1]["usageMetadata"]["totalTokenCount"] > 0


def test_tool_results_are_read_in_every_dialect(site):
    result = [
        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "OK"}]}
    ]
    body = anthropic("run: ls", tools=[{"name": "Bash", "input_schema": SHELL}])
    body["messages"] += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "Bash"}]},
        {"role": "user", "content": result},
    ]
    cases = [("/anthropic/v1/messages", body)]
    body = responses("run: ls", tools=[{"type": "function", "name": "sh", "parameters": SHELL}])
    body["input"] += [
        {"type": "function_call", "call_id": "1", "name": "sh", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "OK"},
    ]
    cases.append(("/openai/v1/responses", body))
    body = chat("run: ls", model=MINI, tools=CHAT_TOOLS)
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "OK"},
    ]
    cases.append(("/mlflow/v1/chat/completions", body))
    body = gemini("run: ls", tools=GEMINI_TOOLS)
    answer = {"functionResponse": {"name": "run_shell_command", "response": {"output": "OK"}}}
    body["contents"] += [{"role": "user", "parts": [answer]}]
    cases.append((f"/gemini{GEMINI_CALL}generateContent", body))
    for path, given in cases:
        assert text_in(site.call("POST", path, json=given).json()) == "done: OK", path


@pytest.mark.parametrize(
    ("model", "path", "status", "code"),
    [
        ("databricks-nothing", "/ai-gateway/anthropic/v1/messages", 404, "RESOURCE_DOES_NOT_EXIST"),
        (
            "databricks-nothing",
            "/serving-endpoints/anthropic/v1/messages",
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        (GPT, "/ai-gateway/anthropic/v1/messages", 400, "BAD_REQUEST"),
        ("databricks-claude-opus-5", "/anthropic/v1/messages", 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_models_that_cannot_be_called_are_errors(site, model, path, status, code):
    response = site.call("POST", path, json={**anthropic("x"), "model": model})
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert model in response.json()["message"]


def test_a_unity_catalog_name_is_the_same_model(site):
    body = {**anthropic("x"), "model": "system.ai.claude-opus-4-7"}
    assert site.call("POST", "/anthropic/v1/messages", json=body).status_code == 200


def test_a_scoped_token_needs_the_query_scope(site):
    scoped = site.control.mint("owner@example.com", scopes=["authentication"]).token_value
    response = site.call("POST", "/anthropic/v1/messages", scoped, json=anthropic("x"))
    assert response.status_code == 403
    scoped = site.control.mint(
        "owner@example.com", scopes=["serving.serving-endpoints-query"]
    ).token_value
    response = site.call("POST", "/anthropic/v1/messages", scoped, json=anthropic("x"))
    assert response.status_code == 200


def test_tokens_are_counted(site):
    site.control.rule_models({"count-tokens": False})
    path = "/ai-gateway/anthropic/v1/messages/count_tokens"
    assert site.call("POST", path, json=anthropic("x" * 400)).json()["input_tokens"] == 101
    path = f"/gemini{GEMINI_CALL}countTokens"
    assert site.call("POST", path, json=gemini("x" * 400)).json() == {"totalTokens": 101}


def test_the_served_models_are_in_four_lists(site):
    names = [e.name for e in site.sdk().serving_endpoints.list()]
    assert CLAUDE in names
    listed = site.call("GET", "/api/2.0/serving-endpoints:foundation-models").json()["endpoints"]
    model = next(e for e in listed if e["name"] == CLAUDE)
    foundation_model = model["config"]["served_entities"][0]["foundation_model"]
    assert foundation_model["api_types"] == ["anthropic/v1/messages", "mlflow/v1/chat/completions"]
    assert foundation_model["ai_gateway_v2_supported"] is True
    assert {e["state"]["ready"] for e in listed} == {"READY", "NOT_READY"}
    ids = [m["id"] for m in site.call("GET", "/ai-gateway/anthropic/v1/models").json()["data"]]
    assert CLAUDE in ids
    assert "databricks-claude-opus-5" not in ids


def test_model_services_are_paged(site):
    path, names, token = "/api/2.1/unity-catalog/model-services", [], ""
    while True:
        query = {"parent": "schemas/system.ai", "page_size": 7, "page_token": token or None}
        page = site.call("GET", path, params={k: v for k, v in query.items() if v}).json()
        assert len(page["model_services"]) <= 7
        names += [s["name"] for s in page["model_services"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert "model-services/system.ai.claude-opus-4-7" in names
    assert len(names) == len(set(names)) == len(site.workspace.models.all())


def test_a_slow_stream_arrives_in_chunks_and_outlives_its_token(site):
    sample = site.control.mint("owner@example.com")
    body = anthropic("stream: 30 chunks every 10 ms", stream=True)
    headers = {"Authorization": f"Bearer {sample.token_value}"}
    with site.http.stream("POST", "/anthropic/v1/messages", json=body, headers=headers) as response:
        pieces = response.iter_text()
        first = next(pieces)
        assert "end of stream" not in first
        site.control.revoke(sample.token_id)
        assert "end of stream" in "".join(pieces)
    assert site.call("POST", "/anthropic/v1/messages", sample.token_value).status_code == 400


def test_a_client_that_leaves_is_logged(site):
    body = anthropic("stream: 1000 chunks every 20 ms", stream=True)
    headers = {"Authorization": f"Bearer {site.pat}"}
    with site.http.stream("POST", "/anthropic/v1/messages", json=body, headers=headers) as response:
        next(response.iter_text())
    site.control.wait_for(
        lambda c: c.requests(path="/anthropic")[0]["outcome"] == "client_gone", "the client leave"
    )


def test_a_call_may_come_without_a_word_in_every_dialect(site):
    chat_body = chat("just run: ls", model=MINI, tools=CHAT_TOOLS)
    cases = [
        ("/anthropic/v1/messages", anthropic(
            "just run: ls", tools=[{"name": "Bash", "input_schema": SHELL}])),
        ("/openai/v1/responses", responses(
            "just run: ls", tools=[{"type": "function", "name": "sh", "parameters": SHELL}])),
        ("/mlflow/v1/chat/completions", chat_body),
        (f"/gemini{GEMINI_CALL}generateContent", gemini("just run: ls", tools=GEMINI_TOOLS)),
    ]  # fmt: skip
    for path, body in cases:
        answer = site.call("POST", path, json=body).text
        assert "ls" in answer, path
        assert "Running" not in answer, path
        streamed = path.replace(":generate", ":streamGenerate")
        seen = events(site.call("POST", streamed, json={**body, "stream": True}))
        assert "ls" in json.dumps(seen), path
        assert "Running" not in json.dumps(seen), path
    message = site.call("POST", "/mlflow/v1/chat/completions", json=chat_body).json()
    assert message["choices"][0]["message"]["content"] is None
