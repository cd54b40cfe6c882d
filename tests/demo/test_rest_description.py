"""``rest-api.yml`` is true: it describes the routes that there are, and what they answer."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator
from openapi_spec_validator import validate

import jupyter_dbx_agents
from jupyter_dbx_agents.local_channel.paths import UPLOADS_PATH
from jupyter_dbx_agents.web.operations import OPERATIONS
from tests.support.running_app import RunningApp

DESCRIPTION = yaml.safe_load(
    (Path(jupyter_dbx_agents.__file__).parent / "web" / "rest-api.yml").read_text(encoding="utf-8")
)


def test_the_description_is_valid_and_lists_exactly_our_routes():
    validate(DESCRIPTION)
    described = {
        path: {method.upper() for method in methods if method != "parameters"}
        for path, methods in DESCRIPTION["paths"].items()
        if path.startswith("/dbx-agents/api/")
    }
    ours = {path: set(methods) for path, methods in OPERATIONS.items()}
    assert described == ours | {UPLOADS_PATH: {"POST"}}


def nullable(schema: Any) -> Any:
    """Say OpenAPI 3.0's ``nullable`` in JSON Schema's words."""
    if isinstance(schema, list):
        return [nullable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: nullable(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") else plain


def check(reply: Any, name: str) -> None:
    components = nullable(DESCRIPTION["components"])
    Draft4Validator({"$ref": f"#/components/schemas/{name}", "components": components}).validate(
        reply
    )


def test_replies_are_as_described(app: RunningApp):
    app.log_in()
    with app.owner.terminal():
        status = app.status()
    check(status, "Status")
    assert status["terminals"] and status["memory"]["used_bytes"] > 0
    check(app.pat(), "Pat")
    check(app.owner.json("POST", "/dbx-agents/api/pat/rotate"), "Pat")
    check(app.owner.http.post("/dbx-agents/api/pat", json={}).json(), "Error")


@pytest.mark.parametrize("reply", [{"message": "x"}, {"message": "x", "hint": 1}])
def test_a_reply_that_is_not_as_described_would_be_found(reply: Any):
    with pytest.raises(Exception, match="hint"):
        check(reply, "Error")
