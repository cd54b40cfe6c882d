"""Query the installed Codex: what it knows of a model, and whether its sandbox works here.

For a model's name that it does not know it warns, takes a poorer prompt and offers no tool for
patches.  So one of its own descriptions is copied under that name; a catalog of ours takes the
place of its own.

Its sandbox uses user namespaces (bubblewrap, which it brings along).  In a container that forbids
them every command of Codex would fail, so that its sandbox is switched off there: the container is
the boundary then, as it is for the other agents.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config_files import atomic
from ..errors import InstallError
from .base import AgentContext
from .install.program import run_program


def catalog_path(context: AgentContext) -> Path:
    """Return where the catalog for the agent's model is, or will be once it is installed."""
    return context.own_folder / f"models-{context.model.replace('/', '-')}.json"


async def write_catalog(
    context: AgentContext, program: Path, environment: Mapping[str, str]
) -> None:
    """Make the catalog unless it is there.  Raises InstallError and ConfigFileError."""
    path = catalog_path(context)
    if path.exists():
        return
    with tempfile.TemporaryDirectory() as elsewhere:  # settings of the user's might be in the way
        clean = {**environment, "HOME": elsewhere}
        clean.pop("CODEX_HOME", None)
        output = Path(elsewhere) / "models.json"
        command = ("sh", "-c", 'exec "$0" debug models > "$1"', str(program), str(output))
        code, lines = await run_program(command, Path(elsewhere), clean)
        try:
            catalog = build_catalog(json.loads(output.read_text(encoding="utf-8")), context.model)
        except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
            raise InstallError(
                f"Codex does not tell what it knows of models (exit status {code}, {error!r}).",
                "It works, with a warning at its start. " + " ".join(lines),
            ) from None
    atomic.replace(atomic.read(path), json.dumps(catalog).encode(), 0o600)


def build_catalog(built_in: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return a catalog with one model, described as the first built-in one of the plain kind.

    Plain: without the vendor's own form of requests and tools.  Raises KeyError or StopIteration
    when there is none.
    """
    plain = next(
        entry
        for entry in built_in["models"]
        if not entry.get("use_responses_lite") and not entry.get("tool_mode")
    )
    ours = {
        **plain,
        "slug": model,
        "display_name": model,
        "description": "Served by your workspace.",
        "supports_search_tool": False,  # a tool hosted by the vendor
        "upgrade": None,  # it would offer the vendor's next model
        "service_tiers": [],
        "additional_speed_tiers": [],
    }
    return {"models": [ours]}


def sandbox_settings(context: AgentContext) -> dict[str, str]:
    """Return what to write down of the sandbox: nothing where it works; that is the user's."""
    return {"sandbox_mode": "danger-full-access"} if _finding(context).exists() else {}


async def try_sandbox(context: AgentContext, program: Path, environment: Mapping[str, str]) -> None:
    """Run a command in Codex' sandbox and remember whether that goes.

    Raises InstallError, to be shown, if it does not.
    """
    with tempfile.TemporaryDirectory() as elsewhere:  # settings of the user's might be in the way
        clean = {**environment, "HOME": elsewhere}
        clean.pop("CODEX_HOME", None)
        command = (str(program), "sandbox", "--", "true")
        code, lines = await run_program(command, Path(elsewhere), clean)
    if code == 0:
        _finding(context).unlink(missing_ok=True)
        return
    atomic.replace(atomic.read(_finding(context)), "\n".join(lines).encode(), 0o600)
    raise InstallError(
        f"Codex cannot shut its commands in here: {' '.join(lines[-1:])}",
        "Its sandbox is off; what it runs may do whatever you may in this app, as other agents'.",
    )


def _finding(context: AgentContext) -> Path:
    return context.own_folder / "sandbox-fails"
