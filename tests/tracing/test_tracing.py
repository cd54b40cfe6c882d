"""A turn of Claude Code lands in MLflow, as reading it back from the workspace shows."""

import asyncio
import base64
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from dbx_workspace.faults import Fault
from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.agents.tracing import SessionTracer
from jupyter_dbx_agents.agents.tracing.mlflow import upload_requests
from jupyter_dbx_agents.agents.tracing.transcript import MOST_CHARACTERS, last_turn
from jupyter_dbx_agents.errors import RequestError
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi
from tests.support.constants import OWNER

EXPERIMENT = f"/Users/{OWNER}/my-app"
SESSION = "43c38cf1-31f5-4c86-8a30-56a3c7c10938"


def entry(kind: str, second: int, content: Any, **rest: Any) -> dict[str, Any]:
    message = {"role": kind, "content": content, **rest.pop("message", {})}
    at = f"2026-11-25T03:18:{second:02}.250Z"
    ids = {"uuid": f"u{second}", "sessionId": SESSION, "timestamp": at}
    return {"type": kind, "message": message, **ids, **rest}


def usage(given: int, made: int) -> dict[str, Any]:
    tokens = {"input_tokens": given, "cache_read_input_tokens": 5, "output_tokens": made}
    return {"model": "databricks-claude-opus-4-7", "usage": tokens}


CALL = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "a b", "is_error": True}
TURNS = [
    {"type": "queue-operation", "operation": "enqueue"},
    entry("user", 1, "earlier"),
    entry("assistant", 2, [{"type": "text", "text": "done earlier"}]),
    entry("user", 3, "a caveat", isMeta=True),
    entry("user", 10, [{"type": "text", "text": "list é"}]),
    {"type": "attachment", "attachment": {}},
    entry("assistant", 12, [{"type": "text", "text": "I look."}], message=usage(1, 2)),
    entry("assistant", 13, [CALL], message=usage(10, 20)),
    entry("user", 14, [RESULT]),
    entry("user", 14, "of a subagent", isSidechain=True),
    entry("assistant", 16, [{"type": "text", "text": "a and b"}], message=usage(100, 200)),
    {"type": "last-prompt", "lastPrompt": "list é"},
]


def lines(entries: list[dict[str, Any]]) -> list[str]:
    return [json.dumps(one) + "\n" for one in entries]


# ---- the transcript


def test_the_last_turn_holds_the_question_the_steps_and_the_answer():
    turn = last_turn(lines(TURNS))
    assert turn is not None
    assert (turn.session_id, turn.uuid, turn.prompt, turn.answer) == (
        SESSION,
        "u10",
        "list é",
        "a and b",
    )
    assert (turn.ended_at - turn.started_at).total_seconds() == 6
    said, called, ran, answered = turn.steps
    assert [step.kind for step in turn.steps] == ["LLM", "LLM", "TOOL", "LLM"]
    assert (said.inputs, said.input_tokens, said.output_tokens) == ("list é", 6, 2)
    assert called.outputs == [CALL]
    assert (ran.name, ran.inputs, ran.outputs, ran.has_failed) == (
        "Bash",
        {"command": "ls"},
        "a b",
        True,
    )
    assert answered.inputs == [RESULT]


