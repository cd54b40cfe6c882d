"""Whether Codex can shut its commands in here; where it cannot, it must not try.

It does so with user namespaces (bubblewrap, which it brings along).  In a container that forbids
them every command of Codex would fail, so that its sandbox is switched off there: the container is
the boundary then, as it is for the other agents.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..config_files import atomic
from ..errors import InstallError
from .base import AgentContext
from .install.program import run_program


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
