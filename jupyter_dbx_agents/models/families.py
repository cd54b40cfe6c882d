"""What the models of each family take: the one table from which agents are configured.

Windows and caps are those of Databricks' endpoints, which are often below the vendors' own: a
request for more output than the cap is refused.  Where sources differ, the smaller number is here.

Sources
- [mlflow] MLflow's catalog of Databricks' models (mlflow/utils/model_catalog/databricks.json) with
  the caps that mlflow#25360 measured at the gateway
- [models.dev] the caps that Neon measured behind the same gateway (anomalyco/models.dev#4370)
- [docs] docs.databricks.com, supported models of the Foundation Model APIs
- [unity-gateway] Databricks' own launcher: ``agents/claude.py``, ``agents/codex_catalog.py``
- [anthropic], [codex], [google]: the vendors' pages on models; Codex' own catalog (0.169.0)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .gateway import Dialect
from .names import parse_name

LARGE_WINDOW_TOKENS = 1_000_000
_SCHEMA_WORDS = ("$schema", "exclusiveMinimum", "exclusiveMaximum")


@dataclass(frozen=True)
class Family:
    """What the models of one family take, from the version ``since`` on.

    ``pattern`` matches the start of a name's stem.  ``dialect`` is the native one;
    ``output_tokens`` is the most that a request may ask for.  ``efforts`` are those of the native
    dialect, the default first; ``caches_prompts`` if marks of the prompt cache count.
    ``refused_in_chat`` are fields and words of tools' schemas that chat completions refuse.
    """

    title: str
    pattern: str
    dialect: Dialect
    context_tokens: int
    output_tokens: int
    source: str
    since: tuple[int, ...] = ()
    sees_images: bool = False
    reads_documents: bool = False
    efforts: tuple[str, ...] = ()
    caches_prompts: bool = False
    refused_in_chat: tuple[str, ...] = ()

    @property
    def has_large_window(self) -> bool:
        """Whether it has the window that Claude Code marks with ``[1m]``."""
        return self.context_tokens >= LARGE_WINDOW_TOKENS


def _claude(
    title: str,
    pattern: str,
    context_tokens: int,
    output_tokens: int,
    *,
    efforts: tuple[str, ...] = (),
    since: tuple[int, ...] = (),
) -> Family:
    return Family(
        title,
        pattern,
        Dialect.ANTHROPIC,
        context_tokens,
        output_tokens,
        source="[anthropic], [mlflow], [unity-gateway]",
        since=since,
        sees_images=True,
        reads_documents=True,
        efforts=efforts,
        caches_prompts=True,
        refused_in_chat=_SCHEMA_WORDS,
    )


def _open(
    title: str,
    pattern: str,
    context_tokens: int,
    output_tokens: int,
    *,
    sees_images: bool = False,
    efforts: tuple[str, ...] = (),
    refused_in_chat: tuple[str, ...] = (),
) -> Family:
    return Family(
        title,
        pattern,
        Dialect.CHAT,
        context_tokens,
        output_tokens,
        source="[mlflow], [models.dev], [docs]",
        sees_images=sees_images,
        efforts=efforts,
        refused_in_chat=refused_in_chat,
    )


def _gpt(title: str, efforts: tuple[str, ...], since: tuple[int, ...]) -> Family:
    return Family(
        title,
        "gpt-|codex",
        Dialect.RESPONSES,
        272_000,
        128_000,
        source="[codex], [mlflow]",
        since=since,
        sees_images=True,
        efforts=efforts,
    )


_UP_TO_MAX = ("high", "low", "medium", "max")
_UP_TO_XHIGH = ("medium", "low", "high", "xhigh")
# The first row whose pattern and version fit a name counts.
FAMILIES: tuple[Family, ...] = (
    _claude("Claude Haiku", "claude.*haiku", 200_000, 64_000),
    _claude("Claude from 4.6", "claude", 1_000_000, 128_000, efforts=_UP_TO_MAX, since=(4, 6)),
    _claude(
        "Claude Opus 4.5", "claude-opus", 200_000, 64_000, efforts=_UP_TO_MAX[:3], since=(4, 5)
    ),
    _claude("Claude Opus 4", "claude-opus", 200_000, 32_000),
    _claude("Claude Sonnet up to 4.5", "claude", 200_000, 64_000),
    _open("GPT OSS", "gpt-oss", 131_072, 25_000, efforts=("medium", "low", "high")),
    _gpt("GPT from 5.6", (*_UP_TO_XHIGH, "max"), (5, 6)),
    _gpt("GPT from 5.2", _UP_TO_XHIGH, (5, 2)),
    _gpt("GPT", ("medium", "low", "high"), ()),
    Family(
        "Gemini",
        "gemini",
        Dialect.GEMINI,
        1_048_576,
        65_535,
        source="[mlflow], [google], databricks/unity-gateway#491",
        sees_images=True,
        reads_documents=True,
        refused_in_chat=("stream_options", *_SCHEMA_WORDS),
    ),
    _open(
        "Llama 4", "llama-4", 128_000, 8_192, sees_images=True, refused_in_chat=("stream_options",)
    ),
    _open("Llama", "llama", 128_000, 8_192, refused_in_chat=("stream_options",)),
    _open("Gemma", "gemma", 128_000, 8_192, sees_images=True, refused_in_chat=("stream_options",)),
    _open("Qwen 3.5", "qwen-?3[-.]?5", 131_072, 25_000, refused_in_chat=("stream_options",)),
    _open("Qwen", "qwen", 131_072, 10_000, refused_in_chat=("stream_options",)),
    _open(
        "Kimi K3", "kimi-k3", 1_000_000, 65_536, sees_images=True, efforts=("max", "low", "high")
    ),
    _open("Kimi", "kimi", 256_000, 32_768),
    _open("GLM Flash", "glm-5-3-flash", 1_000_000, 65_536, sees_images=True),
    _open("GLM 5", "glm-5", 1_000_000, 65_536),
    _open("GLM", "glm", 200_000, 25_000),
    _open("Inkling", "inkling", 1_000_000, 65_536),
)
# The least that any model of the platform has that can work as an agent.
UNKNOWN = Family(
    "any other",
    "",
    Dialect.CHAT,
    128_000,
    8_192,
    source="the smallest numbers of this table",
)


def family_of(name: str) -> Family:
    """Return what a model takes, by its name in anybody's spelling; ``UNKNOWN`` for a new one."""
    parsed = parse_name(name)
    for family in FAMILIES:
        if re.match(family.pattern, parsed.stem) and parsed.version >= family.since:
            return family
    return UNKNOWN
