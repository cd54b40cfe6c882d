"""The MLflow APIs over HTTP, as its client for Databricks calls them.

The spans of a trace do not pass through the API: it lends an address in the cloud's storage, signed
and short-lived, to which no token of the workspace is sent.
"""

from __future__ import annotations

import json

from tornado import web

from .. import platform_errors as errors
from ..state import Workspace
from ..web import WorkspaceHandler
from .mlflow import Trace


class MlflowHandler(WorkspaceHandler):
    """What they share: the scope."""

    required_scope = "mlflow"


class ExperimentByNameHandler(MlflowHandler):
    """`GET /api/2.0/mlflow/experiments/get-by-name`."""

    def get(self) -> None:
        """Answers with the experiment of a path."""
        name = self.get_query_argument("experiment_name", "")
        self.write_json({"experiment": self.workspace.traces.experiment_named(name)})


class ExperimentHandler(MlflowHandler):
    """`GET /api/2.0/mlflow/experiments/get`."""

    def get(self) -> None:
        """Answers with the experiment of an id."""
        experiment_id = self.get_query_argument("experiment_id", "")
        self.write_json({"experiment": self.workspace.traces.experiment(experiment_id)})


class ExperimentCreateHandler(MlflowHandler):
    """`POST /api/2.0/mlflow/experiments/create`."""

    def post(self) -> None:
        """Creates one; its folder must exist, as for every object of the workspace."""
        name = str(self.json_body().get("name", ""))
        if not name.startswith("/"):
            raise errors.invalid_parameter(
                f"Got an invalid experiment name '{name}'. An experiment name must be an absolute "
                "path within the Databricks workspace."
            )
        self.workspace.files.get(self.token.principal, name.rpartition("/")[0])
        experiment = self.workspace.traces.create_experiment(name)
        self.write_json({"experiment_id": experiment["experiment_id"]})


class TracesHandler(MlflowHandler):
    """`POST /api/3.0/mlflow/traces`."""

    def post(self) -> None:
        """Stores a finished trace's record."""
        info = (self.json_body().get("trace") or {}).get("trace_info")
        if not isinstance(info, dict) or not str(info.get("trace_id", "")).startswith("tr-"):
            raise errors.invalid_parameter("Missing value for required parameter 'trace_info'.")
        self.write_json({"trace": {"trace_info": self.workspace.traces.start(info)}})


class TraceHandler(MlflowHandler):
    """`GET /api/3.0/mlflow/traces/{id}`."""

    def get(self, trace_id: str) -> None:
        """Answers with a trace's record."""
        self.write_json({"trace": {"trace_info": self.workspace.traces.trace(trace_id).info}})


class TraceSearchHandler(MlflowHandler):
    """`POST /api/3.0/mlflow/traces/search`."""

    def post(self) -> None:
        """Lists the records of some experiments; filters are not played."""
        places = self.json_body().get("locations") or []
        ids = [str(place["mlflow_experiment"]["experiment_id"]) for place in places]
        self.write_json({"traces": self.workspace.traces.search(ids)})


class TraceCredentialsHandler(MlflowHandler):
    """`GET /api/2.0/mlflow/traces/{id}/credentials-for-data-{upload,download}`."""

    def get(self, trace_id: str, _direction: str) -> None:
        """Lends the storage's address."""
        trace = self.workspace.traces.trace(trace_id)
        host = f"{self.request.protocol}://{self.request.host}"
        uri = f"{host}/_storage/traces/{trace_id}?signature={trace.upload_key}"
        info = {"path": "traces.json", "signed_uri": uri, "type": "AWS_PRESIGNED_URL"}
        self.write_json({"credential_info": {**info, "headers": []}})


class StorageHandler(web.RequestHandler):
    """`/_storage/traces/{id}`: the cloud's storage, which knows signatures and no token."""

    def initialize(self, workspace: Workspace) -> None:
        """Takes the workspace whose storage this is."""
        self.workspace = workspace

    def put(self, trace_id: str) -> None:
        """Stores the spans."""
        trace = self._signed(trace_id)
        if trace is not None:
            json.loads(self.request.body)
            trace.data = self.request.body

    def get(self, trace_id: str) -> None:
        """Answers with the spans."""
        trace = self._signed(trace_id)
        if trace is not None:
            self.set_status(404 if trace.data is None else 200)
            self.finish(trace.data or b"<Error><Code>NoSuchKey</Code></Error>")

    def _signed(self, trace_id: str) -> Trace | None:
        """The trace, if the signature is right and nothing else is offered: AWS takes only one."""
        trace = self.workspace.traces.trace(trace_id)
        is_signed = self.get_query_argument("signature", "") == trace.upload_key
        if is_signed and "Authorization" not in self.request.headers:
            return trace
        self.set_status(400 if is_signed else 403)
        self.finish(b"<Error><Code>InvalidArgument</Code></Error>")
        return None
