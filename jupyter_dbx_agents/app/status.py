"""The REST model of the whole server."""

from typing import TypedDict

from .._version import __version__
from ..agents.attention.session import SessionState
from ..agents.databricks.tools import ToolsStatus
from ..agents.mcp.servers import McpServerModel
from ..agents.roster import AgentStatus, CommonApprovals
from ..agents.tracing.tracer import TracingStatus
from ..broker.ledger import UsageStatus
from ..git_sync.states import ProjectStatus
from ..lifecycle.continuity.part import ContinuityStatus
from ..lifecycle.sessions import SessionsStatus
from ..lifecycle.startup import TaskStatus
from ..models import GatewayKind, ModelReport
from ..pat.rotator import PatStatus
from .parts import Parts


class GatewayStatus(TypedDict):
    """Through what the agents reach their models."""

    kind: GatewayKind
    reason: str


class ServerStatus(SessionsStatus):
    """The REST model of the whole server."""

    version: str
    workspace: str
    owner: str | None
    pat: PatStatus
    gateway: GatewayStatus
    models: dict[str, ModelReport]
    stand_ins: dict[str, str]
    usage: list[UsageStatus]
    tracing: TracingStatus
    agents: list[AgentStatus]
    approvals: CommonApprovals
    mcp: list[McpServerModel]
    databricks: ToolsStatus
    attention: list[SessionState]
    projects: list[ProjectStatus]
    startup: list[TaskStatus]
    continuity: ContinuityStatus


def server_status(parts: Parts) -> ServerStatus:
    """Return the model, without any secret."""
    gateway = parts.models.gateway
    return {
        "version": __version__,
        "workspace": parts.environment.host,
        "owner": parts.resolver.owner if parts.resolver else None,
        "pat": parts.pats.status(),
        "gateway": {"kind": gateway.kind, "reason": gateway.reason},
        "models": parts.agents.model_reports(),
        "stand_ins": dict(parts.models.stand_ins),
        "usage": parts.broker.usage.to_json(),
        "tracing": parts.tracer.status(),
        "agents": parts.agents.status(),
        "approvals": parts.agents.common_approvals(),
        "mcp": parts.mcp.status(),
        "databricks": parts.databricks.status(),
        "attention": parts.attention.status(),
        "projects": parts.git_sync.status(),
        "startup": parts.startup.status(),
        "continuity": parts.continuity.status(),
        **parts.sessions.status(),
    }
