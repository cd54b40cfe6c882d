"""Checks what the workspace serves: its models every hour, a gateway that failed soon.

A gateway that was found and stops answering is replaced by the serving endpoints until it answers
again.  A configured one is not: its user may want every call to go through it.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from traitlets import Float
from traitlets.config import LoggingConfigurable

from ..background import backoff_seconds
from ..secret import Secret
from ..workspace_api import WorkspaceApi
from .gateway import UNANSWERED, Gateway, GatewayKind, gateway_works
from .table import ModelTable

AGAIN = " It did not answer for a while."


class ModelWatch(LoggingConfigurable):
    """Keeps a model table up to date while the server runs."""

    interval_seconds = Float(
        3600.0, min=1.0, help="How often (seconds) to list what the workspace serves."
    ).tag(config=True)
    first_pause_seconds = Float(
        2.0, min=0.01, help="How long to wait (seconds) before retrying after a failure."
    ).tag(config=True)
    longest_pause_seconds = Float(
        300.0, min=0.01, help="The longest such pause (seconds): each is twice the one before."
    ).tag(config=True)

    def __init__(
        self,
        models: ModelTable,
        api: WorkspaceApi,
        current_token: Callable[[], Secret | None],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._models, self._api, self._current_token = models, api, current_token
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failures = 0
        self._lost: Gateway | None = None
        self._checked_at_seconds = -math.inf  # of the monotonic clock

    def token_changed(self) -> None:
        """Check at once if anything is unknown: there may be a token now."""
        if not self._models.served.is_known or self._failures or self._lost is not None:
            self._wake.set()

    async def run(self) -> None:
        """Check whenever it is due, until cancelled."""
        while True:
            self._wake.clear()
            try:
                done = await self._check()
            except Exception:  # a list of a new shape must not end this loop
                self.log.warning("Could not read the workspace's models.", exc_info=True)
                done = False
            self._failures = 0 if done else self._failures + 1
            try:
                async with asyncio.timeout(self._pause_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def gateway_failed(self, gateway: Gateway) -> bool:
        """Check a gateway through which a call failed; return whether another is in force now."""
        if self._models.is_gateway_configured or gateway.kind is GatewayKind.SERVING_ENDPOINTS:
            return False
        failed_at_seconds = time.monotonic()
        async with self._turn:
            token = self._current_token()
            # Many calls may fail at the same time and share one check.
            was_checked = self._checked_at_seconds >= failed_at_seconds
            if self._models.gateway == gateway and token is not None and not was_checked:
                await self._fall_back_unless_it_works(gateway, token)
                self._checked_at_seconds = time.monotonic()
        return self._models.gateway != gateway

    async def _fall_back_unless_it_works(self, gateway: Gateway, token: Secret) -> None:
        if await self._works(gateway, token):
            return
        self._lost = gateway
        self._models.use_gateway(
            self._models.without_gateway(
                f"The {gateway.kind} does not answer. It is used again once it does."
            )
        )
        self.log.warning("%s", self._models.gateway.reason)
        self._wake.set()

    async def _works(self, gateway: Gateway, token: Secret) -> bool:
        try:
            return await gateway_works(gateway, self._api, token)
        except UNANSWERED:
            return True  # the whole workspace does not answer, nor would its serving endpoints

    async def _check(self) -> bool:
        """Check everything; return whether nothing has to be retried soon."""
        token = self._current_token()
        if token is None:
            return True
        async with self._turn:
            if self._lost is None:
                is_chosen = await self._models.choose_gateway(self._api, token)
            else:
                is_chosen = await self._came_back(self._lost, token)
        return is_chosen and await self._models.discover(self._api, token)

    async def _came_back(self, gateway: Gateway, token: Secret) -> bool:
        try:
            works = await gateway_works(gateway, self._api, token)
        except UNANSWERED:
            return False
        if works:
            self._lost = None
            reason = f"{gateway.reason.removesuffix(AGAIN)}{AGAIN}"
            self._models.use_gateway(replace(gateway, reason=reason))
        return works

    def _pause_seconds(self) -> float:
        if not self._failures:
            return self.interval_seconds
        return backoff_seconds(
            self._failures - 1, self.first_pause_seconds, self.longest_pause_seconds
        )
