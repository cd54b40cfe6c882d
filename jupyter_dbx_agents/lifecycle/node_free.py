"""Keep JupyterLab from running node, which here has nothing to tell it.

JupyterLab asks yarn for its registry whenever it looks at its own version or extensions: half a
second of a core at each start, and as long with the event loop held up at each look at the
extension manager.  The answer serves builds of JupyterLab with source extensions, which an app
never makes; on a machine without node JupyterLab does without it, too.
"""

from __future__ import annotations

from typing import Any


def spare_node() -> None:
    """Answer for yarn from now on; to be called before JupyterLab's application is imported."""
    from jupyterlab import commands  # noqa: PLC0415 only a server needs it, and it imports a lot

    if hasattr(commands, "_yarn_config"):  # private: without it node runs, as it would anyway
        commands._yarn_config = _no_yarn_config


def _no_yarn_config(_logger: Any) -> dict[str, dict[str, Any]]:
    """Return what JupyterLab's own function returns where there is no node."""
    return {"yarn config": {}, "npm config": {}}
