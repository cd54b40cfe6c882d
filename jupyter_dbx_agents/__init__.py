"""AI coding agents in JupyterLab terminals, working as you on your own Databricks workspace.

``app`` builds, starts and stops every part; the docstring of each part's package names the way of
its main flow through its files.
"""

from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Return the server extension; imported here, so that importing the package stays cheap."""
    from .app import DbxAgentsApp  # noqa: PLC0415

    return [{"module": "jupyter_dbx_agents", "app": DbxAgentsApp}]
