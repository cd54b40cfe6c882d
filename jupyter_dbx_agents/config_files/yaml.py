"""YAML that keeps the user's comments, order, quotes and indentation.

ruamel.yaml edits, because PyYAML drops comments and YAML has too many forms to edit line by line.
PyYAML, which the agents read with, verifies: what it reads differently is not written (see
``managed``).
"""

import io
import re
from collections.abc import MutableMapping
from typing import Any

Document = MutableMapping[str, Any]
# ruamel.yaml breaks long lines otherwise; prompts in a configuration are long lines.
_NO_LINE_BREAKS = 1_000_000
_BYTE_ORDER_MARK = "\ufeff"  # from editors on Windows, as are lines that end with CR LF
_SEQUENCE = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*\n\1( *)- ", re.MULTILINE)
_MAPPING = re.compile(r"^[^\s#-][^\n]*:[ \t]*\n( +)[^\s#-]", re.MULTILINE)


class YamlError(ValueError):
    """A text that is not one YAML mapping; ``line`` is where, from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def load_yaml(text: str) -> dict[str, Any]:
    """Return a text's values as PyYAML reads them; raises YamlError."""
    import yaml  # noqa: PLC0415 lazy: only Hermes needs it

    try:
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise YamlError(*_place(error)) from None
    except yaml.YAMLError as error:
        raise YamlError(str(error)) from None
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise YamlError("it is not a mapping")
    return values


def parse_yaml(text: str) -> Document:
    """Return an editable document; raises YamlError."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    values = load_yaml(text)
    try:
        document = _editor(text).load(text) if values else _editor(text).map()
    except MarkedYAMLError as error:
        raise YamlError(*_place(error)) from None
    except YAMLError as error:
        raise YamlError(str(error)) from None
    return document  # type: ignore[no-any-return]  # an ordered dictionary


def render_yaml(document: Document, former: str) -> str:
    """Return the text of a document in the style of the former text."""
    if not document:
        return _leading_comments(former)
    has_values = bool(load_yaml(former))
    # The editor keeps neither of the two in all lines.
    mark, newline = former[: former.startswith(_BYTE_ORDER_MARK)], _newline(former)
    if has_values:
        _keep_gaps(document, _editor(former).load(former))
    stream = io.StringIO()
    _editor(former).dump(document, stream)
    text = stream.getvalue().replace("\r\n", "\n").removeprefix(mark)
    if not has_values and former.strip() not in {"", "{}"}:
        # only comments so far
        text = former.replace("\r\n", "\n").removeprefix(mark).rstrip("\n") + "\n" + text
    return mark + text.replace("\n", newline)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _keep_gaps(document: Any, former: Any) -> None:
    """Keep the distance between a value that changed its length and the comment after it."""
    for name, value in document.items():
        before = former.get(name) if isinstance(former, MutableMapping) else None
        if isinstance(value, MutableMapping):
            _keep_gaps(value, before)
        elif before is not None and document.ca.items.get(name, [None] * 3)[2] is not None:
            comment = document.ca.items[name][2]
            comment.start_mark.column += len(str(value)) - len(str(before))


def _editor(text: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = _NO_LINE_BREAKS
    mapping, sequence = _MAPPING.search(text), _SEQUENCE.search(text)
    offset = len(sequence[2]) if sequence else 0
    editor.indent(mapping=len(mapping[1]) if mapping else 2, sequence=offset + 2, offset=offset)
    editor.explicit_start = text.startswith("---\n")
    return editor


def _leading_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    bare = [line.removeprefix(_BYTE_ORDER_MARK).strip() for line in lines]
    count = next((n for n, line in enumerate(bare) if line[:1] not in {"", "#"}), 0)
    return "".join(lines[:count])


def _place(error: Any) -> tuple[str, int]:
    mark = error.problem_mark or error.context_mark
    return str(error.problem or error.context), mark.line + 1 if mark else 1
