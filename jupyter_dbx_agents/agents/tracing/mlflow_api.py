"""Writing traces to the workspace: the experiment, the record, and the spans to its storage."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx

from ...errors import WorkspaceError
from ...secret import Secret
from ...workspace_api import WorkspaceApi

Json = dict[str, Any]
EXPERIMENTS = "/api/2.0/mlflow/experiments"
TRACES = "/api/3.0/mlflow/traces"
CREDENTIALS = "/api/2.0/mlflow/traces/{trace_id}/credentials-for-data-upload"
BY_NAME = f"{EXPERIMENTS}/get-by-name?experiment_name="


async def experiment_id(api: WorkspaceApi, token: Secret, name: str) -> str:
    """Return the id of an experiment, made if it is not there.  Raises WorkspaceError."""
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
    """Put the spans where a signed address points, which is the cloud's: no token goes there."""
    headers = {header["name"]: header["value"] for header in credential.get("headers", [])}
    try:
        async with httpx.AsyncClient(timeout=30.0, headers=headers) as storage:
            for request in upload_requests(storage, credential, json.dumps(data).encode()):
                answer = await storage.send(request)
                if not answer.is_success:
                    raise WorkspaceError(
                        f"The traces' storage refuses spans (HTTP {answer.status_code})."
                    )
    except httpx.HTTPError as error:  # ``from None``: its text may hold the signature
        reason = type(error).__name__
        raise WorkspaceError(f"The traces' storage does not answer ({reason}).") from None


def upload_requests(
    storage: httpx.AsyncClient, credential: Json, data: bytes
) -> list[httpx.Request]:
    """Return what stores data at a signed address of each cloud."""
    url, kind = credential["signed_uri"], credential["type"]
    if kind == "AZURE_ADLS_GEN2_SAS_URI":  # a file is made, written and closed
        size = len(data)
        return [
            storage.build_request("PUT", f"{url}&resource=file"),
            storage.build_request("PATCH", f"{url}&action=append&position=0", content=data),
            storage.build_request("PATCH", f"{url}&action=flush&position={size}"),
        ]
    headers = {"x-ms-blob-type": "BlockBlob"} if kind == "AZURE_SAS_URI" else {}
    return [storage.build_request("PUT", url, content=data, headers=headers)]