@pytest.mark.parametrize("count", range(len(TURNS) + 1))
def test_a_transcript_may_end_anywhere(count):
    whole = "".join(lines(TURNS[:count]))
    for cut in (whole, whole[:-2], whole[: len(whole) // 2]):
        last_turn(cut.splitlines())


@pytest.mark.parametrize(
    "line",
    [
        *("", "x", "[]", "1", '{"type": "user"}'),
        '{"type": "user", "message": {"content": 7}}',
        '{"type": "user", "message": {"content": [1, {"type": "text"}]}, "timestamp": "soon"}',
    ],
)
def test_lines_of_any_shape_do_no_harm(line):
    last_turn([line, *lines(TURNS), line])


def test_long_texts_are_shortened():
    turn = last_turn(lines([entry("user", 1, "x" * 1_000_000)]))
    assert turn is not None
    assert len(turn.prompt) == MOST_CHARACTERS


# ---- landing


@dataclass
class Site:
    """A tracer before a local workspace, and a home with a transcript."""

    tracer: SessionTracer
    server: LocalWorkspace
    pat: str
    transcript: Path

    def take(self, **session: str) -> None:
        self.tracer.take({"transcript_path": str(self.transcript), **session})

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.server.url, verify=False) as http:
            headers = {"Authorization": f"Bearer {self.pat}"}
            reply = await http.request(method, path, headers=headers, **options)
            return reply.json()

    async def traces(self) -> list[dict[str, Any]]:
        """Read all traces back, as MLflow's client does."""
        path = "/api/2.0/mlflow/experiments/get-by-name"
        found = await self.ask("GET", path, params={"experiment_name": EXPERIMENT})
        if "experiment" not in found:
            return []
        place = {"mlflow_experiment": {"experiment_id": found["experiment"]["experiment_id"]}}
        search = {"locations": [{"type": "MLFLOW_EXPERIMENT", **place}]}
        return list(
            (await self.ask("POST", "/api/3.0/mlflow/traces/search", json=search))["traces"]
        )

    async def spans(self, trace_id: str) -> list[dict[str, Any]]:
        path = f"/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-download"
        credential = (await self.ask("GET", path))["credential_info"]
        async with httpx.AsyncClient(verify=False) as storage:
            return list((await storage.get(credential["signed_uri"])).json()["spans"])

    async def until(self, condition: Any) -> Any:
        async with asyncio.timeout(60):
            while not (value := await condition()):
                await asyncio.sleep(0.01)
            return value


@contextlib.asynccontextmanager
async def site_in(home: Path, **options: Any) -> AsyncIterator[Site]:
    folder = home / ".claude" / "projects" / "p"
    folder.mkdir(parents=True)
    transcript = folder / f"{SESSION}.jsonl"
    transcript.write_text("".join(lines(TURNS)))
    server = LocalWorkspace()
    await server.start()
    server.workspace.add_user(OWNER)
    pat, _ = server.workspace.tokens.mint(OWNER, lifetime_seconds=900)
    api = WorkspaceApi(server.url)
    tracer = SessionTracer(
        api,
        lambda: Secret(pat),
        lambda: OWNER,
        home=home,
        app_name="my-app",
        **{"enabled": True, **options},
    )
    running = asyncio.create_task(tracer.run())
    try:
        yield Site(tracer, server, pat, transcript)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await api.close()
        await server.stop()


async def test_a_turn_lands_and_can_be_read_back(tmp_path):
    async with site_in(tmp_path) as site:
        site.take(last_assistant_message="a and b")
        (info,) = await site.until(site.traces)
        assert info["request_preview"] == "list é"
        assert info["response_preview"] == "a and b"
        assert info["trace_metadata"]["mlflow.trace.session"] == SESSION
        assert info["trace_metadata"]["mlflow.trace.user"] == OWNER
        assert json.loads(info["trace_metadata"]["mlflow.trace.tokenUsage"]) == {
            "input_tokens": 126,
            "output_tokens": 222,
            "total_tokens": 348,
        }

        async def written() -> bool:
            return bool(site.tracer.status()["traces"])

        await site.until(written)
        root, *steps = await site.spans(info["trace_id"])
        assert [json.loads(span["attributes"]["mlflow.spanType"]) for span in (root, *steps)] == [
            "AGENT",
            "LLM",
            "LLM",
            "TOOL",
            "LLM",
        ]
        assert root["parent_span_id"] is None
        assert {span["parent_span_id"] for span in steps} == {root["span_id"]}
        assert base64.b64decode(root["trace_id"]).hex() == info["trace_id"].removeprefix("tr-")
        assert steps[2]["status"]["code"] == "STATUS_CODE_ERROR"
        assert site.tracer.status() == {
            "enabled": True,
            "experiment": EXPERIMENT,
            "traces": 1,
            "message": "",
        }


async def test_the_same_turn_is_written_once_and_the_next_one_too(tmp_path):
    async with site_in(tmp_path) as site:
        for _ in range(3):
            site.take()
        await site.until(site.traces)
        later = [entry("user", 20, "next"), entry("assistant", 21, "last words")]
        with site.transcript.open("a") as file:
            file.writelines(lines(later))
        site.take()

        async def both() -> bool:
            return len(await site.traces()) == 2

        await site.until(both)
        assert site.server.workspace.traces.experiment_named(EXPERIMENT)


async def test_an_answer_that_is_not_yet_in_the_file_is_waited_for(tmp_path):
    async with site_in(tmp_path) as site:
        site.transcript.write_text("".join(lines(TURNS[:-2])))
        site.take(last_assistant_message="a and b")
        await asyncio.sleep(0.3)
        assert await site.traces() == []
        site.transcript.write_text("".join(lines(TURNS)))
        (info,) = await site.until(site.traces)
        assert info["response_preview"] == "a and b"


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "{home}/secret.jsonl", "{home}/.claude/projects/../x.jsonl"]
)
async def test_nothing_but_a_transcript_is_published(tmp_path, path):
    (tmp_path / "secret.jsonl").write_text("".join(lines(TURNS)))
    async with site_in(tmp_path) as site:
        link = site.transcript.with_name("link.jsonl")
        link.symlink_to(tmp_path / "secret.jsonl")
        for wanted in (path.format(home=tmp_path), str(link)):
            with pytest.raises(RequestError, match="Not a Claude Code transcript"):
                site.tracer.take({"transcript_path": wanted})


