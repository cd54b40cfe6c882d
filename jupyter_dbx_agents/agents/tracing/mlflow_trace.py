"""A turn as a trace in MLflow's form: its record, and its spans.  Pure functions.

Source: mlflow 3.11, ``entities/trace_info.py`` and ``entities/span.py``, of which a reader of ours
is checked with that client.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from .transcript import Step, Turn

Json = dict[str, Any]
TRACE_NAME = "claude_code_conversation"
# MLflow's own limits: of a preview, and of a value of the metadata.
PREVIEW_CHARACTERS = 1000
METADATA_CHARACTERS = 250


def trace_id(turn: Turn) -> str:
    """Return a trace's id: the same for the same turn, so that none is logged twice."""
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
