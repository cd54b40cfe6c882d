"""Imports go down only and never in a circle, folders stay small, and importing does nothing."""

import ast
import functools
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT, WORKSPACE = "jupyter_dbx_agents", "dbx_workspace"
MOST_ROOT_ENTRIES = 26
MOST_MODULES = 12  # of one folder, without its __init__
# From the bottom up; a part may import from lower levels and from itself only.
LEVELS = (
    {"errors", "secret", "addresses", "_version"},
    {"environment"},
    {"workspace_api", "background"},
    {"pat", "models", "config_files"},
    {"auth", "terminals", "git_sync", "broker", "agents", "local_channel", "deployment"},
    {"lifecycle"},
    {"web"},
    {"app"},
    {"cli"},
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}


def sources() -> dict[str, Path]:
    """Every module of the product and of the local workspace, by its dotted name."""
    found = {}
    for package in (PRODUCT, WORKSPACE):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


SOURCES = sources()


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules of ours that a module imports, wherever in it, also for its types only."""
    return frozenset(_imports_of(module))


def _imports_of(module: str) -> Iterator[str]:
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in SOURCES else base for name in names if base in SOURCES)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in SOURCES)


def part_of(module: str) -> str:
    """The name directly below the product that a module belongs to; '' for others."""
    return module.split(".")[1] if module.startswith(f"{PRODUCT}.") else ""


def test_every_part_has_its_level():
    assert {part_of(module) for module in SOURCES} - {"", "__main__"} == set(LEVEL_OF)


@pytest.mark.parametrize("part", sorted(LEVEL_OF))
def test_imports_go_down_only(part: str):
    for module in SOURCES:
        if part_of(module) != part:
            continue
        for imported in imports_of(module):
            if part_of(imported) not in ("", part):
                assert LEVEL_OF[part_of(imported)] < LEVEL_OF[part], f"{module}: {imported}"


def test_no_module_is_imported_in_a_circle():
    graph = {module: imports_of(module) - {module} for module in SOURCES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_local_workspace_knows_nothing_of_the_product():
    for module in SOURCES:
        if module.startswith(WORKSPACE):
            assert not [name for name in imports_of(module) if name.startswith(PRODUCT)], module


def test_the_product_imports_the_local_workspace_in_its_demo_only():
    users = {m for m in SOURCES if m.startswith(PRODUCT) for i in imports_of(m) if WORKSPACE in i}
    assert users == {f"{PRODUCT}.cli.demo"}


def test_a_newcomer_can_overlook_every_folder():
    entries = {path.name for path in (ROOT / PRODUCT).iterdir()} - {"__pycache__"}
    assert len(entries) <= MOST_ROOT_ENTRIES, sorted(entries)
    folders: dict[Path, int] = {}
    for path in SOURCES.values():
        if path.name != "__init__.py":
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert not {f: n for f, n in folders.items() if n > MOST_MODULES and f != ROOT / PRODUCT}


def test_importing_the_server_loads_neither_the_sdk_nor_the_local_workspace():
    code = (
        "import sys, jupyter_dbx_agents.app;"
        "print([m for m in sys.modules if m == 'databricks' or m.startswith('dbx_workspace')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def test_the_commands_of_a_terminal_load_no_server():
    code = "import sys, jupyter_dbx_agents.cli.main; print('tornado' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
