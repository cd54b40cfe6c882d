"""What is done to the process itself: ended if it is unsafe, its event loop kept quick, no node.

Jupyter only logs an extension's failure, and would carry on with a token login; hence ``fatal``.

JupyterLab asks yarn for its registry whenever it looks at its own version or extensions: half a
second of a core at each start, and as long with the event loop held up at each look at the
extension manager.  The answer serves builds of JupyterLab with source extensions, which an app
never makes; on a machine without node JupyterLab does without it, too; hence ``spare_node``.
"""

import functools
import gc
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])

# How long a computing thread may: Python's own 5 ms would be paid at each of a key's system calls,
# 20 to 40 ms a key while agents are looked up or a commit is read.
THREAD_TURN_SECONDS = 0.0005


def keep_event_loop_quick() -> None:
    """Bound the turns of threads, and collect no garbage among what start-up has made.

    To be called once all is built: of the server's hundreds of thousands of objects hardly one ever
    ends, and each full collection would look through them all, which stops everything for 100 ms.
    For the same price, one before the freeze would find a few dozen objects, so there is none.
    """
    sys.setswitchinterval(THREAD_TURN_SECONDS)
    gc.freeze()


def fatal(method: Method) -> Method:
    """End the process when a method of an application fails, with one line that says why."""

    @functools.wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, *arguments, **options)
        except Exception as error:  # whatever it is, the server must not come up without us
            self.log.debug("Start-up failed", exc_info=True)
            hint = getattr(error, "hint", "")
            self.log.critical("jupyter_dbx_agents cannot start: %s %s", error, hint)
            sys.exit(1)

    return cast(Method, guarded)


def spare_node() -> None:
    """Answer for yarn from now on; to be called before JupyterLab's application is imported."""
    from jupyterlab import commands  # noqa: PLC0415 only a server needs it, and it imports a lot

    if hasattr(commands, "_yarn_config"):  # private: without it node runs, as it would anyway
        commands._yarn_config = _no_yarn_config


def _no_yarn_config(_logger: Any) -> dict[str, dict[str, Any]]:
    """Return what JupyterLab's own function returns where there is no node."""
    return {"yarn config": {}, "npm config": {}}
