"""A local workspace in the test's process, with a PAT, and faults with a status."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from dbx_workspace.faults import Fault
from dbx_workspace.models.catalog import ServedModel
from dbx_workspace.server import LocalWorkspace
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

from .constants import OWNER


def environment(host: str = "https://ws", **settings: str) -> Environment:
    no_secret = Secret("")
    return Environment("", host, "", None, "", no_secret, no_secret, Path("/nowhere"), settings)


@contextlib.asynccontextmanager
async def local_workspace(
    *models: ServedModel,
) -> AsyncIterator[tuple[LocalWorkspace, WorkspaceApi, Secret]]:
    server = LocalWorkspace()
    await server.start()
    if models:
        server.workspace.models.replace(models)
    server.workspace.add_user(OWNER)
    pat, _ = server.workspace.tokens.mint(OWNER, lifetime_seconds=900)
    api = WorkspaceApi(server.url)
    try:
        yield server, api, Secret(pat)
    finally:
        await api.close()
        await server.stop()


def fault(match: str, status: int) -> Fault:
    """Return a fault that replies to a path with a status."""
    code = "PERMISSION_DENIED" if status == 403 else "FAULT"
    return Fault(match, "status", status=status, error_code=code, message="no")
