"""Models' names: the platform makes one name of family and version.

``databricks-claude-opus-4-7`` and ``system.ai.claude-opus-4-7`` are two names of one model; its
family is ``claude-opus`` and its version (4, 7).  Versions are compared as numbers: 4-10 is newer
than 4-9, and a name without a number is the oldest.

The vendors' own names are understood as well (``claude-sonnet-4-5-20250929``,
``us.anthropic.claude-sonnet-4-6-v1:0``), those of one's own services
(``il_model_service.default.il-claude-opus-5``), and Claude Code's mark of a large window, ``[1m]``.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .gateway import Dialect

PREFIXES = ("databricks-", "system.ai.")
# Where a vendor's name begins in a longer one.
VENDOR = re.compile(
    r"(?:^|[-._/])(?=(?:claude|gpt|codex|gemini|gemma|llama|qwen|kimi|glm|inkling)(?:[-._\d]|$))"
)
WINDOW_MARK = re.compile(r"\[\d+[km]\]$", re.IGNORECASE)
# Bedrock's revision of a release.
REVISION = re.compile(r"(-v\d+)?:\d+$")
# Names come from agents' requests, and are logged.
PLAIN_NAME = re.compile(r"[\w.:@/-]{1,100}")
# More digits than a version has: a date, which distinguishes releases of one version.
DATE = re.compile(r"\d{4,}")
NUMBER = re.compile(r"\d{1,3}")
LETTER_AND_NUMBER = re.compile(r"([a-z])(\d{1,3})")  # as in kimi-k2-7; not the size in 120b
NO_CHAT = re.compile(r"gte|bge|.*embed|.*rerank")
# Words for the smaller models of a vendor, which do not replace a large one.
SMALL = frozenset({"haiku", "mini", "nano", "lite", "flash"})
# Names that imply a dialect beside chat completions.
OWN_DIALECTS = (
    (re.compile(r"claude"), Dialect.ANTHROPIC),
    (re.compile(r"gpt-oss"), Dialect.CHAT),
    (re.compile(r"gpt|codex|o\d"), Dialect.RESPONSES),
    (re.compile(r"gemini"), Dialect.GEMINI),
)


@dataclass(frozen=True)
class ModelName:
    """A parsed model name; ``full`` is the workspace's spelling."""

    full: str
    stem: str
    family: str
    version: tuple[int, ...]
    dates: tuple[int, ...]

    @property
    def vendor(self) -> str:
        """The family's first word, such as ``claude``."""
        return self.family.partition("-")[0]

    @property
    def age(self) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
        """The sort key: greater is newer.

        Of two names of one model that with ``databricks-`` is greater: agents know it.
        """
        return self.version, self.dates, self.full.startswith(PREFIXES[0])


def parse_name(full: str) -> ModelName:
    """Parse a name."""
    stem = stem_of(full)
    words: list[str] = []
    version: list[int] = []
    dates: list[int] = []
    for word in re.split(r"[-_.@]", stem):
        if NUMBER.fullmatch(word):
            version.append(int(word))
        elif DATE.fullmatch(word):
            dates.append(int(word))
        elif match := LETTER_AND_NUMBER.fullmatch(word):
            words.append(match[1])
            version.append(int(match[2]))
        elif word != "latest":
            words.append(word)
    return ModelName(full, stem, "-".join(words), tuple(version), tuple(dates))


def stem_of(full: str) -> str:
    """Return a name without the platform's prefix, a schema, and marks at its end."""
    stem = REVISION.sub("", without_window_mark(full))
    for prefix in PREFIXES:
        stem = stem.removeprefix(prefix)
    match = VENDOR.search(stem)
    return stem[match.end() :] if match else stem


def without_window_mark(name: str) -> str:
    """Return a name without Claude Code's mark of a large window, which no gateway knows."""
    return WINDOW_MARK.sub("", name)


def is_platforms(name: str) -> bool:
    """Whether a name is one of the platform's own models, not of a service of somebody's own."""
    return name.startswith(PREFIXES)


def is_vendors(name: str) -> bool:
    """Whether a name is a vendor's own for a model, in its or another cloud's spelling."""
    if PLAIN_NAME.fullmatch(name) is None:
        return False
    is_service = name.count(".") > 1 and "anthropic." not in name
    return VENDOR.search(name.lower()) is not None and not (is_platforms(name) or is_service)


def nearest(wanted: str, names: Iterable[str]) -> str:
    """Return the same model, else the newest of its family, else of its vendor; '' if none."""
    model, known = parse_name(wanted), list(names)
    of_version = [n for n in map(parse_name, known) if n.family == model.family]
    same = [n for n in of_version if n.version == model.version]
    if same:
        return max(same, key=lambda name: name.age).full
    near = alternatives(wanted, known)
    return next((name for name in near if parse_name(name).vendor == model.vendor), "")


def dialects_by_name(full: str) -> frozenset[Dialect]:
    """Return the dialects that a model of this name speaks, for lists without dialects."""
    stem = stem_of(full)
    if NO_CHAT.match(stem):
        return frozenset()
    for pattern, dialect in OWN_DIALECTS:
        if pattern.match(stem):
            return frozenset({dialect, Dialect.CHAT})
    return frozenset({Dialect.CHAT})


def newest_per_family(names: Iterable[str]) -> list[str]:
    """Return the newest model of each family, by family."""
    newest: dict[str, ModelName] = {}
    for name in sorted(map(parse_name, names), key=lambda name: name.age):
        newest[name.family] = name
    return [newest[family].full for family in sorted(newest)]


def alternatives(wanted: str, names: Iterable[str]) -> list[str]:
    """Return the newest model of each family; those nearest to the wanted one come first."""
    model = parse_name(wanted)

    def distance(name: str) -> tuple[bool, bool, bool]:
        other = parse_name(name)
        is_small = not SMALL.isdisjoint(other.family.split("-"))
        return other.family != model.family, other.vendor != model.vendor, is_small

    return sorted(newest_per_family(names), key=distance)
