"""The judge of screens: xterm.js without a browser, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from jupyter_dbx_agents.terminals.replay import Replay

HERE = Path(__file__).resolve().parent / "xterm"
Step = str | tuple[int, int]


class Screens:
    """Draws output and tells what would be seen."""

    def __init__(self, folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        modules = folder / "node_modules"
        self.headless = modules / "@xterm" / "headless" / "lib-headless" / "xterm-headless.js"
        self.widths = modules / "@xterm" / "addon-unicode11" / "lib" / "addon-unicode11.js"
        self._process = subprocess.Popen(
            ["node", str(HERE / "screen.js"), str(modules)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def draw(self, *steps: Step, rows: int = 24, columns: int = 80) -> dict[str, Any]:
        """Draw text, and resize to (rows, columns) in between; return what would be seen."""
        assert self._process.stdin and self._process.stdout
        wire = [step if isinstance(step, str) else [step[1], step[0]] for step in steps]
        request = {"columns": columns, "rows": rows, "steps": wire}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.wait(60)


async def keep(replay: Replay, output: bytes) -> None:
    """Let a replay take output, and fold whatever is to be folded."""
    replay.append(output)
    while replay.must_fold:
        await replay.fold()


def differences(true: dict[str, Any], seen: dict[str, Any], *but: str) -> dict[str, Any]:
    """Return what differs between two screens: name → (true, seen); rows by their number."""
    found: dict[str, Any] = {}
    for name in true.keys() - {"typed", "text", *but}:
        if name == "screen":
            rows = zip(true[name], seen[name], strict=True)
            found |= {f"row {i}": pair for i, pair in enumerate(rows) if pair[0] != pair[1]}
        elif true[name] != seen[name]:
            found[name] = (true[name], seen[name])
    return found
