"""What an import becomes: a verbatim file or a notebook, by format, extension and first line."""

from __future__ import annotations

import io
import json
import posixpath
import zipfile
from dataclasses import dataclass
from typing import Literal

from ..platform_errors import PlatformError, invalid_parameter

ObjectKind = Literal["DIRECTORY", "FILE", "NOTEBOOK"]

_LANGUAGE_OF_EXTENSION = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
_HEADERS = {
    "PYTHON": b"# Databricks notebook source",
    "SQL": b"-- Databricks notebook source",
    "SCALA": b"// Databricks notebook source",
    "R": b"# Databricks notebook source",
}
# The documented limit of base64 imports and of notebooks.
MAX_NOTEBOOK_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class ImportedObject:
    """The object that an import creates at `path`."""

    path: str
    kind: ObjectKind
    content: bytes
    language: str | None = None


def interpret_import(
    path: str, content: bytes, import_format: str, language: str | None
) -> ImportedObject:
    """Applies the rules of one import format, or raises the platform's error."""
    if import_format == "RAW":
        return ImportedObject(path, "FILE", content)
    if import_format == "AUTO":
        return _interpret_auto(path, content)
    if import_format == "SOURCE":
        return _interpret_source(path, content, language)
    if import_format == "JUPYTER":
        return _notebook(path, content, _jupyter_language(content, path))
    raise invalid_parameter(f"Unsupported import format: {import_format}")


def _interpret_auto(path: str, content: bytes) -> ImportedObject:
    stem, extension = posixpath.splitext(path)
    if extension == ".ipynb" and not path.endswith(".designer.ipynb"):
        return _notebook(stem, content, _jupyter_language(content, path))
    language = _LANGUAGE_OF_EXTENSION.get(extension.lower())
    if language is not None and content.startswith(_HEADERS[language]):
        return _notebook(stem, content, language)
    return ImportedObject(path, "FILE", content)


def _interpret_source(path: str, content: bytes, language: str | None) -> ImportedObject:
    if language is None:
        raise invalid_parameter("The language of the object must be set for the format SOURCE.")
    if language not in _HEADERS:
        raise invalid_parameter(f"Unsupported language: {language}")
    return _notebook(path, content, language)


def _notebook(path: str, content: bytes, language: str) -> ImportedObject:
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise too_large(len(content), MAX_NOTEBOOK_BYTES)
    return ImportedObject(path, "NOTEBOOK", content, language)


def _jupyter_language(content: bytes, path: str) -> str:
    """The language of an .ipynb document, or the platform's error for a broken one."""
    try:
        document = json.loads(content)
        cells = document["cells"]
        metadata = document.get("metadata", {})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise invalid_parameter(
            f"The notebook {path} could not be parsed as a Jupyter document."
        ) from None
    if not isinstance(cells, list):
        raise invalid_parameter(f"The notebook {path} has no list of cells.")
    name = str(metadata.get("language_info", {}).get("name", "python")).upper()
    return name if name in _HEADERS else "PYTHON"


def unzip(content: bytes) -> list[tuple[str, bytes]] | None:
    """The files of a zip archive as relative path and content, or None if it is not one."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return None
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(i.filename, archive.read(i)) for i in archive.infolist() if not i.is_dir()]


def too_large(size_bytes: int, limit_bytes: int) -> PlatformError:
    """The platform's answer to content over a limit."""
    return PlatformError(
        400,
        "MAX_NOTEBOOK_SIZE_EXCEEDED",
        f"File size imported is ({size_bytes} bytes), exceeded max size ({limit_bytes} bytes)",
    )
