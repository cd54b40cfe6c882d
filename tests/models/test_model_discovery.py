"""What the workspace serves decides what the agents use, and what is reported before they start."""

import logging
from typing import Any

import pytest
from traitlets.config import Config

from dbx_workspace.models.catalog import ANTHROPIC, CHAT, GEMINI, RESPONSES, ServedModel
from jupyter_dbx_agents.errors import WorkspaceUnavailableError
from jupyter_dbx_agents.models import Dialect, ModelTable, ServedModels
from jupyter_dbx_agents.models.discovery import discover
from jupyter_dbx_agents.models.names import alternatives, newest_per_family, parse_name
from tests.support.local_workspace import environment, fault, local_workspace

CLAUDE, GPT, GOOGLE = (ANTHROPIC, CHAT), (RESPONSES, CHAT), (GEMINI, CHAT)
LISTS = "^/api/2.[01]/(serving-endpoints|unity-catalog)"


async def table_for(*models: ServedModel, config: Config | None = None, **settings: str) -> Any:
    """Return a table that has asked a workspace which serves these models."""
    async with local_workspace(*models) as (server, api, pat):
        table = ModelTable(environment(server.url, **settings), config=config)
        await table.choose_gateway(api, pat)
        assert await table.discover(api, pat)
        return table


def served(name: str, api_types: tuple[str, ...], **options: Any) -> ServedModel:
    return ServedModel(f"databricks-{name}", api_types, **options)


@pytest.mark.parametrize(
    ("name", "family", "version"),
    [
        ("databricks-claude-opus-4-7", "claude-opus", (4, 7)),
        ("system.ai.claude-opus-4-7", "claude-opus", (4, 7)),
        ("databricks-claude-3-7-sonnet", "claude-sonnet", (3, 7)),
        ("databricks-gpt-5-3-codex", "gpt-codex", (5, 3)),
        ("databricks-gpt-oss-120b", "gpt-oss-120b", ()),
        ("databricks-kimi-k2-7-code", "kimi-k-code", (2, 7)),
        ("databricks-claude-sonnet-4-20250514", "claude-sonnet", (4,)),
        ("my.catalog-model", "my-catalog-model", ()),
    ],
)
def test_a_name_has_a_family_and_a_version(name, family, version):
    assert (parse_name(name).family, parse_name(name).version) == (family, version)


def test_versions_are_compared_as_numbers():
    names = ["databricks-gpt-5-9", "databricks-gpt-5-10", "databricks-gpt-5", "system.ai.gpt-5-10"]
    assert newest_per_family(names) == ["databricks-gpt-5-10"]
    dated = ["claude-opus-4-20250514", "claude-opus-4-1-20250805", "claude-opus-4-20260101"]
    assert newest_per_family(dated) == ["claude-opus-4-1-20250805"]


def test_the_nearest_alternatives_come_first_and_small_ones_last():
    names = ["databricks-claude-haiku-4-5", "databricks-claude-sonnet-4-6", "databricks-gpt-5"]
    assert alternatives("databricks-claude-opus-4-7", names) == [
        "databricks-claude-sonnet-4-6",
        "databricks-claude-haiku-4-5",
        "databricks-gpt-5",
    ]


async def test_both_lists_are_joined_by_dialect_and_what_is_not_ready_is_left_out():
    async with local_workspace() as (_, api, pat):
        found = await discover(api, pat, through_gateway=True)
    claude = found.speaking(Dialect.ANTHROPIC)
    assert {"databricks-claude-opus-4-8", "system.ai.claude-opus-4-8"} <= set(claude)
    assert not [name for name in found.dialects if "claude-opus-5" in name]  # not ready
    assert not [name for name in found.dialects if "gte" in name]  # no chat model
    assert "databricks-gemini-2-5-pro" in found.speaking(Dialect.GEMINI)
    assert "databricks-gpt-oss-120b" in found.speaking(Dialect.CHAT)
    assert "databricks-gpt-oss-120b" not in found.speaking(Dialect.RESPONSES)


async def test_long_lists_are_read_to_their_end():
    many = [served(f"claude-opus-1-{n}", CLAUDE) for n in range(250)]
    async with local_workspace(*many) as (_, api, pat):
        found = await discover(api, pat, through_gateway=True)
    assert len(found.dialects) == 500


@pytest.mark.parametrize("largest", [20, 5])
async def test_smaller_pages_are_read_where_long_ones_are_cancelled(largest):
    many = [served(f"claude-opus-1-{n}", CLAUDE) for n in range(33)]
    async with local_workspace(*many) as (server, api, pat):
        server.workspace.switches.largest_page = largest
        found = await discover(api, pat, through_gateway=True)
    assert len(found.dialects) == 66
    assert not found.is_partial


