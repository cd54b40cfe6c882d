"""The source of a deployment, read from the workspace or a Git repository, and its ``app.yaml``.

As on the platform, a file over the limit, a missing folder or an ``app.yaml`` without anything to
run fails the deployment.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..platform_errors import PlatformError
from ..rest.files import WorkspaceTree

MAX_SOURCE_FILE_BYTES = 10 * 1024 * 1024


class DeploymentFailed(Exception):  # noqa: N818 the platform's term
    """A deployment failed; the text becomes the deployment's message."""


async def fetch_source(
    files: WorkspaceTree, owner: str, request: dict[str, Any], git_url: str
) -> Mapping[str, bytes]:
    """Return the files of a deployment by path, including the ``.git`` folder of a clone.

    Raises ``DeploymentFailed`` with the platform's message.
    """
    git_source = request.get("git_source")
    if git_source:
        source = await _clone(git_url, git_source)
    else:
        source = _read_folder(files, owner, str(request["source_code_path"]))
    for path, content in source.items():
        if len(content) > MAX_SOURCE_FILE_BYTES and not path.startswith(".git/"):
            raise DeploymentFailed(
                f"Error downloading source code: {path}: File is larger than"
                f" {MAX_SOURCE_FILE_BYTES} bytes"
            )
    if not source:
        raise DeploymentFailed("Error downloading source code: the source code path is empty.")
    return source


def app_specification(
    source: Mapping[str, bytes], request: dict[str, Any], resource_values: Mapping[str, str]
) -> dict[str, Any]:
    """Return ``{command: […], env: {name: value}}`` of ``app.yaml``, overridden by ``request``.

    ``valueFrom`` is resolved with ``resource_values``. Raises ``DeploymentFailed``.
    """
    app_yaml = _parse(source.get("app.yaml", source.get("app.yml", b"")))
    command = request.get("command") or app_yaml.get("command") or _default_command(source)
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise DeploymentFailed("Invalid app.yaml: command must be a sequence of strings.")
    entries = [*(app_yaml.get("env") or []), *(request.get("env_vars") or [])]
    if not all(isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries):
        raise DeploymentFailed("Invalid app.yaml: each entry of env must have a name.")
    return {"command": command, "env": {e["name"]: _value(e, resource_values) for e in entries}}


def _parse(text: bytes) -> dict[str, Any]:
    try:
        parsed = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise DeploymentFailed(f"Invalid app.yaml: {error}") from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("env") or [], list):
        raise DeploymentFailed("Invalid app.yaml: expected command and env.")
    return parsed


def _value(entry: dict[str, Any], resource_values: Mapping[str, str]) -> str:
    # ``app.yaml`` has valueFrom, the API value_from.
    key = entry.get("valueFrom", entry.get("value_from"))
    if key is None:
        return str(entry.get("value") or "")
    if key not in resource_values:
        raise DeploymentFailed(
            f"Error resolving the variable {entry['name']}: the app has no resource {key}."
        )
    return resource_values[key]


def _default_command(source: Mapping[str, bytes]) -> list[str]:
    if "package.json" in source:
        return ["npm", "run", "start"]
    scripts = sorted(path for path in source if path.endswith(".py") and "/" not in path)
    if not scripts:
        raise DeploymentFailed("No command in app.yaml and no Python file to run.")
    return ["python", scripts[0]]


def _read_folder(files: WorkspaceTree, owner: str, path: str) -> Mapping[str, bytes]:
    try:
        return files.contents(owner, path)
    except PlatformError as error:
        raise DeploymentFailed(f"Error downloading source code: {error.message}") from None


async def _clone(url: str, git_source: dict[str, Any]) -> Mapping[str, bytes]:
    """Return the files of a clone at the named branch, tag or commit."""
    if not url:
        raise DeploymentFailed("The app has no Git repository: configure one first.")
    reference = next(
        (str(git_source[k]) for k in ("commit", "tag", "branch") if git_source.get(k)), "HEAD"
    )
    with tempfile.TemporaryDirectory() as folder:
        await _git("clone", "--quiet", "--no-checkout", "--", url, folder)
        if git_source.get("branch") and not git_source.get("commit"):
            reference = f"origin/{reference}"
        await _git("-C", folder, "checkout", "--quiet", "--detach", reference, "--")
        return _read_files(Path(folder, str(git_source.get("source_code_path") or ".")))


def _read_files(root: Path) -> Mapping[str, bytes]:
    paths = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


async def _git(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "git",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await process.communicate()
    if process.returncode:
        raise DeploymentFailed(f"Error downloading source code: {stderr.decode().strip()}")
