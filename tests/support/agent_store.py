"""The agents' programs, installed once for all workers of a run and linked into the homes of apps.

Together they are 1.4 GB: each home gets hard links.  The store and the homes are below one folder
for temporary files, so that they are on one file system.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_dbx_agents.agents import AGENTS, AgentInstaller

from .running_app import RunningApp, eventually

ROOT = Path(__file__).resolve().parents[2]
NAMES = tuple(agent.name for agent in AGENTS)


class AgentStore:
    """Installs an agent when it is first wanted; several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._installer = AgentInstaller(folder)

    def put(self, home: Path, names: Iterable[str] = NAMES) -> None:
        """Make these agents be installed in a home, as its app's own installation would do it.

        The app finds them complete, and has only to link their commands.
        """
        agents = [agent for agent in AGENTS if agent.name in names]

        async def install() -> None:
            await asyncio.gather(*(self._installer.install(agent) for agent in agents))

        # The packages need not be fetched again where a demo has run.
        os.environ.setdefault("npm_config_cache", str(ROOT / ".demo" / "npm-cache"))
        with ThreadPoolExecutor(1) as thread:  # this one may have an event loop: the browser's
            thread.submit(asyncio.run, install()).result()
        for agent in agents:
            _link(self._installer.own_folder(agent), AgentInstaller(home).own_folder(agent))

    def install(self, app: RunningApp, name: str) -> None:
        """Install one agent in a running app that has none, unless it is there."""

        def is_installed() -> bool:
            status = app.status()
            failed = [task for task in status["startup"] if task["state"] == "failed"]
            assert not failed, failed
            (model,) = (model for model in status["agents"] if model["name"] == name)
            return bool(model["installed"])

        if not is_installed():
            self.put(app.home, [name])
            app.owner.json("POST", f"/dbx-agents/api/agents/{name}/install")
        eventually(is_installed, 500, f"{name} is installed")


def _link(source: Path, target: Path) -> None:
    """Link a folder's files, all or nothing."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name("linking")
    shutil.copytree(source, partial, symlinks=True, copy_function=os.link)
    partial.rename(target)
