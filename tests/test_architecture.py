"""Imports go down only, parts do not know each other, and importing does nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "jupyter_dbx_agents"
WORKSPACE = PACKAGE.parent / "dbx_workspace"
# From the bottom up; a module may import from lower levels and from its own package only.
LEVELS = (
    {"errors", "secret", "addresses", "background", "_version"},
    {"environment"},
    {"workspace_api"},
    {"pat", "models", "config_files"},
    {"auth", "terminals", "git_sync", "broker", "agents", "local_channel"}
    | {"tracing", "deployment"},
    {"lifecycle", "web"},
    {"app"},
    {"cli"},
)
LEVEL_OF = {name: level for level, names in enumerate(LEVELS) for name in names}
FOLDERS_WITHOUT_CODE = {"lab", "labextension", "__pycache__"}


def modules() -> list[str]:
    """The names directly below the package that hold code."""
    names = {p.stem if p.suffix == ".py" else p.name for p in PACKAGE.iterdir()}
    return sorted(n for n in names if not n.startswith("__") and has_code(n))


def has_code(name: str) -> bool:
    return (PACKAGE / f"{name}.py").exists() or bool(
        name not in FOLDERS_WITHOUT_CODE and list((PACKAGE / name).glob("**/*.py"))
    )


def files_of(name: str) -> list[Path]:
    single = PACKAGE / f"{name}.py"
    return [single] if single.exists() else sorted((PACKAGE / name).glob("**/*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """The names directly below the package that a file imports, wherever in it."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = parts[: len(parts) - node.level] if node.level else ()
            full = [*base, *(node.module or "").split(".")] if node.module else list(base)
            names = [[*full, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        for name in names:
            if name[:1] == ["jupyter_dbx_agents"] and len(name) > 1:
                yield name[1]


def test_every_module_has_its_level():
    assert set(modules()) == set(LEVEL_OF)


@pytest.mark.parametrize("name", modules())
def test_imports_go_down_only(name: str):
    for path in files_of(name):
        for imported in set(imports_of(path)) - {name, "__version__"}:
            assert imported in LEVEL_OF, f"{path} imports {imported}"
            assert LEVEL_OF[imported] < LEVEL_OF[name], f"{path} imports {imported}"


def test_the_local_workspace_knows_nothing_of_the_product():
    for path in sorted(WORKSPACE.glob("**/*.py")):
        assert not set(imports_of(path)), path


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
