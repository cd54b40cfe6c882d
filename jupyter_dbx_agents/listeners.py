"""Those who want to know when something changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Listeners(list[Callable[[], object]]):
    """Functions that are called without arguments after each change of ``what``."""

    def __init__(self, what: str, log: Any) -> None:
        super().__init__()
        self._what, self._log = what, log

    def tell(self) -> None:
        """Call them all; the fault of one is logged, and stops neither the others nor the work."""
        for listener in list(self):
            try:
                listener()
            except Exception:  # whatever it is, it is the listener's
                self._log.exception("Telling of a change of %s failed", self._what)
