"""The gateway is chosen by what the workspace really answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from tornado import httpserver, netutil, web
from traitlets import TraitError
from traitlets.config import Config

from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.models import (
    Dialect,
    Gateway,
    ModelTable,
    ServedModels,
    derived_gateway_host,
)
from jupyter_dbx_agents.secret import Secret
from jupyter_dbx_agents.workspace_api import WorkspaceApi

LISTING = "/api/ai-gateway/v2/endpoints"
MODELS = "/ai-gateway/anthropic/v1/models"


def environment(host: str = "https://ws.cloud.databricks.com", **settings: str) -> Environment:
    return Environment(
        app_name="",
        host=host,
        workspace_id="",
        app_port=None,
        client_id="",
        client_secret=Secret(""),
        token=Secret(""),
        home=Path("/nowhere"),
        settings=settings,
    )


@contextlib.asynccontextmanager
async def workspace(answers: dict[str, int]) -> AsyncIterator[str]:
    """A server that answers each path with a status, and 404 else."""

    class Answer(web.RequestHandler):
        def get(self) -> None:
            self.set_status(answers.get(self.request.path, 404))
            self.finish({"message": "as told"})

    (socket,) = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(web.Application([(".*", Answer)], log_function=lambda _: None))
    server.add_sockets([socket])
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.stop()
        await server.close_all_connections()


def choices(*rounds: dict[str, int], settings: Iterable[tuple[str, str]] = ()) -> list[Gateway]:
    """Ask one table once for each round of answers."""

    async def run() -> list[Gateway]:
        answers: dict[str, int] = {}
        async with workspace(answers) as url:
            table = ModelTable(environment(url, **dict(settings)))
            api = WorkspaceApi(url)
            chosen = []
            for answers_now in rounds:
                answers.clear()
                answers.update(answers_now)
                await table.choose_gateway(api, Secret("dapi1"))
                chosen.append(table.gateway)
            await api.close()
            return chosen

    return asyncio.run(run())


def test_models_default_from_their_variables_and_yield_to_configuration():
    table = ModelTable(environment(ANTHROPIC_MODEL="mine", CODEX_MODEL=""))
    assert table.anthropic_model == "mine"
    assert table.codex_model == "databricks-gpt-5-5"
    assert table.gemini_model == "databricks-gemini-2-5-pro"
    assert table.hermes_model == "databricks-claude-opus-4-7"
    config = Config({"ModelTable": {"anthropic_model": "configured"}})
    assert ModelTable(environment(ANTHROPIC_MODEL="x"), config=config).anthropic_model == (
        "configured"
    )


def test_a_configured_gateway_is_trusted_without_asking():
    settings = [("DATABRICKS_GATEWAY_HOST", "7.ai-gateway.cloud.databricks.com/")]
    (gateway,) = choices({LISTING: 200}, settings=settings)
    assert gateway.kind == "gateway-host"
    assert gateway.base_urls == {
        Dialect.ANTHROPIC: "https://7.ai-gateway.cloud.databricks.com/anthropic",
        Dialect.RESPONSES: "https://7.ai-gateway.cloud.databricks.com/openai/v1",
        Dialect.CHAT: "https://7.ai-gateway.cloud.databricks.com/mlflow/v1",
        Dialect.GEMINI: "https://7.ai-gateway.cloud.databricks.com/gemini",
    }


def test_a_configured_workspace_gateway_has_the_workspace_layout():
    table = ModelTable(environment(DATABRICKS_GATEWAY_HOST="https://ws.example/ai-gateway"))
    assert table.gateway.kind == "workspace-gateway"
    assert table.gateway.base_urls[Dialect.RESPONSES] == "https://ws.example/ai-gateway/codex/v1"


def test_an_empty_gateway_address_means_serving_endpoints():
    (gateway,) = choices({LISTING: 200}, settings=[("DATABRICKS_GATEWAY_HOST", "")])
    assert gateway.kind == "serving-endpoints"
    assert gateway.base_urls[Dialect.GEMINI].endswith("/serving-endpoints/gemini")


@pytest.mark.parametrize(
    "address",
    ["http://gateway.example", "https:///x", "https://u:p@h", "https://h/?a=b", "ftp://h"],
)
def test_an_address_unfit_for_a_token_is_refused_with_advice(address):
    with pytest.raises(TraitError, match="DATABRICKS_GATEWAY_HOST"):
        ModelTable(environment(DATABRICKS_GATEWAY_HOST=address))


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({LISTING: 200}, "workspace-gateway"),
        ({LISTING: 403, MODELS: 200}, "workspace-gateway"),
        ({LISTING: 501}, "serving-endpoints"),
        ({}, "serving-endpoints"),
    ],
)
def test_the_workspace_gateway_is_used_iff_it_answers(answers, kind):
    (gateway,) = choices(answers)
    assert gateway.kind == kind
    assert gateway.reason.endswith(".")


def test_a_choice_stands_while_the_workspace_cannot_be_asked():
    first, second, third = choices({LISTING: 503}, {LISTING: 200}, {LISTING: 401})
    assert first.kind == "serving-endpoints"
    assert second.kind == third.kind == "workspace-gateway"


@pytest.mark.parametrize(
    ("host", "workspace_id", "derived"),
    [
        ("https://a.cloud.databricks.com", "42", "https://42.ai-gateway.cloud.databricks.com"),
        ("https://4.2.gcp.databricks.com", "42", "https://42.ai-gateway.gcp.databricks.com"),
        ("https://adb-42.1.azuredatabricks.net", "42", ""),
        ("https://a.cloud.databricks.com", "", ""),
        ("https://a.cloud.databricks.com", "evil.example/", ""),
        ("https://cloud.databricks.com.evil.example", "42", ""),
    ],
)
def test_a_gateway_host_is_derived_only_where_the_cloud_has_a_rule(host, workspace_id, derived):
    assert derived_gateway_host(host, workspace_id) == derived


@pytest.mark.parametrize(
    "name",
    ["databricks-claude-opus-4-7[1m]", "system.ai.claude-opus-4-7[1M]", "mine[200k]"],
)
def test_the_mark_of_a_large_window_is_no_part_of_a_models_name(name):
    plain = name.partition("[")[0]
    assert ModelTable(environment(ANTHROPIC_MODEL=name)).anthropic_model == plain
    config = Config({"ModelTable": {"hermes_model": name}})
    assert ModelTable(environment(), config=config).hermes_model == plain


def test_a_service_of_ones_own_does_the_side_jobs_where_nothing_may_be_listed():
    own = "il_model_service.default.il-claude-opus-5"
    table = ModelTable(environment(ANTHROPIC_MODEL=own))
    assert table.hermes_model == "databricks-claude-opus-4-7"  # nobody has asked yet
    table.use_served(ServedModels())
    names = ("anthropic_model", "anthropic_sonnet_model", "anthropic_small_model", "hermes_model")
    assert {getattr(table, name) for name in names} == {own}
    assert table.codex_model == "databricks-gpt-5-5"
    assert {report["served"] for report in table.reports().values()} == {None}
    for variable in ("databricks-claude-opus-4-6", ""):
        table = ModelTable(environment(ANTHROPIC_MODEL=variable))
        table.use_served(ServedModels())
        assert table.anthropic_small_model == "databricks-claude-haiku-4-5"


def test_a_model_is_called_in_its_native_dialect_if_it_is_served_in_it_and_the_agent_speaks_it():
    table, every = ModelTable(environment()), (Dialect.CHAT, Dialect.ANTHROPIC, Dialect.RESPONSES)
    assert table.dialect_of("databricks-claude-opus-4-7", *every) is Dialect.ANTHROPIC
    assert table.dialect_of("databricks-gpt-5-5", *every) is Dialect.RESPONSES
    assert table.dialect_of("databricks-gemini-2-5-pro", *every) is Dialect.CHAT
    assert table.dialect_of("my-model", *every) is Dialect.CHAT
    table.use_served(ServedModels({"databricks-gpt-5-5": frozenset({Dialect.CHAT})}))
    assert table.dialect_of("databricks-gpt-5-5", *every) is Dialect.CHAT
