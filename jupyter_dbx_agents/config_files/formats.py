"""Parse and render the formats, keeping what the user can see: order, comments, indentation."""

import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import ConfigFileError
from .dotenv import DotenvDocument
from .ini import IniDocument, check_ini, load_ini
from .text import BEGIN, load_text, parse_text, render_text
from .yaml import YamlError, load_yaml, parse_yaml, render_yaml

Document = MutableMapping[str, Any]


class Format(StrEnum):
    """A format of configuration files; TEXT is prose with one marked section of ours."""

    JSON = "json"
    TOML = "toml"
    INI = "ini"
    YAML = "yaml"
    DOTENV = "dotenv"
    TEXT = "text"


@dataclass(frozen=True)
class Codec:
    """How one format is read and written; ``render`` takes its style from the former text.

    ``load`` is an independent reader, to plain values; it may raise ValueError.
    """

    parse: Callable[[str, Path], Document]
    render: Callable[[Document, str], str]
    load: Callable[[str], dict[str, Any]]
    new_table: Callable[[Any, bool], Any] = lambda _parent, _holds_only_tables: {}


def parse(file_format: Format, content: bytes, path: Path) -> tuple[str, Document]:
    """Return a file's text and document; raises ConfigFileError naming the file and the line."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unparsable(path, line, "it is not UTF-8") from None
    return text, CODECS[file_format].parse(text, path)


def _parse_json(text: str, path: Path) -> Document:
    try:
        document = _load_json(text)
    except json.JSONDecodeError as error:
        raise _unparsable(path, error.lineno, error.msg) from None
    except ValueError as error:
        raise _unparsable(path, text.count("\n") or 1, str(error)) from None
    except RecursionError:
        raise _unparsable(path, 1, "it is nested too deeply") from None
    if not isinstance(document, dict):
        raise _unparsable(path, 1, "it is not a JSON object")
    return document


def _render_json(document: Document, former: str) -> str:
    """Render with the former text's indentation, escapes and line endings."""
    indent = re.search(r"\n([ \t]+)\S", former)
    compact = bool(former.strip()) and "\n" not in former.strip() and former.strip() != "{}"
    style: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    if indent:
        style = {"indent": indent[1]}
    escapes = "\\u" in former and (former.isascii() or _has_lone_surrogate(document))
    text = json.dumps(document, ensure_ascii=escapes, **style)
    if not former.strip() or former.endswith("\n"):
        text += "\n"
    return text.replace("\n", "\r\n") if "\r\n" in former else text


def _parse_toml(text: str, path: Path) -> Document:
    # Lazy: the parser takes 20 ms to import, and only Codex needs it.
    import tomlkit  # noqa: PLC0415
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415

    try:
        # The standard parser first: it is the stricter of the two.
        tomllib.loads(text)
        return tomlkit.parse(text)
    except tomllib.TOMLDecodeError as error:
        raise _unparsable(path, _toml_line(str(error), text), str(error)) from None
    except TOMLKitError as error:
        raise _unparsable(path, getattr(error, "line", 1), str(error)) from None


def _toml_line(message: str, text: str) -> int:
    """Return the line that an error names; without one it is the end of the document."""
    found = re.search(r"at line (\d+)", message)
    return int(found[1]) if found else text.rstrip().count("\n") + 1


def _render_toml(document: Document, former: str) -> str:
    import tomlkit  # noqa: PLC0415

    text = tomlkit.dumps(document)
    # The blank line above a table of ours remains when the table is removed.
    return text if former.endswith("\n\n") else re.sub(r"\n{2,}\Z", "\n", text)


def _toml_table(parent: Any, holds_only_tables: bool) -> Any:
    """Return a table in the parent's style, without a header when it holds only tables."""
    import tomlkit  # noqa: PLC0415

    if isinstance(parent, tomlkit.items.InlineTable):
        return tomlkit.inline_table()
    return tomlkit.table(is_super_table=holds_only_tables)


def _parse_ini(text: str, path: Path) -> Document:
    problem = check_ini(text)
    if problem:
        raise _unparsable(path, problem[1], problem[0])
    return IniDocument(text)


def _parse_yaml(text: str, path: Path) -> Document:
    try:
        return parse_yaml(text)
    except YamlError as error:
        raise _unparsable(path, error.line, str(error)) from None


def _parse_dotenv(text: str, path: Path) -> Document:
    try:
        return DotenvDocument(text)
    except ValueError as error:
        raise _unparsable(path, text.count("\n") or 1, str(error)) from None


def _parse_text(text: str, path: Path) -> Document:
    try:
        return parse_text(text)
    except ValueError as error:
        line = text[: text.index(BEGIN)].count("\n") + 1
        raise _unparsable(path, line, str(error)) from None


def _render_lines(document: Document, former: str) -> str:
    assert isinstance(document, IniDocument | DotenvDocument)  # noqa: S101 parse made it
    return document.render()


def _load_json(text: str) -> Any:
    """Return a text's values; raises ValueError for what would not survive being written again."""
    if not text.strip():
        return {}
    return json.loads(
        text,
        object_pairs_hook=_each_name_once,
        parse_constant=_finite,
        parse_float=_finite,
    )


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice} appears twice in one object")
    return members


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a number in JSON")
    return value


def _has_lone_surrogate(document: Document) -> bool:
    """Whether it has half of a surrogate pair, which can be written only as an escape."""
    return any(
        "\ud800" <= character <= "\udfff" for character in json.dumps(document, ensure_ascii=False)
    )


CODECS: Mapping[Format, Codec] = {
    Format.JSON: Codec(_parse_json, _render_json, _load_json),
    Format.TOML: Codec(_parse_toml, _render_toml, tomllib.loads, _toml_table),
    Format.INI: Codec(_parse_ini, _render_lines, load_ini),
    Format.YAML: Codec(_parse_yaml, render_yaml, load_yaml),
    Format.DOTENV: Codec(_parse_dotenv, _render_lines, lambda text: dict(DotenvDocument(text))),
    Format.TEXT: Codec(_parse_text, lambda document, _former: render_text(document), load_text),
}


def _unparsable(path: Path, line: int, reason: str) -> ConfigFileError:
    return ConfigFileError(
        f"{path}, line {line}, cannot be read: {reason}.",
        "Correct the file or move it away; it was not changed.",
    )
