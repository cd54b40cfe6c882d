"""The matrix: which real agent is tried with which model, through which layout.

One model stands for each family of the table.  ``RECORD`` has what passed when the whole matrix ran
last, with the agents' versions; the documentation's table is made from it.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
from pathlib import Path

from dbx_workspace.models.catalog import ANTHROPIC, CHAT, GEMINI, RESPONSES
from jupyter_dbx_agents.models import Dialect, family_of

RECORD = Path(__file__).resolve().parents[2] / "docs" / "tested-models.json"
# Set by ``make matrix``.
IS_RECORDED = bool(os.environ.get("RECORD_MATRIX"))
MODELS = {
    "Claude Haiku": "claude-haiku-4-5",
    "Claude from 4.6": "claude-opus-4-8",
    "Claude Opus 4.5": "claude-opus-4-5",
    "Claude Opus 4": "claude-opus-4-1",
    "Claude Sonnet up to 4.5": "claude-sonnet-4-5",
    "GPT OSS": "gpt-oss-120b",
    "GPT from 5.6": "gpt-5-6",
    "GPT from 5.2": "gpt-5-5",
    "GPT": "gpt-5-mini",
    "Gemini": "gemini-3-1-pro",
    "Llama 4": "llama-4-maverick",
    "Llama": "llama-3-3-70b-instruct",
    "Gemma": "gemma-3-12b",
    "Qwen 3.5": "qwen35-122b-a10b",
    "Qwen": "qwen3-next-80b-a3b-instruct",
    "Kimi K3": "kimi-k3",
    "Kimi": "kimi-k2-7-code",
    "GLM Flash": "glm-5-3-flash",
    "GLM 5": "glm-5-2",
    "GLM": "glm-4-6",
    "Inkling": "inkling",
    "any other": "nova-1-large",
}
SPEAKERS = {
    Dialect.ANTHROPIC: ("claude-code", "opencode", "hermes"),
    Dialect.RESPONSES: ("codex", "opencode", "hermes"),
    Dialect.GEMINI: ("gemini-cli", "opencode", "hermes"),
    Dialect.CHAT: ("opencode", "hermes"),
}
GATEWAY, SERVING = LAYOUTS = ("workspace-gateway", "serving-endpoints")
# Each agent in each dialect that it speaks.
ALWAYS = (
    ("claude-code", "claude-haiku-4-5", SERVING),
    ("claude-code", "claude-opus-4-8", GATEWAY),
    ("codex", "gpt-5-5", GATEWAY),
    ("gemini-cli", "gemini-3-1-pro", SERVING),
    ("opencode", "claude-sonnet-4-5", GATEWAY),
    ("opencode", "gpt-5-6", SERVING),
    ("opencode", "gemini-3-1-pro", GATEWAY),
    ("opencode", "llama-4-maverick", GATEWAY),
    ("hermes", "claude-opus-4-5", SERVING),
    ("hermes", "gpt-5-mini", GATEWAY),
    ("hermes", "gemini-3-1-pro", GATEWAY),
    ("hermes", "glm-5-3-flash", SERVING),
)
# One for each other family, of which some come by lot in each run.
BY_LOT = (
    ("hermes", "claude-opus-4-1", SERVING),
    ("hermes", "gpt-oss-120b", GATEWAY),
    ("hermes", "llama-3-3-70b-instruct", SERVING),
    ("hermes", "gemma-3-12b", SERVING),
    ("hermes", "qwen35-122b-a10b", SERVING),
    ("hermes", "qwen3-next-80b-a3b-instruct", GATEWAY),
    ("opencode", "kimi-k3", SERVING),
    ("hermes", "kimi-k2-7-code", GATEWAY),
    ("hermes", "glm-5-2", GATEWAY),
    ("hermes", "glm-4-6", SERVING),
    ("hermes", "inkling", GATEWAY),
    ("opencode", "nova-1-large", SERVING),
)
DRAWN = 3
EVERY = tuple(
    (agent, model, layout)
    for layout in LAYOUTS
    for model in MODELS.values()
    for agent in SPEAKERS[family_of(model).dialect]
)
API_TYPES = {
    Dialect.ANTHROPIC: (ANTHROPIC, CHAT),
    Dialect.RESPONSES: (RESPONSES, CHAT),
    Dialect.GEMINI: (GEMINI, CHAT),
    Dialect.CHAT: (CHAT,),
}


def rows_of_a_run(seed: int) -> list[tuple[str, str, str]]:
    """Return the rows of one run of the quick tests."""
    return [*ALWAYS, *random.Random(seed).sample(BY_LOT, DRAWN)]


def served() -> list[dict[str, object]]:
    """Return the models of all families, as the local workspace's control takes them."""
    return [
        {"name": f"databricks-{model}", "api_types": API_TYPES[family_of(model).dialect]}
        for model in MODELS.values()
    ]


def record(agent: str, version: str, model: str, layout: str) -> None:
    """Add to the record that a cell passes; several processes may do so at once."""
    with RECORD.open("r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        cells = json.loads(stream.read())
        cells.setdefault(layout, {}).setdefault(model, {})[agent] = version
        stream.seek(0)
        stream.truncate()
        stream.write(json.dumps(cells, indent=1, sort_keys=True) + "\n")


def recorded() -> dict[str, dict[str, dict[str, str]]]:
    """Return the versions of the agents that passed, by layout and model."""
    cells: dict[str, dict[str, dict[str, str]]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return cells
