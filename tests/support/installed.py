"""Installing an agent: the app of these tests has none before a test asks for it."""

from typing import Any

from .running_app import RunningApp, eventually


def install(app: RunningApp, agent: str) -> None:
    """Install one agent, unless it is there, and wait for it."""

    def is_installed() -> bool:
        status = app.status()
        failed = [task for task in status["startup"] if task["state"] == "failed"]
        assert not failed, failed
        return _model(status, agent)["installed"]

    if not is_installed():
        app.owner.json("POST", f"/dbx-agents/api/agents/{agent}/install")
    eventually(is_installed, 500, f"{agent} is installed")


def _model(status: dict[str, Any], agent: str) -> dict[str, Any]:
    return next(model for model in status["agents"] if model["name"] == agent)
