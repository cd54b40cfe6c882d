"""Parse and render the formats, keeping what the user can see: order, comments, indentation."""

import codecs
import re
import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..errors import ConfigFileError
from .dotenv import DotenvDocument, load_dotenv
from .ini import IniDocument, check_ini, load_ini
from .jsonc import JsonError, load_json, load_jsonc, render_json
from .text import BEGIN, load_text, parse_text, render_text
from .yaml import YamlError, load_yaml, parse_yaml, render_yaml

Document = MutableMapping[str, Any]


class Format(StrEnum):
    """A format of configuration files.

    JSONC is JSON with comments and trailing commas; TEXT is prose with one marked section of ours.
    """

    JSON = "json"
    JSONC = "jsonc"
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
    """Return a file's text and document; raises ConfigFileError naming the file and the line.

    The text is without what editors on Windows add: a byte order mark, and CR LF on all lines.
    """
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, content.index(error.object[error.start :])) + 1
        raise _unparsable(path, line, "it is not UTF-8") from None
    if _has_crlf(content):
        text = text.replace("\r\n", "\n")
    return text, CODECS[file_format].parse(text, path)


def render(file_format: Format, document: Document, text: str, content: bytes) -> bytes:
    """Return a file's new content, in the style of its former text and content.

    In INI a byte order mark is dropped: the Databricks SDK for Python cannot read the file with it.
    """
    rendered = CODECS[file_format].render(document, text)
    if text and not text.endswith("\n"):
        rendered = rendered.removesuffix("\n")
    if _has_crlf(content):
        rendered = rendered.replace("\n", "\r\n")
    has_mark = content.startswith(codecs.BOM_UTF8) and file_format is not Format.INI
    return codecs.BOM_UTF8 * has_mark + rendered.encode()


def _has_crlf(content: bytes) -> bool:
    """Whether all lines end with CR LF; where only some do, all stay as they are."""
    return b"\r\n" in content and content.count(b"\n") == content.count(b"\r\n")


def _parse_json(text: str, path: Path, load: Callable[[str], Document] = load_json) -> Document:
    try:
        return load(text)
    except JsonError as error:
        raise _unparsable(path, error.line, str(error)) from None


def _parse_jsonc(text: str, path: Path) -> Document:
    return _parse_json(text, path, load_jsonc)


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
    # The blank lines around a table of ours remain when the table is removed.
    text = text if former.endswith("\n\n") else re.sub(r"\n{2,}\Z", "\n", text)
    return text if former.startswith("\n") else text.lstrip("\n")


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


CODECS: Mapping[Format, Codec] = {
    Format.JSON: Codec(_parse_json, render_json, load_json),
    Format.JSONC: Codec(_parse_jsonc, render_json, load_jsonc),
    Format.TOML: Codec(_parse_toml, _render_toml, tomllib.loads, _toml_table),
    Format.INI: Codec(_parse_ini, _render_lines, load_ini),
    Format.YAML: Codec(_parse_yaml, render_yaml, load_yaml),
    Format.DOTENV: Codec(_parse_dotenv, _render_lines, load_dotenv),
    Format.TEXT: Codec(_parse_text, lambda document, _former: render_text(document), load_text),
}


def _unparsable(path: Path, line: int, reason: str) -> ConfigFileError:
    return ConfigFileError(
        f"{path}, line {line}, cannot be read: {reason}.",
        "Correct the file or move it away; it was not changed.",
    )
