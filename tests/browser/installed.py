"""Waiting for an agent's installation."""

from tests.system.running_app import RunningApp, eventually


def until_installed(app: RunningApp, agent: str) -> None:
    """Wait for one agent."""

    def is_installed() -> bool:
        tasks = {task["name"]: task for task in app.status()["startup"]}
        task = tasks[f"install-{agent}"]
        assert task["state"] != "failed", task
        return task["state"] == "done"

    eventually(is_installed, 500, f"{agent} is installed")
