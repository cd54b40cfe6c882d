"""A copy of the front end's source, built from nothing but its lock."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "jupyter_dbx_agents"
SOURCE = PACKAGE / "lab"
REST_API = PACKAGE / "web" / "rest-api.yml"
ASSETS = PACKAGE / "labextension" / "jupyter-dbx-agents"
PACKAGES = "node_modules"
# Made by the Makefile when it has installed from the lock, which is older then.
INSTALLED = SOURCE / PACKAGES / ".installed"


class LabCopy:
    """``jupyter_dbx_agents/lab`` in a folder of its own, with its packages installed."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "package" / "lab"
        ignored = shutil.ignore_patterns(PACKAGES, "lib", "build")
        shutil.copytree(SOURCE, self.source, ignore=ignored)
        rest_api = self.source.parent / REST_API.relative_to(PACKAGE)
        rest_api.parent.mkdir(exist_ok=True)
        shutil.copy(REST_API, rest_api)
        if not self._took_installed():
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

    def _took_installed(self) -> bool:
        """Take the packages that ``make check`` has just installed from this lock, if it has."""
        lock = SOURCE / "package-lock.json"
        if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
            return False
        target = self.source / PACKAGES
        try:
            shutil.copytree(SOURCE / PACKAGES, target, symlinks=True, copy_function=os.link)
        except (OSError, shutil.Error):  # another file system
            shutil.rmtree(target, ignore_errors=True)
            return False
        return True


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with their content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
