"""A small program in the place of an agent's own, for an app that has installed no agents."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from jupyter_dbx_agents.agents import Agent
from jupyter_dbx_agents.agents.base import Recipe
from jupyter_dbx_agents.agents.install.installer import MARKER


@contextlib.contextmanager
def as_installed(home: Path, agent: Agent, script: str) -> Iterator[None]:
    """Let an agent of a home be this script of Python; an installed one is back afterwards."""
    link = home / ".local" / "bin" / agent.command
    recipe = agent.recipe
    folder = home / ".local" / "share" / "jupyter_dbx_agents" / "agents" / agent.name
    prefix = folder / f"{recipe.version()}-{recipe.fingerprint()[:8]}"
    with _aside(prefix, home / "prefix-aside"), _aside(link, home / "link-aside"):
        yield from _installed(prefix, link, recipe, script)


@contextlib.contextmanager
def _aside(path: Path, place: Path) -> Iterator[None]:
    """Have nothing at a path meanwhile."""
    was_there = path.exists() or path.is_symlink()
    if was_there:
        path.rename(place)
    try:
        yield
    finally:
        if was_there:
            place.rename(path)


def _installed(prefix: Path, link: Path, recipe: Recipe, script: str) -> Iterator[None]:
    prefix.mkdir(parents=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.write_text(f"#!{sys.executable}\n{script}")
    link.chmod(0o755)
    (prefix / "program").symlink_to(link)
    (prefix / MARKER).write_text(json.dumps({"lock": recipe.fingerprint(), "program": "program"}))
    try:
        yield
    finally:
        link.unlink()
        shutil.rmtree(prefix)
