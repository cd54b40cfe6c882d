"""The store of MLflow experiments and traces, without HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from ..platform_errors import PlatformError, not_found

Json = dict[str, Any]


@dataclass
class Trace:
    """One trace: its record, and its spans once they are uploaded."""

    info: Json
    upload_key: str = field(default_factory=lambda: secrets.token_hex(16))
    data: bytes | None = None


class TraceStore:
    """Experiments by name, and their traces."""

    def __init__(self) -> None:
        self._experiments: dict[str, Json] = {}
        self._traces: dict[str, Trace] = {}

    def experiment_named(self, name: str) -> Json:
        """Return the experiment at a workspace path."""
        if name not in self._experiments:
            raise not_found(f"Node {name} does not exist.")
        return self._experiments[name]

    def experiment(self, experiment_id: str) -> Json:
        """Return the experiment with this id."""
        for experiment in self._experiments.values():
            if experiment["experiment_id"] == experiment_id:
                return experiment
        raise not_found(f"Experiment with ID {experiment_id} does not exist.")

    def create_experiment(self, name: str) -> Json:
        """Create an experiment; raise ``PlatformError`` if one of that name exists."""
        if name in self._experiments:
            raise PlatformError(
                400, "RESOURCE_ALREADY_EXISTS", f"Node named '{name}' already exists"
            )
        experiment_id = str(secrets.randbelow(10**16))
        experiment = {
            "experiment_id": experiment_id,
            "name": name,
            "artifact_location": f"dbfs:/databricks/mlflow-tracking/{experiment_id}",
            "lifecycle_stage": "active",
        }
        self._experiments[name] = experiment
        return experiment

    def start_trace(self, info: Json) -> Json:
        """Store a trace's record; return it with the location of its spans."""
        experiment_id = info["trace_location"]["mlflow_experiment"]["experiment_id"]
        location = self.experiment(experiment_id)["artifact_location"]
        trace_id = str(info["trace_id"])
        tags = {**info.get("tags", {})}
        tags["mlflow.artifactLocation"] = f"{location}/{trace_id}/artifacts"
        self._traces[trace_id] = Trace({**info, "tags": tags})
        return self._traces[trace_id].info

    def trace(self, trace_id: str) -> Trace:
        """Return the trace with this id."""
        if trace_id not in self._traces:
            raise not_found(f"Trace with ID {trace_id} does not exist.")
        return self._traces[trace_id]

    def search(self, experiment_ids: list[str]) -> list[Json]:
        """Return the records of the experiments' traces, newest first."""
        infos = [
            trace.info
            for trace in self._traces.values()
            if trace.info["trace_location"]["mlflow_experiment"]["experiment_id"] in experiment_ids
        ]
        return sorted(infos, key=lambda info: str(info.get("request_time", "")), reverse=True)
