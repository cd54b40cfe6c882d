"""A bar for what can be counted."""

from __future__ import annotations

import sys
from typing import Any


def progress_bar(total: int, what: str) -> Any:
    """Return a bar on standard error to ``update()`` ``total`` times; silent off a terminal."""
    from tqdm import tqdm  # noqa: PLC0415 only this command draws one

    return tqdm(total=total, desc=what, unit="file", file=sys.stderr, disable=None, leave=False)
