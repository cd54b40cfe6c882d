"""Take the newest release of each agent that passes the tests with real agents.

``make agents-update``.  For each agent: its pin becomes the newest release, its lock is made anew,
and the tests with this agent run.  Where one fails, the old files are put back, and the end of the
tests' output is shown.  Nothing is committed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from jupyter_dbx_agents.agents import AGENTS, Agent
from jupyter_dbx_agents.agents.install.npm import NpmPackage
from jupyter_dbx_agents.agents.install.python_package import PythonPackage

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("test_real_agents", "test_agent_matrix", "test_foreign_projects")
SHOWN_LINES = 30
NPM_LOCK = ("npm", "install", "--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund",
            "--omit-lockfile-registry-resolved")  # fmt: skip
UV_COMPILE = ("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
              "--no-emit-index-url")  # fmt: skip


def main() -> int:
    """Update all agents, or those that are named; return 1 if a release does not pass."""
    wanted = sys.argv[1:] or [agent.name for agent in AGENTS]
    results = [update(agent) for agent in AGENTS if agent.name in wanted]
    print("\n".join(line for _, line in results))
    return int(not all(passes for passes, _ in results))


def update(agent: Agent) -> tuple[bool, str]:
    """Take an agent's newest release if it passes; return whether it does, and a line about it."""
    recipe = agent.recipe
    if isinstance(recipe, NpmPackage):
        folder, (newest, take) = recipe.lock_folder, _npm(recipe)
    else:
        assert isinstance(recipe, PythonPackage)
        folder, (newest, take) = recipe.lock_file.parent, _python(recipe)
    old, new = recipe.version(), newest()
    if new == old:
        return True, f"{agent.name}: {old} is the newest"
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    take(old, new)
    print(f"{agent.name}: {old} -> {new}, testing ...", flush=True)
    tests = [f"tests/demo/{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-q", "-k", agent.name, *tests]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return True, f"{agent.name}: {old} -> {new} passes"
    print("\n".join(done.stdout.splitlines()[-SHOWN_LINES:]))
    for path, content in before.items():
        path.write_bytes(content)
    return False, f"{agent.name}: {new} does not pass, {old} stays"


Ways = tuple[Callable[[], str], Callable[[str, str], None]]


def _npm(recipe: NpmPackage) -> Ways:
    folder = recipe.lock_folder

    def newest() -> str:
        return _run(("npm", "view", recipe.package, "dist-tags.latest"), folder).strip()

    def take(_old: str, new: str) -> None:
        path = folder / "package.json"
        manifest = json.loads(path.read_text())
        manifest["dependencies"][recipe.package] = new
        path.write_text(json.dumps(manifest, indent=2) + "\n")
        _run(NPM_LOCK, folder)
        _run(("node", str(folder.parent / "drop_absent.mjs")), folder)

    return newest, take


def _python(recipe: PythonPackage) -> Ways:
    source = recipe.lock_file.with_suffix(".in")

    def newest() -> str:
        unpinned = re.sub(r"(?m)==\S+$", "", source.read_text())
        locked = _run((*UV_COMPILE, "-"), source.parent, unpinned)
        found = re.search(rf"(?m)^{re.escape(recipe.package)}(?:\[.*\])?==(\S+)", locked)
        assert found, locked
        return found[1]

    def take(old: str, new: str) -> None:
        source.write_text(source.read_text().replace(f"=={old}", f"=={new}"))
        output = ("--generate-hashes", "--custom-compile-command", "make lock", "--upgrade")
        _run((*UV_COMPILE, *output, source.name, "-o", recipe.lock_file.name), source.parent)

    return newest, take


def _run(command: tuple[str, ...], folder: Path, text: str = "") -> str:
    """Run a command; return what it printed.  Raises CalledProcessError."""
    done = subprocess.run(
        command, check=False, cwd=folder, input=text, capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    done.check_returncode()
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
