"""AI coding agents in JupyterLab terminals, working as you on your own Databricks workspace."""

from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Name the server extension; the import waits, so that the package itself stays free."""
    from .app import DbxAgentsApp  # noqa: PLC0415

    return [{"module": "jupyter_dbx_agents", "app": DbxAgentsApp}]