async def test_a_list_that_is_always_cancelled_leaves_unknown_what_is_not_on_another():
    async with local_workspace() as (server, api, pat):
        server.workspace.switches.largest_page = 1
        table = ModelTable(environment(server.url, ANTHROPIC_MODEL="main.ours.claude-opus-5"))
        await table.choose_gateway(api, pat)
        assert not await table.discover(api, pat)  # so it is retried
    reports = table.reports()
    assert (reports["anthropic_model"]["served"], reports["anthropic_model"]["problem"]) == (
        None,
        "",
    )
    assert reports["codex_model"]["served"]


async def test_services_of_other_schemas_are_found_where_the_platforms_own_is_closed():
    own = "il_model_service.default.il-claude-opus-5"
    models = ServedModel(own, CLAUDE), ServedModel("main.ours.gpt-5-5", GPT)
    async with local_workspace(*models) as (server, api, pat):
        server.workspace.faults.add(fault("^/api/2.0/serving-endpoints", 403))
        table = ModelTable(environment(server.url))
        await table.choose_gateway(api, pat)
        assert await table.discover(api, pat)
    names = ("anthropic_model", "anthropic_sonnet_model", "anthropic_small_model", "hermes_model")
    assert {getattr(table, name) for name in names} == {own}
    assert table.codex_model == "main.ours.gpt-5-5"
    assert table.served.speaking(Dialect.ANTHROPIC) == [own]


async def test_the_names_of_unity_catalog_are_for_the_gateway_only():
    async with local_workspace() as (_, api, pat):
        found = await discover(api, pat, through_gateway=False)
    assert found.is_known
    assert not [name for name in found.dialects if name.startswith("system.ai.")]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501, 505])
async def test_without_those_lists_the_serving_endpoints_remain(status):
    async with local_workspace() as (server, api, pat):
        for path in ("^/api/2.0/serving-endpoints:", "/api/2.1/unity-catalog"):
            server.workspace.faults.add(fault(path, status))
        found = await discover(api, pat, through_gateway=True)
    assert found.serves("databricks-claude-opus-4-7", Dialect.ANTHROPIC)
    assert found.serves("databricks-gpt-5-5", Dialect.RESPONSES)
    assert not found.serves("databricks-gpt-oss-120b", Dialect.RESPONSES)
    assert not [name for name in found.dialects if "gte" in name or "opus-5" in name]


async def test_where_nothing_may_be_listed_nothing_is_said():
    async with local_workspace() as (server, api, pat):
        server.workspace.faults.add(fault(LISTS, 403))
        table = ModelTable(environment(server.url))
        assert await table.discover(api, pat)
    assert [report["served"] for report in table.reports().values()] == [None] * 6
    assert table.anthropic_model == "databricks-claude-opus-4-7"


async def test_a_busy_workspace_is_retried_and_changes_nothing():
    async with local_workspace() as (server, api, pat):
        server.workspace.faults.add(fault(LISTS, 503))
        with pytest.raises(WorkspaceUnavailableError):
            await discover(api, pat, through_gateway=True)
        table = ModelTable(environment(server.url))
        table.use_served(ServedModels({"x": frozenset({Dialect.ANTHROPIC})}))
        assert not await table.discover(api, pat)
        assert table.anthropic_model == "x"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_list_that_fails_for_now_is_done_without_and_read_again(status):
    async with local_workspace() as (server, api, pat):
        table = ModelTable(environment(server.url))
        server.workspace.faults.add(fault("/api/2.0/serving-endpoints:", status))
        assert not await table.discover(api, pat)  # so it is retried
        assert table.served.serves("databricks-claude-opus-4-7", Dialect.ANTHROPIC)
        server.workspace.faults.clear()
        assert await table.discover(api, pat)
        complete = table.served
        server.workspace.faults.add(fault("/api/2.0/serving-endpoints:", status))
        assert not await table.discover(api, pat)
        assert table.served is complete


@pytest.mark.parametrize("status", [403, 404])
async def test_empty_lists_after_full_ones_change_nothing(status):
    async with local_workspace(served("claude-opus-9", CLAUDE)) as (server, api, pat):
        table = ModelTable(environment(server.url))
        assert await table.discover(api, pat)
        assert table.anthropic_model == "databricks-claude-opus-9"
        changes: list[str] = []
        table.on_change.append(lambda: changes.append(table.anthropic_model))
        server.workspace.faults.add(fault(LISTS, status))
        assert not await table.discover(api, pat)
        assert (table.anthropic_model, changes) == ("databricks-claude-opus-9", [])


