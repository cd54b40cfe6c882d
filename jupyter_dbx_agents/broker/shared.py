"""What the broker's handlers share: the token's source, the models, the upstream, the log."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..background import AnyLogger, BackgroundTasks
from ..models import Gateway, ModelTable
from ..pat import PatSource
from ..pat.clock import Clock
from ..secret import Secret
from .access import Capabilities, new_secret
from .filters.learning import Lessons, Repeats
from .ledger import AccessLog, UsageLedger
from .mcp.paths import WEB_SEARCH
from .mcp.service import McpService
from .mcp.web_search import HostedSearch
from .upstream import Upstream

# How long an agent's call may wait for the check of a gateway through which it failed.
GATEWAY_CHECK_SECONDS = 3.0
# The part of the memory for requests that each agent has beside what all share: with the default
# limit 4 MiB, which is a conversation of a million tokens.
OWN_PART = 1 / 64
GatewayFailed = Callable[[Gateway], Coroutine[Any, Any, bool]]


class Use:
    """When programs last used the credential: by calling a model, or by taking a token."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lasting = 0
        self._ended_at: datetime | None = None

    def begin(self) -> None:
        """Note that a call begins."""
        self._lasting += 1

    def end(self) -> None:
        """Note that a call has ended."""
        self._lasting -= 1
        self._ended_at = self._clock.now()

    def was_within(self, seconds: float) -> bool:
        """Whether a call lasts, or has ended within the last seconds."""
        if self._lasting or self._ended_at is None:
            return self._lasting > 0
        return self._clock.now() - self._ended_at < timedelta(seconds=seconds)


class HeldBodies:
    """The memory of the requests that wait for the beginning of an answer.

    Agents share ``most_bytes``.  Beside these each has ``OWN_PART`` of them for itself, so that one
    with many large requests, or that stalls in the middle of one, keeps no small call of another
    out.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._own_bytes = int(most_bytes * OWN_PART)
        self._by_agent: Counter[str] = Counter()

    @property
    def bytes(self) -> int:
        """The size of all of them."""
        return self._by_agent.total()

    def reserve(self, agent: str, size: int) -> bool:
        """Reserve memory for so many bytes of an agent; return whether there is enough."""
        own_left = max(0, self._own_bytes - self._by_agent[agent])
        if max(0, size - own_left) > self._most_bytes - self._shared_bytes():
            return False
        self._by_agent[agent] += size
        return True

    def free(self, agent: str, size: int) -> None:
        """Return what was reserved."""
        self._by_agent[agent] -= size

    def _shared_bytes(self) -> int:
        """How much of what all share is reserved."""
        return sum(max(0, held - self._own_bytes) for held in self._by_agent.values())


@dataclass
class Shared:
    """The state of one broker; ``port`` is 0 until it listens.

    ``uncounted`` has the addresses that count no tokens.
    """

    pats: PatSource
    models: ModelTable
    workspace_host: str
    gateway_failed: GatewayFailed
    max_body_bytes: int
    max_held_bytes: int
    use: Use
    log: AnyLogger
    port: int = 0
    capabilities: Capabilities = field(default_factory=Capabilities)
    usage: UsageLedger = field(default_factory=UsageLedger)
    lessons: Lessons = field(default_factory=Lessons)
    repeats: Repeats = field(default_factory=Repeats)
    uncounted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.metadata_path = Secret(f"/metadata/{new_secret().reveal()}")
        self.held = HeldBodies(self.max_held_bytes)
        self.access_log = AccessLog(self.log, self.usage)
        self.upstream = Upstream(self.pats)
        self.tasks = BackgroundTasks(self.log)
        self.mcp = McpService(self.workspace_host, self.upstream, self.pats, self.tasks, self.log)
        self.mcp.catalog.stand_ins[WEB_SEARCH] = HostedSearch(self.models, self.upstream)
        self.models.on_change.append(self.mcp.models_changed)

    async def finds_another_gateway(self, failed: Gateway) -> bool:
        """Have a gateway checked after a failed call; return whether another one is in force."""
        check = self.tasks.spawn(self.gateway_failed(failed))
        await asyncio.wait({check}, timeout=GATEWAY_CHECK_SECONDS)
        return self.models.gateway != failed
