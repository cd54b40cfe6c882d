"""Codex' own sandbox is switched off where it cannot work, and only there."""

import asyncio
import inspect
import tomllib
from pathlib import Path

import pytest

from jupyter_dbx_agents.agents.codex import CODEX
from jupyter_dbx_agents.config_files import ManagedFiles
from jupyter_dbx_agents.errors import InstallError
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
