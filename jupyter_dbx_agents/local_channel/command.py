"""``jupyter dbx-agents`` for terminals, also when the package runs from its source folder.

The Databricks Apps platform installs our requirements but not us, so there is no console script.
"""

import shlex
import sys
from pathlib import Path

from ..config_files import atomic

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(".local") / "bin" / "jupyter-dbx-agents"
_MARK = "# Written by jupyter_dbx_agents at start-up."


def isolated_call(module: str) -> list[str]:
    """Return the argv that runs a module's ``main`` in any folder and environment.

    Isolated (``-I``): with ``-m``, a ``json.py`` in the user's project would shadow the standard
    library's.
    """
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGE_ROOT)!r}); "
        f"from jupyter_dbx_agents.{module} import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-I", "-c", code]


def write_command(home: Path) -> None:
    """Write ``~/.local/bin/jupyter-dbx-agents``; does not touch a file that is not ours.

    Raises ConfigFileError.
    """
    there = atomic.read(home / COMMAND)
    if there.content is not None and _MARK.encode() not in there.content:
        return
    text = f'#!/bin/sh\n{_MARK}\nexec {shlex.join(isolated_call("cli.main"))} "$@"\n'
    atomic.replace(there, text.encode(), 0o755)


def remove_command(home: Path) -> None:
    """Remove what ``write_command`` wrote.  Raises ConfigFileError."""
    there = atomic.read(home / COMMAND)
    if there.content is not None and _MARK.encode() in there.content:
        atomic.remove(there)
