"""Each npm agent's lock: what is installed, on every platform, whatever the registry."""

import json

import pytest

from jupyter_dbx_agents.agents import AGENTS
from jupyter_dbx_agents.agents.install.npm import LOCK_FOLDER, NpmPackage

RECIPES = {a.name: a.recipe for a in AGENTS if isinstance(a.recipe, NpmPackage)}


def locked(agent: str) -> dict:
    text = (RECIPES[agent].lock_folder / "package-lock.json").read_text()
    return json.loads(text)["packages"]


def test_every_lock_is_an_agents():
    folders = {path for path in LOCK_FOLDER.iterdir() if path.is_dir()}
    assert folders == {recipe.lock_folder for recipe in RECIPES.values()}


@pytest.mark.parametrize("agent", RECIPES)
def test_a_lock_pins_its_agent_with_integrity_and_names_no_registry(agent):
    recipe = RECIPES[agent]
    assert "http" not in (recipe.lock_folder / "package.json").read_text()
    packages = locked(agent)
    assert packages[""]["dependencies"] == {recipe.package: recipe.version()}
    assert packages[f"node_modules/{recipe.package}"]["version"] == recipe.version()
    for place, entry in packages.items():
        assert not place or entry["integrity"].startswith("sha512-"), place
        entry.pop("funding", None)
        assert "http" not in json.dumps(entry), place


@pytest.mark.parametrize("agent", RECIPES)
def test_a_lock_has_everything_that_it_names(agent):
    packages = locked(agent)
    for place, entry in packages.items():
        for name in {**entry.get("dependencies", {}), **entry.get("optionalDependencies", {})}:
            assert {f"node_modules/{name}", f"{place}/node_modules/{name}"} & set(packages), name


@pytest.mark.parametrize("machine", ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"])
@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_a_lock_has_the_native_program_of_each_platform(agent, machine):
    assert f"node_modules/{RECIPES[agent].package}-{machine}" in locked(agent)


def test_the_lock_of_opencode_has_it_for_the_platform_and_for_old_processors():
    native = {"node_modules/opencode-linux-x64", "node_modules/opencode-linux-x64-baseline"}
    assert native <= set(locked("opencode"))
