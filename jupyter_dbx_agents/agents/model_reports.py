"""Whether the workspace serves the model of each agent, for the status."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from ..models import ModelTable, ServedModels
from .base import Agent
from .roster import AgentRoster

# What Claude Code uses for side jobs, and OpenCode the second, too.
SIDE_MODELS = {
    "claude-code/sonnet": "anthropic_sonnet_model",
    "claude-code/small": "anthropic_small_model",
}


def model_reports(roster: AgentRoster, models: ModelTable) -> dict[str, dict[str, Any]]:
    """Return the REST model of each agent's model, by the agent's name."""
    reports = {
        agent.name: _report(agent, roster.model(agent.name), models) for agent in roster.enabled()
    }
    by_trait = models.reports()
    return reports | {name: by_trait[trait].to_json() for name, trait in SIDE_MODELS.items()}


def _report(agent: Agent, status: dict[str, Any], models: ModelTable) -> dict[str, Any]:
    model = str(status["model"])
    configured = model if status["model_is_chosen"] else _configured(agent, models)
    return models.report(model, configured, agent.dialect, *agent.also_speaks).to_json()


def _configured(agent: Agent, models: ModelTable) -> str:
    """Return what was asked for, before it was known what is served."""
    before = SimpleNamespace(**models.configured, served=ServedModels(), chosen=models.chosen)
    return agent.default_model(cast(ModelTable, before))
