"""The end in stages: what belongs together at the same time, each stage within its own time.

A step that fails or hangs must not cost the stages behind it their turn: the tokens are revoked
even when a terminal's program cannot be ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stage:
    """Steps that run side by side, for ``seconds`` at most."""

    name: str
    seconds: float
    steps: Sequence[Callable[[], Awaitable[Any]]]


async def run_stages(
    stages: Sequence[Stage], log: logging.Logger | logging.LoggerAdapter[Any]
) -> None:
    """Run the stages in their order; never raises, and never takes longer than their sum."""
    for stage in stages:
        steps = [asyncio.ensure_future(_run(step)) for step in stage.steps]
        if not steps:
            continue
        done, late = await asyncio.wait(steps, timeout=stage.seconds)
        for step in late:  # not awaited: what ignores the cancellation is left behind
            step.cancel()
        if late:
            log.warning("Stopping: %s took longer than %.1f s.", stage.name, stage.seconds)
        for step in done:
            if not step.cancelled() and (error := step.exception()) is not None:
                log.warning("Stopping: %s failed: %s", stage.name, error)


async def _run(step: Callable[[], Awaitable[Any]]) -> None:
    await step()
