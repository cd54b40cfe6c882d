"""What a hook leaves for us: a small file for each process, in a folder that we look at often.

Why files: writing one takes no time, needs no reader (a full pipe would hold the commit up), and is
done when the hook returns, so that nothing which kills the hook's process group can take it back.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

FOLDER_BELOW_HOME = Path(".local/state/jupyter_dbx_agents/commits")
# A file that is still empty is being written; one that stays so says only that something happened.
_WRITING_SECONDS = 2.0


class Triggers:
    """The folder of triggers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> None:
        """Make the folder: from now on hooks write to it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def take(self) -> list[Path]:
        """Return the folders in which something happened, and forget them.

        A few microseconds when there is nothing, so that the event loop may call it.
        """
        try:
            files = list(self.folder.iterdir())
        except OSError:
            return []
        return [path for file in files for path in _take(file)]


def _take(file: Path) -> list[Path]:
    try:
        lines = file.read_text("utf-8", "surrogateescape").splitlines()
        if not lines and time.time() - file.stat().st_mtime < _WRITING_SECONDS:
            return []
    except OSError:
        return []
    with contextlib.suppress(OSError):
        file.unlink()
    return [Path(line) for line in lines if line.startswith("/")]
