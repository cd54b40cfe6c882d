"""Each agent's installation as a start-up task, with its progress."""

import functools
from typing import Any, Protocol

from ..roster import AgentRoster


class TaskList(Protocol):
    """The part of the start-up tasks that is used here."""

    def names(self) -> list[str]:
        """Return the names of all tasks."""

    def add(self, name: str, title: str, work: Any, *, after: tuple[str, ...] = ()) -> None:
        """Add a task."""

    async def run_again(self, name: str) -> None:
        """Run a task once more."""


class InstallTasks:
    """Adds an installation for each agent to ``tasks``, to be started ``after`` others."""

    def __init__(self, agents: AgentRoster, tasks: TaskList, after: tuple[str, ...]) -> None:
        self._agents, self._tasks, self._after = agents, tasks, after

    def add_enabled(self) -> None:
        """Add the agents that are on."""
        for agent in self._agents.enabled():
            self._add(agent.name)

    async def install(self, agent: str) -> None:
        """Install an agent now, whether or not it is among the tasks."""
        await self._tasks.run_again(self._add(agent))

    def _add(self, agent: str) -> str:
        """Add an agent's installation unless it is a task already; return the task's name."""
        name = f"install-{agent}"
        if name not in self._tasks.names():
            install = functools.partial(self._agents.install, agent)
            title = f"Install {self._agents.agent(agent).title}"
            self._tasks.add(name, title, install, after=self._after)
        return name
