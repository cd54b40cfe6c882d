"""End the process when a part that protects the app cannot be put in force.

Jupyter only logs an extension's failure, and would carry on with a token login.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


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
