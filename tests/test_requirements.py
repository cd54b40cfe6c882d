"""``requirements.txt`` is what the platform's pip takes: pinned, hashed, complete, for its Python.

That it installs beside the platform's own libraries is what the runtime image's test shows.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from jupyter_dbx_agents import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = ("requirements.txt", "requirements-test.txt", "requirements-demo.txt")
# Any of 3.11, since the platform does not say which; Ubuntu 22.04 has the first.
PLATFORM = [
    {
        "python_version": "3.11",
        "python_full_version": full_version,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
        "extra": "",
    }
    for full_version in ("3.11.0", "3.11.7", "3.11.14")
]


def locked(name: str) -> list[tuple[Requirement, int]]:
    """Every requirement of a lock, with the number of its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [
        line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")
    ]
    return [
        (Requirement(re.split(r"\s--hash", line, maxsplit=1)[0]), line.count("--hash=sha256:"))
        for line in lines
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_pinned_and_hashed_and_none_is_from_elsewhere(name: str):
    for requirement, hashes in locked(name):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert requirement.url is None


@pytest.mark.parametrize("platform", PLATFORM, ids=lambda p: p["python_full_version"])
def test_the_platform_gets_one_version_of_each_and_all_that_we_ask_for(platform: dict[str, str]):
    versions: dict[str, str] = {}
    for requirement, _ in locked("requirements.txt"):
        if requirement.marker is None or requirement.marker.evaluate(platform):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"two versions of {name}"
            versions[name] = next(iter(requirement.specifier)).version
    for wanted in map(Requirement, PROJECT["dependencies"]):
        assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), wanted


def test_the_tests_run_with_what_is_deployed():
    deployed = {str(requirement) for requirement, _ in locked("requirements.txt")}
    assert deployed <= {str(requirement) for requirement, _ in locked("requirements-test.txt")}


def test_the_demos_data_is_none_of_the_apps_requirements():
    deployed = {
        canonicalize_name(requirement.name) for requirement, _ in locked("requirements.txt")
    }
    assert not deployed & {"minilake", "duckdb", "pyarrow"}


def test_no_lock_says_where_packages_come_from():
    for name in LOCKS:
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_front_end_has_the_version_of_the_package():
    path = ROOT / "jupyter_dbx_agents" / "lab" / "package.json"
    assert Version(json.loads(path.read_text(encoding="utf-8"))["version"]) == Version(__version__)
