"""AI coding agents in JupyterLab terminals, working as you on your own Databricks workspace."""

from typing import Any

__version__ = "0.1.0"


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Name the server extension; the import waits, so that the package itself stays free."""
    from .app import DbxAgentsApp  # noqa: PLC0415

    return [{"module": "jupyter_dbx_agents", "app": DbxAgentsApp}]
