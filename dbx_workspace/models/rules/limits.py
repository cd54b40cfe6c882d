"""How many output tokens may be requested: of a model, and of a workspace in a minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...platform_errors import PlatformError
from .families import Family
from .rule import ModelCall, Rule

_MINUTE = timedelta(minutes=1)
# Of the open models: measured by Databricks' staff (mlflow#25360) and by Neon behind the same
# gateway (anomalyco/models.dev#4370).  By a part of the name; the first counts.
_CAPS = (
    ("gpt-oss", 25_000),
    ("qwen35", 25_000),
    ("qwen3-next", 10_000),
    ("llama", 8_192),
    ("gemma", 8_192),
    ("glm-4", 25_000),  # databricks/ucode, model_token_limits
    ("glm", 65_536),
    ("kimi", 65_536),
    ("inkling", 65_536),
    ("gemini", 65_536),
    ("gpt", 128_000),
)
_OLD_CLAUDE = 64_000
_NEW_CLAUDE = 128_000  # from 4.6 on


def cap_of(model: str, family: Family) -> int | None:
    """Return the most output tokens that a request to a model may ask for, None if unknown."""
    if family.vendor == "claude":
        is_new = family.version >= (4, 6) and family.line != "haiku"
        return _NEW_CLAUDE if is_new else _OLD_CLAUDE
    return next((cap for part, cap in _CAPS if part in model), None)


def _above_cap(call: ModelCall) -> PlatformError | None:
    wanted, cap = call.most_output_tokens, cap_of(call.model, call.family)
    return (
        None if wanted is None or cap is None or wanted <= cap else cap_refusal(call, wanted, cap)
    )


def cap_refusal(call: ModelCall, wanted: int, cap: int) -> PlatformError:
    """Return the refusal of a request for more output tokens than the cap."""
    match call.family.vendor:
        case "claude":
            text = (
                f"max_tokens: {wanted} > {cap}, which is the maximum allowed number of output "
                f"tokens for {call.model}"
            )
        case "gpt":
            text = (
                f"max_tokens is too large: {wanted}. This model supports at most {cap} completion "
                f"tokens, whereas you provided {wanted}."
            )
        case "gemini":
            text = (
                f"Unable to submit request because it has a maxOutputTokens value of {wanted} but "
                f"the supported range is from 1 (inclusive) to {cap + 1} (exclusive)."
            )
        case _:
            text = (
                f"max_tokens ({wanted}) cannot exceed {cap}. Please reduce the length of max "
                "output tokens generated."
            )
    return call.refusal(text, param="max_tokens")


@dataclass
class _Reserved:
    at: datetime
    tokens: int


class OutputBudget:
    """The output tokens of each model in any minute: reserved by requests before they run.

    The maximum that a request allows is reserved; what it did not use is given back at its end.
    ``tokens_per_minute`` is 0 for no limit: the limits of real workspaces differ by their tier.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.tokens_per_minute = 0
        self._clock = clock
        self._reserved: dict[str, deque[_Reserved]] = {}

    def admit(self, call: ModelCall) -> Callable[[int], None]:
        """Reserve a request's tokens; return what gives back all but those that were used.

        Raises PlatformError (429, without Retry-After) if they do not fit.
        """
        wanted = call.most_output_tokens or 0
        entries = self._reserved.setdefault(call.model, deque())
        now = self._clock()
        while entries and entries[0].at <= now - _MINUTE:
            entries.popleft()
        used = sum(entry.tokens for entry in entries)
        if self.tokens_per_minute and used + wanted > self.tokens_per_minute:
            text = f"Exceeded workspace output tokens per minute rate limit for {call.model}."
            raise PlatformError(429, "REQUEST_LIMIT_EXCEEDED", f"REQUEST_LIMIT_EXCEEDED: {text}")
        entry = _Reserved(now, wanted)
        entries.append(entry)

        def give_back(used_tokens: int) -> None:
            entry.tokens = used_tokens

        return give_back


_LIMITS = "docs.databricks.com/aws/en/machine-learning/foundation-model-apis/limits"
RULES = (
    Rule("output-cap", "mlflow#25360, databricks-sdk-go#1183, hermes-agent#51773", _above_cap),
    Rule("output-budget", _LIMITS),
)
