"""A turn as a trace in MLflow's form, and how it is written: experiment, record, spans.

Source: mlflow 3.11, ``entities/trace_info.py``, ``entities/span.py`` and what its client sends to
Databricks.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

import httpx

from ...errors import WorkspaceError
from ...secret import Secret
from ...workspace_api import WorkspaceApi
from .transcript import Json, Step, Turn

TRACE_NAME = "claude_code_conversation"
# MLflow's own limits: of a preview, and of a value of the metadata.
PREVIEW_CHARACTERS = 1000
METADATA_CHARACTERS = 250
EXPERIMENTS = "/api/2.0/mlflow/experiments"
TRACES = "/api/3.0/mlflow/traces"
CREDENTIALS = "/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-upload"
UPLOAD_SECONDS = 120.0
BY_NAME = f"{EXPERIMENTS}/get-by-name?experiment_name="


def trace_id(turn: Turn) -> str:
    """Return a trace's id: the same for the same turn, so that none is written twice."""
    return f"tr-{_digest(turn)[:32]}"


def trace_info(turn: Turn, experiment_id: str, user: str) -> Json:
    """Return the record of a trace."""
    duration_seconds = (turn.ended_at - turn.started_at).total_seconds()
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    metadata = {
        "mlflow.trace_schema.version": "3",
        "mlflow.trace.session": turn.session_id,
        "mlflow.trace.user": user,
        "mlflow.source.name": "claude-code",
        "mlflow.traceInputs": turn.prompt[:METADATA_CHARACTERS],
        "mlflow.traceOutputs": turn.answer[:METADATA_CHARACTERS],
        "mlflow.trace.tokenUsage": json.dumps(_tokens(turn.steps)),
    }
    return {
        "trace_id": trace_id(turn),
        "trace_location": place,
        "request_preview": turn.prompt[:PREVIEW_CHARACTERS],
        "response_preview": turn.answer[:PREVIEW_CHARACTERS],
        "request_time": turn.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "execution_duration": f"{duration_seconds:.3f}s",
        "state": "OK",
        "trace_metadata": metadata,
        "tags": {"mlflow.traceName": TRACE_NAME},
    }


def trace_data(turn: Turn) -> Json:
    """Return the spans of a trace: the turn, and below it each message and tool."""
    return {"spans": list(_spans(turn))}


def _spans(turn: Turn) -> Iterator[Json]:
    inputs, outputs = {"prompt": turn.prompt}, {"response": turn.answer}
    whole = Step("AGENT", TRACE_NAME, inputs, outputs, turn.started_at, turn.ended_at)
    yield _span(turn, 0, whole)
    for number, step in enumerate(turn.steps, 1):
        yield _span(turn, number, step)


def _span(turn: Turn, number: int, step: Step) -> Json:
    attributes: Json = {
        "mlflow.traceRequestId": trace_id(turn),
        "mlflow.spanType": step.kind,
        "mlflow.spanInputs": step.inputs,
        "mlflow.spanOutputs": step.outputs,
    }
    if step.kind == "LLM":
        attributes["mlflow.chat.tokenUsage"] = _tokens((step,))
    return {
        "trace_id": _base64(bytes.fromhex(_digest(turn)[:32])),
        "span_id": _span_id(turn, number),
        "parent_span_id": _span_id(turn, 0) if number else None,
        "name": step.name,
        "start_time_unix_nano": _nanoseconds(step.started_at),
        "end_time_unix_nano": _nanoseconds(max(step.started_at, step.ended_at)),
        "events": [],
        "status": {
            "code": "STATUS_CODE_ERROR" if step.has_failed else "STATUS_CODE_OK",
            "message": "",
        },
        "attributes": {name: json.dumps(value) for name, value in attributes.items()},
    }


def _tokens(steps: tuple[Step, ...]) -> dict[str, int]:
    given = sum(step.input_tokens for step in steps)
    made = sum(step.output_tokens for step in steps)
    return {"input_tokens": given, "output_tokens": made, "total_tokens": given + made}


def _digest(turn: Turn) -> str:
    return hashlib.sha256(f"{turn.session_id}/{turn.uuid}".encode()).hexdigest()


def _span_id(turn: Turn, number: int) -> str:
    return _base64(hashlib.sha256(f"{_digest(turn)}/{number}".encode()).digest()[:8])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


async def experiment_id(api: WorkspaceApi, token: Secret, name: str) -> str:
    """Return the id of an experiment, created if it is missing.  Raises WorkspaceError."""
    try:
        found = await api.get_json(BY_NAME + quote(name, safe=""), token)
        return str(found["experiment"]["experiment_id"])
    except WorkspaceError as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    made = await api.call("POST", f"{EXPERIMENTS}/create", token, json={"name": name})
    return str(made.json()["experiment_id"])


async def write_trace(api: WorkspaceApi, token: Secret, info: Json, data: Json) -> None:
    """Write a trace's record, and its spans.  Raises WorkspaceError."""
    body = {"trace": {"trace_info": info}}
    await api.call("POST", TRACES, token, json=body)
    path = CREDENTIALS.format(trace_id=info["trace_id"])
    credential = (await api.get_json(path, token))["credential_info"]
    await _upload(credential, data)


async def _upload(credential: Json, data: Json) -> None:
    """Store the spans at a signed URL of the cloud, without the token."""
    headers = {header["name"]: header["value"] for header in credential.get("headers", [])}
    tls = await asyncio.to_thread(httpx.create_ssl_context)  # to read all certificates takes 25 ms
    try:
        async with (
            asyncio.timeout(UPLOAD_SECONDS),
            httpx.AsyncClient(timeout=30.0, headers=headers, verify=tls) as storage,
        ):
            for request in upload_requests(storage, credential, json.dumps(data).encode()):
                answer = await storage.send(request)
                if not answer.is_success:
                    raise WorkspaceError(
                        f"The trace storage refuses the spans (HTTP {answer.status_code})."
                    )
    except (
        httpx.HTTPError,
        TimeoutError,
    ) as error:  # ``from None``: its text may hold the signature
        reason = type(error).__name__
        raise WorkspaceError(f"The trace storage does not answer ({reason}).") from None


def upload_requests(
    storage: httpx.AsyncClient, credential: Json, data: bytes
) -> list[httpx.Request]:
    """Return the requests that store data at a signed URL, which differ by cloud."""
    url, kind = credential["signed_uri"], credential["type"]
    if kind == "AZURE_ADLS_GEN2_SAS_URI":  # create, append, flush
        size = len(data)
        return [
            storage.build_request("PUT", f"{url}&resource=file"),
            storage.build_request("PATCH", f"{url}&action=append&position=0", content=data),
            storage.build_request("PATCH", f"{url}&action=flush&position={size}"),
        ]
    headers = {"x-ms-blob-type": "BlockBlob"} if kind == "AZURE_SAS_URI" else {}
    return [storage.build_request("PUT", url, content=data, headers=headers)]