OWN_ENDPOINTS = [
    ServedModel("my-claude", CLAUDE, entity="claude-3-7-sonnet-20250219", provider="anthropic"),
    ServedModel("on-aws", CLAUDE, entity="anthropic.claude-3-5-v1:0", provider="amazon-bedrock"),
    ServedModel("bought", GPT, entity="gpt-4.1", provider="openai"),
    ServedModel("tuned", (CHAT,), entity="main.ai.my_llama"),
    ServedModel("off", CLAUDE, entity="claude", provider="anthropic", is_ready=False),
    ServedModel("vectors", (), entity="gte", provider="custom", task="llm/v1/embeddings"),
]


@pytest.mark.parametrize("gateway", [True, False])
async def test_endpoints_of_the_workspaces_own_are_served_too(gateway):
    async with local_workspace(served("claude-opus-4-7", CLAUDE), *OWN_ENDPOINTS) as (_, api, pat):
        found = await discover(api, pat, through_gateway=gateway)
    assert {"my-claude", "on-aws"} < set(found.speaking(Dialect.ANTHROPIC))
    assert found.speaking(Dialect.RESPONSES) == ["bought"]
    assert {"my-claude", "bought", "tuned"} < set(found.speaking(Dialect.CHAT))
    assert not {"off", "vectors"} & set(found.dialects)


async def test_a_chosen_endpoint_of_the_workspaces_own_is_not_reported_as_not_served():
    models = [served("claude-opus-4-7", CLAUDE), *OWN_ENDPOINTS]
    table = await table_for(*models, ANTHROPIC_MODEL="my-claude")
    report = table.reports()["anthropic_model"]
    assert (table.anthropic_model, report["served"], report["problem"]) == ("my-claude", True, "")


async def test_defaults_that_are_served_stay_though_there_are_newer_ones():
    table = await table_for()
    assert table.anthropic_model == "databricks-claude-opus-4-7"
    assert {report["problem"] for report in table.reports().values()} == {""}


async def test_defaults_that_are_not_served_give_way_to_the_newest_that_are(caplog):
    with caplog.at_level(logging.WARNING):
        table = await table_for(
            served("claude-opus-4-6", CLAUDE),
            served("claude-opus-4-10", CLAUDE),
            served("claude-haiku-5", CLAUDE),
            served("gpt-5-3-codex", GPT),
            served("gpt-5-4", GPT),
            served("gemini-3-flash", GOOGLE),
        )
    assert table.anthropic_model == "databricks-claude-opus-4-10"
    assert table.anthropic_sonnet_model == "databricks-claude-opus-4-10"  # no sonnet: the main one
    assert table.anthropic_small_model == "databricks-claude-haiku-5"
    assert table.codex_model == "databricks-gpt-5-4"
    assert table.gemini_model == "databricks-gemini-3-flash"
    assert table.hermes_model == "databricks-claude-opus-4-10"
    (line,) = [record.getMessage() for record in caplog.records]
    assert "does not serve databricks-gpt-5-5; databricks-gpt-5-4 is used instead" in line


async def test_every_model_in_force_is_served_whatever_is(caplog):
    families = [("claude-opus-9", CLAUDE), ("gpt-7-mini", GPT), ("gemini-4-lite", GOOGLE)]
    table = await table_for(*[served(*family) for family in families])
    for trait, report in table.reports().items():
        assert report["served"], (trait, report)


async def test_a_choice_of_the_users_stays_and_is_reported_with_what_is_served(caplog):
    config = Config({"ModelTable": {"anthropic_small_model": "databricks-claude-haiku-9"}})
    with caplog.at_level(logging.WARNING):
        table = await table_for(config=config, CODEX_MODEL="databricks-gpt-9")
    report = table.reports()["codex_model"]
    assert (table.codex_model, report["served"]) == ("databricks-gpt-9", False)
    assert report["alternatives"][0] == "databricks-gpt-5-5"
    assert "does not serve databricks-gpt-9. It serves databricks-gpt-5-5" in report["problem"]
    assert table.anthropic_small_model == "databricks-claude-haiku-9"
    assert (
        table.reports()["anthropic_small_model"]["alternatives"][0] == "databricks-claude-haiku-4-5"
    )
    (line,) = [record.getMessage() for record in caplog.records]
    assert "databricks-gpt-9" in line
    assert "databricks-claude-haiku-9" in line


async def test_a_model_that_vanishes_and_returns_is_followed_and_reported():
    async with local_workspace() as (server, api, pat):
        table = ModelTable(environment(server.url))
        changes: list[str] = []
        table.on_change.append(lambda: changes.append(table.gemini_model))
        assert await table.discover(api, pat)
        all_models = server.workspace.models.all()
        fewer = [m for m in all_models if m.name != table.gemini_model]
        for models in (fewer, fewer, all_models):
            server.workspace.models.replace(models)
            assert await table.discover(api, pat)
    assert changes == [
        "databricks-gemini-2-5-pro",
        "databricks-gemini-3-1-pro",
        "databricks-gemini-2-5-pro",
    ]
