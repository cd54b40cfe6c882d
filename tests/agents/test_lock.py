"""One lock for all agents, and the part of it that one agent needs."""

import json

import pytest

from jupyter_dbx_agents.agents import AGENTS
from jupyter_dbx_agents.agents.install.npm import NpmPackage
from jupyter_dbx_agents.agents.install.npm_lock import (
    LOCK_FILE,
    lock_hash,
    manifest,
    read_lock,
    sub_lock,
)

NESTED = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"a": "1", "z": "1"}},
        "node_modules/a": {"version": "1", "dependencies": {"b": "^2", "c": "1"}},
        "node_modules/a/node_modules/b": {"version": "2", "dependencies": {"c": "1", "d": "1"}},
        "node_modules/b": {"version": "1", "dependencies": {"only-old-b": "1"}},
        "node_modules/only-old-b": {"version": "1"},
        "node_modules/c": {"version": "1", "peerDependencies": {"absent": "1"}},
        "node_modules/d": {"version": "1", "optionalDependencies": {"@s/native": "1"}},
        "node_modules/@s/native": {"version": "1", "os": ["darwin"], "dependencies": {"a": "1"}},
        "node_modules/z": {"version": "1"},
    },
}


def test_a_sub_lock_has_what_the_agent_needs_and_nothing_of_the_others():
    assert set(sub_lock(NESTED, "a")["packages"]) == {
        "",
        "node_modules/a",
        "node_modules/a/node_modules/b",
        "node_modules/c",
        "node_modules/d",
        "node_modules/@s/native",
    }
    assert set(sub_lock(NESTED, "z")["packages"]) == {"", "node_modules/z"}
    assert sub_lock(NESTED, "b")["packages"]["node_modules/only-old-b"] == {"version": "1"}
    assert sub_lock(NESTED, "a")["packages"][""] == manifest(NESTED, "a")


def test_a_lock_that_lacks_a_dependency_is_refused():
    packages = {k: v for k, v in NESTED["packages"].items() if k != "node_modules/c"}
    with pytest.raises(KeyError, match="needs c"):
        sub_lock(NESTED | {"packages": packages}, "a")


def test_a_change_anywhere_in_an_agents_part_changes_its_hash_and_no_other():
    changed = json.loads(json.dumps(NESTED))
    changed["packages"]["node_modules/d"]["version"] = "2"
    assert lock_hash(sub_lock(changed, "a")) != lock_hash(sub_lock(NESTED, "a"))
    assert lock_hash(sub_lock(changed, "z")) == lock_hash(sub_lock(NESTED, "z"))


def test_the_shipped_lock_pins_every_agent_with_integrity_and_names_no_registry():
    text = LOCK_FILE.read_text()
    assert "http" not in text
    assert "resolved" not in text
    lock = read_lock()
    wanted = json.loads((LOCK_FILE.parent / "package.json").read_text())["dependencies"]
    assert lock["packages"][""]["dependencies"] == wanted
    ours = [agent.recipe for agent in AGENTS if isinstance(agent.recipe, NpmPackage)]
    assert {recipe.package: recipe.version() for recipe in ours}.items() <= wanted.items()
    for place, entry in lock["packages"].items():
        assert not place or entry["integrity"].startswith("sha512-"), place


@pytest.mark.parametrize("machine", ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"])
@pytest.mark.parametrize(
    ("package", "native"),
    [
        ("@anthropic-ai/claude-code", "@anthropic-ai/claude-code-{}"),
        ("@openai/codex", "@openai/codex-{}"),
    ],
)
def test_the_shipped_lock_has_the_native_program_of_each_platform(package, native, machine):
    places = sub_lock(read_lock(), package)["packages"]
    assert f"node_modules/{native.format(machine)}" in places


def test_the_shipped_lock_has_opencode_for_the_platform_and_for_old_processors():
    places = sub_lock(read_lock(), "opencode-ai")["packages"]
    assert {"node_modules/opencode-linux-x64", "node_modules/opencode-linux-x64-baseline"} <= set(
        places
    )
