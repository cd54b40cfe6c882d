"""What an agent's files are made from in the tests."""

from pathlib import Path
from typing import Any

from jupyter_dbx_agents.agents import Agent, AgentContext
from jupyter_dbx_agents.environment import Environment
from jupyter_dbx_agents.models import ModelTable
from jupyter_dbx_agents.secret import Secret


def context_of(home: Path, agent: Agent, **more: Any) -> AgentContext:
    """The context of an agent in a home, with a loopback secret and without a workspace."""
    environment = Environment("", "https://w", "1", None, "", Secret(""), Secret(""), home)
    models = ModelTable(environment)
    return AgentContext(
        home=home,
        broker_url="http://127.0.0.1:1234",
        capability=Secret("capability"),
        models=models,
        model=agent.default_model(models),
        own_folder=home / "own",
        projects=Path("/h/projects"),
        git_roots=(Path("/h/projects/a.b"),),
        **more,
    )
