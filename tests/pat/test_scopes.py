"""What is minted has exactly the scopes of what was pasted; what they lack is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_dbx_agents.cli.doctor import scope_checks
from jupyter_dbx_agents.cli.main import status_lines
from jupyter_dbx_agents.errors import PatCannotMintError, WorkspacePermissionError
from jupyter_dbx_agents.models.discovery import MODEL_SERVICES, SERVING_ENDPOINTS
from jupyter_dbx_agents.pat.scopes import NEEDS, missing_scopes
from jupyter_dbx_agents.web.phone.page import Start
from jupyter_dbx_agents.web.plain_page import render_page

from .conftest import Scene

MODELS_ONLY = ["authentication", "model-serving"]
INTERVAL_SECONDS = 600


def lacking(scopes: list[str] | None) -> list[str]:
    return [missing["scope"] for missing in missing_scopes(scopes)]


@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [
        (None, []),
        (["all-apis"], []),
        ([need.scope for need in NEEDS], []),
        ([], [need.scope for need in NEEDS]),
        (MODELS_ONLY, ["workspace", "sql", "unity-catalog", "mcp", "mlflow"]),
        (
            ["authentication", "serving.serving-endpoints-query", "workspace", "mcp.genie"],
            ["sql", "unity-catalog", "mlflow"],
        ),
        (
            [
                *("authentication:read", "model-serving:read", "workspace:read", "mcp", "mlflow"),
                *("sql:read:restricted-query", "unity-catalog:read"),
            ],
            ["authentication", "model-serving", "workspace"],  # nothing that is only read
        ),
    ],
)
def test_a_missing_scope_is_found_with_its_modifiers_and_other_names(scopes, lacks):
    assert lacking(scopes) == lacks


async def test_every_minted_token_has_the_scopes_of_the_pasted_one_over_twenty_rotations(
    scene: Scene,
):
    scopes = ["authentication", "model-serving", "sql:restricted-query", "workspace:read"]
    await scene.pats.adopt(scene.sample(scopes=scopes, lifetime_seconds=30 * 24 * 3600))
    await scene.pass_time_until(lambda: scene.pats.rotations >= 20, 60)
    minted = [token for token in scene.workspace.tokens.all() if "my-app" in token.comment]
    assert len(minted) >= 21
    assert {tuple(sorted(token.scopes)) for token in minted} == {tuple(sorted(scopes))}
    assert scene.pats.status()["scopes"] == sorted(scopes)


async def test_the_workspace_allows_a_narrow_token_what_its_scopes_cover_and_no_more(scene: Scene):
    await scene.pats.adopt(scene.sample(scopes=[*MODELS_ONLY, "unity-catalog:read"]))
    token = scene.pats.current()
    assert token is not None
    await scene.api.me(token)
    await scene.api.get_json(MODEL_SERVICES, token)
    await scene.api.get_json(SERVING_ENDPOINTS, token)
    with pytest.raises(WorkspacePermissionError, match="required scopes: workspace"):
        await scene.api.get_json("/api/2.0/workspace/list?path=/", token)
    with pytest.raises(WorkspacePermissionError, match="required scopes: mlflow"):
        await scene.api.get_json("/api/2.0/mlflow/experiments/get-by-name", token)


async def test_what_only_reads_may_not_write(scene: Scene):
    reader = scene.sample(scopes=["workspace:read", "authentication:read"])
    await scene.api.list_tokens(reader)
    with pytest.raises(WorkspacePermissionError, match="required scopes: authentication"):
        await scene.api.create_token(reader, lifetime_seconds=60, comment="no")
    with pytest.raises(WorkspacePermissionError, match="required scopes: workspace"):
        await scene.api.call("POST", "/api/2.0/workspace/mkdirs", reader, json={"path": "/a"})


@pytest.mark.parametrize("scopes", [["model-serving", "sql"], ["authentication:read"]])
async def test_a_token_that_cannot_renew_itself_is_refused_by_name_with_the_way_to_sign_in(
    scene: Scene, scopes: list[str]
):
    with pytest.raises(PatCannotMintError) as refused:
        await scene.pats.adopt(scene.sample(scopes=scopes))
    assert "authentication" in refused.value.message
    assert "Sign in instead" in refused.value.hint
    assert scene.living() == [""]  # the pasted one, untouched


async def test_what_is_missing_is_shown_everywhere_with_the_feature_that_needs_it(scene: Scene):
    await scene.pats.adopt(scene.sample(scopes=MODELS_ONLY))
    pat = scene.pats.status()
    assert {"scope": "workspace", "feature": feature_of("workspace")} in pat["missing_scopes"]
    status: Any = {
        "workspace": "https://w",
        "pat": pat,
        "gateway": {"kind": "k", "reason": "r"},
        "models": {},
        "stand_ins": {},
        "agents": [],
        "attention": [],
        "usage": [],
        "projects": [],
        "continuity": {"message": "", "kept_at": "", "offered": "", "unsent": ""},
        "startup": [],
        "sessions": {"terminals": 0, "kernels": 0},
    }
    page = render_page(
        status, path="/", xsrf_field="", lab_url="/lab", start=Start("", frozenset(), {}, {})
    )
    command = "\n".join(status_lines(status))
    checks = json.dumps(scope_checks(pat), ensure_ascii=False)
    for scope in ("workspace", "sql", "mcp"):
        assert f"<code>{scope}</code>. " in page
        for shown in (page.replace("&#39;", "'"), command, checks):
            assert feature_of(scope) in shown


def feature_of(scope: str) -> str:
    return next(need.feature for need in NEEDS if need.scope == scope)
