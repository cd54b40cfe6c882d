"""What is done to the process itself: ended when unsafe, tuned, kept from running node."""

import functools
import gc
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])

# While a thread computes, Python's default of 5 ms would delay each system call of a keystroke: 20
# to 40 ms a key while agents are looked up or a commit is read.
THREAD_SWITCH_SECONDS = 0.0005


def tune_event_loop() -> None:
    """Shorten the turns of threads, and exclude the objects of the start from garbage collection.

    Call this once everything is built: hardly any of the server's hundreds of thousands of objects
    ever becomes garbage, and each full collection would stop the loop for 100 ms to check them all.
    A collection before the freeze would cost as much, and find a few dozen objects.
    """
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    gc.freeze()


def fatal(method: Method) -> Method:
    """End the process when a method of an application fails, with one line that says why.

    Jupyter only logs the failure of an extension, and would carry on with a token login.
    """

    @functools.wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return method(self, *arguments, **options)
        except Exception as error:  # whatever it is, the server must not start without us
            self.log.debug("Start-up failed", exc_info=True)
            hint = getattr(error, "hint", "")
            self.log.critical("jupyter_dbx_agents cannot start: %s %s", error, hint)
            sys.exit(1)

    return cast(Method, guarded)


def skip_yarn_lookup() -> None:
    """Keep JupyterLab from running yarn; call this before JupyterLab's application is imported.

    JupyterLab asks yarn for its registry whenever it needs its own version or the extensions: half
    a second of a core at each start, and as long with the event loop blocked at each use of the
    extension manager.  It uses the answer to build source extensions, which an app never does.
    """
    from jupyterlab import commands  # noqa: PLC0415 only a server needs it, and it imports a lot

    if hasattr(commands, "_yarn_config"):  # private: without it node runs, as it would anyway
        # As JupyterLab's own function answers where there is no node.
        commands._yarn_config = lambda _logger: {"yarn config": {}, "npm config": {}}


def skip_iri_grammar() -> None:
    """Keep jsonschema from building a grammar of IRIs; call this before Jupyter is imported.

    It takes a second of a core, the half of a start's imports, for formats (``iri`` and
    ``iri-reference``) that no schema of a server has.  The library is optional: jsonschema
    checks these formats only if it can be imported.
    """
    sys.modules.setdefault("rfc3987_syntax", cast(ModuleType, None))
