"""``rest-api.yml`` and the types of the parts that return the models describe the same."""

import dataclasses
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest
import yaml

import jupyter_dbx_agents
from jupyter_dbx_agents.agents.attention.session import SessionState
from jupyter_dbx_agents.agents.attention.states import State
from jupyter_dbx_agents.agents.checks import Check
from jupyter_dbx_agents.agents.choices import Approvals, ApprovalsStatus
from jupyter_dbx_agents.agents.databricks.tools import ToolsStatus
from jupyter_dbx_agents.agents.mcp.servers import McpServerModel
from jupyter_dbx_agents.agents.roster import AgentStatus, CommonApprovals
from jupyter_dbx_agents.app import ServerStatus
from jupyter_dbx_agents.broker.ledger import UsageStatus
from jupyter_dbx_agents.git_sync import Forgotten, Restorable, Restored
from jupyter_dbx_agents.git_sync.states import ProjectStatus, Remark
from jupyter_dbx_agents.lifecycle.continuity.coming_back import Offer, Part, Step
from jupyter_dbx_agents.lifecycle.continuity.part import (
    ContinuityStatus,
    ConversationModel,
    ConversationsModel,
    ForgottenHome,
)
from jupyter_dbx_agents.lifecycle.sessions import TerminalStatus
from jupyter_dbx_agents.models import ModelReport
from jupyter_dbx_agents.pat.rotator import PatStatus
from jupyter_dbx_agents.pat.sign_in import SignInAttempt
from jupyter_dbx_agents.web.operations import AgentsReply, ErrorReply

MODELS: dict[str, Any] = {
    "Agent": AgentStatus,
    "AgentApprovals": ApprovalsStatus,
    "Agents": AgentsReply,
    "Approvals": Approvals,
    "CommonApprovals": CommonApprovals,
    "DatabricksTools": ToolsStatus,
    "AgentSession": SessionState,
    "Continuity": ContinuityStatus,
    "Conversation": ConversationModel,
    "Conversations": ConversationsModel,
    "Error": ErrorReply,
    "Instant": str | None,
    "McpServer": McpServerModel,
    "ModelReport": ModelReport,
    "Offer": Offer,
    "Part": Part,
    "Pat": PatStatus,
    "Project": ProjectStatus,
    "Remarks": list[Remark],
    "Forgotten": Forgotten,
    "ForgottenHome": ForgottenHome,
    "Restorable": Restorable,
    "Restored": Restored,
    "SignInAttempt": SignInAttempt,
    "State": State,
    "Step": Step,
    "Status": ServerStatus,
    "Terminal": TerminalStatus,
    "Usage": UsageStatus,
}
SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
SCHEMAS = yaml.safe_load(
    (Path(jupyter_dbx_agents.__file__).parent / "web" / "rest-api.yml").read_text(encoding="utf-8")
)["components"]["schemas"]
# What says how a value is made and not only what it means.
KEYWORDS = {"type", "nullable", "enum", "items", "properties", "required", "additionalProperties"}


def described(schema: Any) -> Any:
    """Return a schema of the description without references, order and texts."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return described(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    plain = {key: described(value) for key, value in schema.items() if key in KEYWORDS}
    for key in {"enum", "required"} & set(plain):
        plain[key] = sorted(plain[key])
    if "properties" in plain:
        plain["properties"] = {n: described(p) for n, p in schema["properties"].items()}
    return plain


def typed(hint: Any) -> Any:
    """Return the schema of a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        [some] = set(arguments) - {NoneType}
        return typed(some) | {"nullable": True}
    if origin is Literal or (isinstance(hint, type) and issubclass(hint, StrEnum)):
        return {"type": "string", "enum": sorted(arguments or hint)}
    if origin in (list, tuple):
        return {"type": "array", "items": typed(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": typed(arguments[1])}
    if is_typeddict(hint) or dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        required = sorted(getattr(hint, "__required_keys__", hints))
        schema = {"type": "object", "additionalProperties": False}
        schema["properties"] = {name: typed(each) for name, each in hints.items()}
        return schema | ({"required": required} if required else {})
    return {"type": SIMPLE[hint]}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_described_as_it_is_typed(name: str):
    assert typed(MODELS[name]) == described(SCHEMAS[name])


def test_an_agents_checks_are_described_as_they_are_typed():
    assert typed(Check) == described(SCHEMAS["Checks"]["properties"]["checks"]["items"])


def test_every_schema_is_compared():
    assert set(SCHEMAS) == {*MODELS, "Checks"}