async def test_it_is_off_unless_it_is_switched_on(tmp_path):
    async with site_in(tmp_path, enabled=False) as site:
        with pytest.raises(RequestError, match="off"):
            site.take()
        assert site.tracer.status()["experiment"] == ""


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("/api/2.0/mlflow", "status", status=403, message="no"), "no"),
        (Fault("/api/3.0/mlflow", "status", status=503), "cannot answer"),
        (Fault("/api/3.0/mlflow", "hang"), "within 1 s"),
    ],
)
async def test_a_workspace_in_trouble_is_said_and_the_next_turn_is_written(
    tmp_path, caplog, fault, message
):
    async with site_in(tmp_path, ceiling_seconds=1.0) as site:
        site.server.workspace.faults.add(fault)
        with caplog.at_level(logging.WARNING):
            site.take()

            async def said() -> bool:
                return message in site.tracer.status()["message"]

            await site.until(said)
        assert site.pat not in caplog.text
        site.server.workspace.faults.clear(None)
        site.take()
        assert await site.until(site.traces)


async def test_a_broken_transcript_is_said_and_the_next_one_is_written(tmp_path):
    async with site_in(tmp_path) as site:
        whole = site.transcript.read_text()
        site.transcript.unlink()
        site.take()

        async def said() -> bool:
            return "could not be written" in site.tracer.status()["message"]

        await site.until(said)
        site.transcript.write_text(whole)
        site.take()
        assert await site.until(site.traces)


@pytest.mark.parametrize(
    ("kind", "requests"),
    [
        ("AWS_PRESIGNED_URL", ["PUT https://s/x?sig=1"]),
        ("GCP_SIGNED_URL", ["PUT https://s/x?sig=1"]),
        ("AZURE_SAS_URI", ["PUT https://s/x?sig=1"]),
        (
            "AZURE_ADLS_GEN2_SAS_URI",
            [
                "PUT https://s/x?sig=1&resource=file",
                "PATCH https://s/x?sig=1&action=append&position=0",
                "PATCH https://s/x?sig=1&action=flush&position=4",
            ],
        ),
    ],
)
async def test_each_clouds_storage_is_spoken_to_in_its_way(kind, requests):
    credential = {"type": kind, "signed_uri": "https://s/x?sig=1"}
    async with httpx.AsyncClient() as storage:
        made = upload_requests(storage, credential, b"data")
    assert [f"{request.method} {request.url}" for request in made] == requests
    assert [request.content for request in made if request.content] == [b"data"]
    assert ("x-ms-blob-type" in made[0].headers) is (kind == "AZURE_SAS_URI")
