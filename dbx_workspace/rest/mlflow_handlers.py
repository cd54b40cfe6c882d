"""The operations of the MLflow APIs, as MLflow's client for Databricks calls them.

The spans of a trace bypass the API: it returns a presigned URL of the cloud's storage, to which the
client sends no token of the workspace.
"""

from __future__ import annotations

import json

from tornado import web

from .. import platform_errors as errors
from ..state import Workspace
from ..web import ApiHandler, Json, Operations, Route, routes
from .mlflow import Trace


def _experiment_named(call: ApiHandler) -> Json:
    """Return the experiment at a workspace path."""
    name = call.get_query_argument("experiment_name", "")
    return {"experiment": call.workspace.traces.experiment_named(name)}


def _experiment(call: ApiHandler) -> Json:
    """Return the experiment with this id."""
    experiment_id = call.get_query_argument("experiment_id", "")
    return {"experiment": call.workspace.traces.experiment(experiment_id)}


def _create_experiment(call: ApiHandler) -> Json:
    """Create an experiment in an existing folder of the workspace."""
    name = str(call.json_body().get("name", ""))
    if not name.startswith("/"):
        raise errors.invalid_parameter(
            f"Got an invalid experiment name '{name}'. An experiment name must be an absolute "
            "path within the Databricks workspace."
        )
    call.workspace.files.get(call.token.principal, name.rpartition("/")[0])
    experiment = call.workspace.traces.create_experiment(name)
    return {"experiment_id": experiment["experiment_id"]}


def _start_trace(call: ApiHandler) -> Json:
    """Store a finished trace's record."""
    info = (call.json_body().get("trace") or {}).get("trace_info")
    if not isinstance(info, dict) or not str(info.get("trace_id", "")).startswith("tr-"):
        raise errors.invalid_parameter("Missing value for required parameter 'trace_info'.")
    return {"trace": {"trace_info": call.workspace.traces.start_trace(info)}}


def _trace(call: ApiHandler, trace_id: str) -> Json:
    """Return a trace's record."""
    return {"trace": {"trace_info": call.workspace.traces.trace(trace_id).info}}


def _search_traces(call: ApiHandler) -> Json:
    """Return the traces' records of some experiments; filters are not implemented."""
    places = call.json_body().get("locations") or []
    ids = [str(place["mlflow_experiment"]["experiment_id"]) for place in places]
    return {"traces": call.workspace.traces.search(ids)}


def _storage_credentials(call: ApiHandler, trace_id: str, _direction: str) -> Json:
    """Return the presigned URL of a trace's spans."""
    trace = call.workspace.traces.trace(trace_id)
    host = f"{call.request.protocol}://{call.request.host}"
    uri = f"{host}/_storage/traces/{trace_id}?signature={trace.upload_key}"
    info = {"path": "traces.json", "signed_uri": uri, "type": "AWS_PRESIGNED_URL"}
    return {"credential_info": {**info, "headers": []}}


def mlflow_routes(workspace: Workspace) -> list[Route]:
    """Return the routes of the MLflow APIs and of the storage."""
    experiments, traces = r"/api/2\.0/mlflow/experiments", r"/api/3\.0/mlflow/traces"
    credentials = r"/api/2\.0/mlflow/traces/([^/]+)/credentials-for-data-(upload|download)"
    operations: Operations = {
        f"{experiments}/get-by-name": {"GET": _experiment_named},
        f"{experiments}/get": {"GET": _experiment},
        f"{experiments}/create": {"POST": _create_experiment},
        traces: {"POST": _start_trace},
        f"{traces}/search": {"POST": _search_traces},
        f"{traces}/([^/]+)": {"GET": _trace},
        credentials: {"GET": _storage_credentials},
    }
    storage = (r"/_storage/traces/([^/]+)", StorageHandler, {"workspace": workspace})
    return [*routes(workspace, operations, scope="mlflow"), storage]


class StorageHandler(web.RequestHandler):
    """The cloud's storage at ``/_storage/traces/{id}``, which checks signatures, not tokens."""

    def initialize(self, workspace: Workspace) -> None:
        """Store the workspace whose storage this is."""
        self.workspace = workspace

    def put(self, trace_id: str) -> None:
        """Store the spans."""
        trace = self._signed(trace_id)
        if trace is not None:
            json.loads(self.request.body)
            trace.data = self.request.body

    def get(self, trace_id: str) -> None:
        """Return the spans."""
        trace = self._signed(trace_id)
        if trace is not None:
            self.set_status(404 if trace.data is None else 200)
            self.finish(trace.data or b"<Error><Code>NoSuchKey</Code></Error>")

    def _signed(self, trace_id: str) -> Trace | None:
        """Return the trace if the signature is right; AWS rejects a second credential."""
        trace = self.workspace.traces.trace(trace_id)
        is_signed = self.get_query_argument("signature", "") == trace.upload_key
        if is_signed and "Authorization" not in self.request.headers:
            return trace
        self.set_status(400 if is_signed else 403)
        self.finish(b"<Error><Code>InvalidArgument</Code></Error>")
        return None
