"""The table of what each family of models takes."""

import pytest

from dbx_workspace.models.catalog import default_models
from dbx_workspace.models.rules.families import family_of as strict_family_of
from dbx_workspace.models.rules.limits import cap_of
from jupyter_dbx_agents.models import FAMILIES, UNKNOWN, Dialect, family_of


@pytest.mark.parametrize(
    ("name", "dialect", "context_tokens", "output_tokens"),
    [
        ("databricks-claude-opus-4-7", Dialect.ANTHROPIC, 1_000_000, 128_000),
        ("databricks-claude-opus-4-7[1m]", Dialect.ANTHROPIC, 1_000_000, 128_000),
        ("system.ai.claude-sonnet-5", Dialect.ANTHROPIC, 1_000_000, 128_000),
        ("il_model_service.default.il-claude-opus-5", Dialect.ANTHROPIC, 1_000_000, 128_000),
        ("us.anthropic.claude-sonnet-4-6-v1:0", Dialect.ANTHROPIC, 1_000_000, 128_000),
        ("claude-sonnet-4-5-20250929", Dialect.ANTHROPIC, 200_000, 64_000),
        ("claude-haiku-4-5@20251001", Dialect.ANTHROPIC, 200_000, 64_000),
        ("databricks-claude-opus-4-1", Dialect.ANTHROPIC, 200_000, 32_000),
        ("databricks-gpt-5-3-codex", Dialect.RESPONSES, 272_000, 128_000),
        ("gpt-5.5", Dialect.RESPONSES, 272_000, 128_000),
        ("databricks-gpt-oss-20b", Dialect.CHAT, 131_072, 25_000),
        ("databricks-gemini-2-5-flash", Dialect.GEMINI, 1_048_576, 65_535),
        ("databricks-meta-llama-3-3-70b-instruct", Dialect.CHAT, 128_000, 8_192),
        ("databricks-qwen35-122b-a10b", Dialect.CHAT, 131_072, 25_000),
        ("databricks-qwen3-next-80b-a3b-instruct", Dialect.CHAT, 131_072, 10_000),
        ("main.ours.assistant", Dialect.CHAT, 128_000, 8_192),
    ],
)
def test_a_family_is_found_by_anybodys_spelling(name, dialect, context_tokens, output_tokens):
    found = family_of(name)
    assert (found.dialect, found.context_tokens, found.output_tokens) == (
        dialect,
        context_tokens,
        output_tokens,
    )


def test_every_row_has_a_source_and_leaves_room_for_a_question():
    for family in (*FAMILIES, UNKNOWN):
        assert family.source
        assert family.output_tokens <= family.context_tokens / 2


def test_an_unknown_model_gets_the_least_of_everything():
    assert family_of("my-model") is UNKNOWN
    assert UNKNOWN.output_tokens == min(family.output_tokens for family in FAMILIES)
    assert UNKNOWN.context_tokens == min(family.context_tokens for family in FAMILIES)
    assert not (UNKNOWN.sees_images or UNKNOWN.efforts or UNKNOWN.caches_prompts)


def test_no_more_output_is_asked_for_than_the_strict_workspace_allows():
    for model in default_models():
        cap = cap_of(model.name, strict_family_of(model.name))
        assert cap is None or family_of(model.name).output_tokens <= cap, model.name
