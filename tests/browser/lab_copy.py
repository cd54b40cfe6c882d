"""A copy of the front end's source, built from nothing but its lock."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_dbx_agents"
SOURCE = PACKAGE / "lab"
ASSETS = PACKAGE / "labextension" / "jupyter-dbx-agents"


class LabCopy:
    """``jupyter_dbx_agents/lab`` in a folder of its own, with its packages installed."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "package" / "lab"
        ignored = shutil.ignore_patterns("node_modules", "lib", "build")
        shutil.copytree(SOURCE, self.source, ignore=ignored)
        self.run("npm", "ci", "--prefer-offline", "--no-progress")

    @property
    def assets(self) -> Path:
        """Where a build puts its result."""
        return self.source.parent / "labextension" / "jupyter-dbx-agents"

    def run(self, *command: str) -> str:
        """Run a command in the source's folder; a failure fails the test with its words."""
        done = subprocess.run(command, cwd=self.source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with their content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
