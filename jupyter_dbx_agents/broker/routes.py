"""Which local paths are forwarded, and what they become at the gateway; everything else is not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..models import Dialect

# What precedes, in a local path, that which is appended to the gateway's base URL of the dialect.
LOCAL_PREFIXES: Mapping[Dialect, str] = {
    Dialect.ANTHROPIC: "/anthropic",
    Dialect.RESPONSES: "/openai/v1",
    Dialect.CHAT: "/mlflow/v1",
    Dialect.GEMINI: "/gemini",
}
FORWARDED: Mapping[tuple[str, str], Dialect] = {
    ("POST", "/anthropic/v1/messages"): Dialect.ANTHROPIC,
    ("POST", "/anthropic/v1/messages/count_tokens"): Dialect.ANTHROPIC,
    ("GET", "/anthropic/v1/models"): Dialect.ANTHROPIC,
    ("POST", "/openai/v1/responses"): Dialect.RESPONSES,
    ("GET", "/openai/v1/models"): Dialect.RESPONSES,
    ("POST", "/mlflow/v1/chat/completions"): Dialect.CHAT,
}
# The model is a plain name: no slash, no escape and no leading dot, so that no path can be climbed.
GEMINI_PATH = re.compile(
    r"/gemini/v1beta/models/(?P<model>[A-Za-z0-9][A-Za-z0-9._-]*)"
    r":(generateContent|streamGenerateContent|countTokens)"
)
ONLY_COUNTS = ("/count_tokens", ":countTokens")
# Claude Code asks these, without a credential, whether its base URL is alive.
GREETINGS = frozenset({"/anthropic", "/anthropic/api/hello"})


@dataclass(frozen=True)
class Route:
    """A local path that is forwarded: its dialect, and what to append to that one's base URL.

    ``model`` is the one in the path, '' if the body names it; a model is called if
    ``is_model_call``, and only asked about if not.
    """

    dialect: Dialect
    rest: str
    model: str = ""
    is_model_call: bool = False


def route_of(method: str, path: str) -> Route | None:
    """Return where a request goes, None if nowhere.

    ``path`` is the undecoded one: an encoded slash, a dot segment, a double slash or an absolute
    URL (all of them ways to reach another path or host than the one that was checked) fails here
    because it is not letter by letter one of ours.
    """
    dialect, model = FORWARDED.get((method, path)), ""
    if dialect is None and method == "POST" and (match := GEMINI_PATH.fullmatch(path)):
        dialect, model = Dialect.GEMINI, match["model"]
    if dialect is None:
        return None
    is_model_call = method == "POST" and not path.endswith(ONLY_COUNTS)
    return Route(dialect, path.removeprefix(LOCAL_PREFIXES[dialect]), model, is_model_call)


def dialect_of(path: str) -> Dialect | None:
    """Return the dialect in which to refuse a path, by its beginning."""
    for dialect, prefix in LOCAL_PREFIXES.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return dialect
    return None
