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
# Directives and the line that ends them, which the editor does not keep.
_PROLOGUE = re.compile(r"(?:(?:%|[ \t]*#)[^\n]*\n|[ \t]*\n)*---[ \t]*(?:#[^\n]*)?\n")
_SEQUENCE = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*\n\1( *)- ", re.MULTILINE)
_MAPPING = re.compile(r"^[^\s#-][^\n]*:[ \t]*\n( +)[^\s#-]", re.MULTILINE)


class YamlError(ValueError):
    """A text that is not one YAML mapping; ``line`` is where, from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def load_yaml(text: str) -> dict[str, Any]:
    """Return a text's values as PyYAML reads them, aliases written out; raises YamlError."""
    import yaml  # noqa: PLC0415 lazy: only Hermes needs it

    try:
        values = _written_out(yaml.safe_load(text))
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


def _written_out(value: Any) -> Any:
    """Return a copy in which each alias has values of its own: PyYAML's share one object."""
    if isinstance(value, dict):
        return {name: _written_out(member) for name, member in value.items()}
    return [_written_out(item) for item in value] if isinstance(value, list) else value


def parse_yaml(text: str) -> Document:
    """Return an editable document; raises YamlError."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    try:
        return _edit(text) if load_yaml(text) else _editor(text).map()  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        reason, line = _place(error)
        raise YamlError(reason, line + _prologue(text).count("\n")) from None
    except YAMLError as error:
        raise YamlError(str(error)) from None


def render_yaml(document: Document, former: str) -> str:
    """Return the text of a document in the style of the former text."""
    if not document:
        return _leading_comments(former)
    has_values = bool(load_yaml(former))
    if has_values:
        _keep_style(document, _edit(former))
    stream = io.StringIO()
    _editor(former).dump(document, stream)
    if not has_values and former.strip() not in {"", "{}"}:
        return former.rstrip("\n") + "\n" + stream.getvalue()  # only comments so far
    return _prologue(former) + stream.getvalue()


def _edit(text: str) -> Any:
    return _editor(text).load(text.removeprefix(_prologue(text)))


def _prologue(text: str) -> str:
    found = _PROLOGUE.match(text)
    return found[0] if found else ""


def _keep_style(document: Any, former: Any) -> None:
    """Keep what the editor would not: comments below an empty table, merge keys, distances.

    A table in the place of a null is written on the null's line, above the comments that follow.  A
    value that is again the one of a merge key is left to that.  The comment after a value that
    changed its length stays at its distance.
    """
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415

    merged = getattr(document, "merge", None) or ()
    for name, value in list(document.items()):
        before = former.get(name) if isinstance(former, MutableMapping) else None
        is_table = isinstance(value, MutableMapping)
        if is_table and isinstance(former, MutableMapping) and name in former and before is None:
            document[name] = CommentedMap(value)
            document[name].fa.set_flow_style()
        elif is_table:
            _keep_style(value, before)
        elif value != before and any(m.get(name) == value for m in merged):
            del document[name]
        elif before is not None and document.ca.items.get(name, [None] * 3)[2] is not None:
            mark = document.ca.items[name][2].start_mark
            mark.column = 0 if value is None else mark.column + len(str(value)) - len(str(before))


def _editor(text: str) -> Any:
    from ruamel.yaml import YAML  # noqa: PLC0415

    editor = YAML()
    editor.preserve_quotes = True
    editor.width = _NO_LINE_BREAKS
    mapping, sequence = _MAPPING.search(text), _SEQUENCE.search(text)
    offset = len(sequence[2]) if sequence else 0
    editor.indent(mapping=len(mapping[1]) if mapping else 2, sequence=offset + 2, offset=offset)
    return editor


def _leading_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    count = next((n for n, line in enumerate(lines) if line.strip()[:1] not in {"", "#"}), 0)
    return "".join(lines[:count])


def _place(error: Any) -> tuple[str, int]:
    mark = error.problem_mark or error.context_mark
    return str(error.problem or error.context), mark.line + 1 if mark else 1
