"""Codex' own sandbox is switched off where it cannot work, and only there."""

import asyncio
import inspect
import tomllib
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents.codex import CODEX
from jupyter_dbx_agents.agents.codex_catalog import build_catalog
from jupyter_dbx_agents.config_files import ManagedFiles
from jupyter_dbx_agents.errors import InstallError
from jupyter_dbx_agents.models import Dialect, ServedModels
from tests.support.agent_context import context_of

PROGRAM = """#!/bin/sh
case $1 in
sandbox) [ "$2 $3" = "-- true" ] || exit 2; echo 'bwrap: Creating new namespace failed'; exit {};;
debug) echo '{{"models": [{{"slug": "any"}}]}}';;
esac
"""


def prepared(folder: Path, status: int) -> dict:
    """Let Codex' files be made with a program whose sandbox ends with a status; return them."""
    program = folder / "codex"
    program.write_text(PROGRAM.format(status))
    program.chmod(0o755)
    context = context_of(folder, CODEX)
    try:
        assert CODEX.prepare is not None
        work = CODEX.prepare(context, program, {"PATH": "/usr/bin:/bin"})
        assert inspect.iscoroutine(work)
        asyncio.run(work)
    finally:
        files = ManagedFiles(folder)
        for file in CODEX.config_files(context):
            files.write(file)
    return tomllib.loads((folder / ".codex/config.toml").read_text())


def test_a_sandbox_that_works_is_left_to_codex_and_its_user(tmp_path: Path):
    assert "sandbox_mode" not in prepared(tmp_path, 0)
    (tmp_path / ".codex/config.toml").write_text('sandbox_mode = "workspace-write"\n')
    assert prepared(tmp_path, 0)["sandbox_mode"] == "workspace-write"


def test_a_sandbox_that_fails_is_switched_off_with_the_reason_until_it_works(tmp_path: Path):
    with pytest.raises(InstallError, match="Creating new namespace failed") as raised:
        prepared(tmp_path, 1)
    assert "It was turned off" in raised.value.hint
    text = (tmp_path / ".codex/config.toml").read_text()
    assert tomllib.loads(text)["sandbox_mode"] == "danger-full-access"
    assert "sandbox_mode" not in prepared(tmp_path, 0)


PLAIN = {
    "slug": "gpt-5.5",
    "tool_mode": None,
    "use_responses_lite": False,
    "context_window": 272_000,
    "max_context_window": 272_000,
    "default_reasoning_level": "medium",
    "supported_reasoning_levels": [{"effort": "medium"}, {"effort": "xhigh"}],
    "apply_patch_tool_type": "freeform",
    "support_verbosity": True,
    "input_modalities": ["text", "image"],
    "upgrade": {"model": "gpt-6"},
    "base_instructions": "plain",
}
NEWER = {
    **PLAIN,
    "slug": "gpt-5.6-sol",
    "tool_mode": "code_mode_only",
    "use_responses_lite": True,
    "max_context_window": 872_000,
    "default_reasoning_level": "low",
    "base_instructions": "newer",
}


def described(model: str) -> dict:
    (entry,) = build_catalog({"models": [NEWER, PLAIN]}, [model])["models"]
    assert (entry["slug"], entry["display_name"], entry["visibility"]) == (model, model, "list")
    assert (entry["upgrade"], entry["tool_mode"]) == (None, None)
    assert not entry["use_responses_lite"]
    return entry


def test_codex_describes_a_model_that_it_knows_as_its_own_in_the_plain_form():
    for name in ("databricks-gpt-5-6-sol", "system.ai.gpt-5-6-sol", "gpt-5.6-sol"):
        entry = described(name)
        assert (entry["max_context_window"], entry["default_reasoning_level"]) == (872_000, "low")
        assert entry["base_instructions"] == "plain"  # those of the newer form name its tools
    assert described("databricks-gpt-5-5")["max_context_window"] == 272_000


def test_codex_describes_a_gpt_that_it_does_not_know_with_the_efforts_of_its_family():
    entry = described("databricks-gpt-5-mini")
    assert [level["effort"] for level in entry["supported_reasoning_levels"]] == [
        "medium",
        "low",
        "high",
    ]
    assert entry["apply_patch_tool_type"] == "freeform"


@pytest.mark.parametrize(
    ("name", "tokens", "modalities"),
    [
        ("databricks-kimi-k2-7-code", 256_000, ["text"]),
        ("databricks-llama-4-maverick", 128_000, ["text", "image"]),
        ("main.ours.assistant", 128_000, ["text"]),
    ],
)
def test_codex_describes_any_other_model_cautiously(name, tokens, modalities):
    entry = described(name)
    assert entry["max_context_window"] == tokens
    assert entry["input_modalities"] == modalities
    assert [level["effort"] for level in entry["supported_reasoning_levels"]] == ["none"]
    assert entry["apply_patch_tool_type"] is None
    assert not entry["support_verbosity"]


def test_codex_lists_what_is_served_with_its_own_model_first(tmp_path: Path):
    context = context_of(tmp_path, CODEX)
    both = frozenset({Dialect.RESPONSES, Dialect.CHAT})
    served = ["databricks-gpt-5", "databricks-gpt-5-5", "system.ai.gpt-5", "databricks-kimi-k3"]
    dialects = dict.fromkeys(served, both) | {"databricks-kimi-k3": frozenset({Dialect.CHAT})}
    context.models.use_served(ServedModels(dialects))
    catalog = build_catalog({"models": [PLAIN]}, context.choices(Dialect.RESPONSES))
    assert [entry["slug"] for entry in catalog["models"]] == [
        "databricks-gpt-5-5",
        "databricks-gpt-5",
    ]
