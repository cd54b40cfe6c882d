"""The one lock of all npm agents, and the part of it that one agent needs, as pure functions.

The lock has the integrity of each package and no address of any registry: npm takes the one that
the user has configured, and cannot be given other content by it.
"""

import functools
import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK_FILE = Path(__file__).parent / "npm" / "package-lock.json"
_ROOT = "node_modules/"
_DEPENDENCY_FIELDS = ("dependencies", "optionalDependencies", "peerDependencies")


@functools.cache
def read_lock() -> dict[str, Any]:
    """Return the lock that ships with this package."""
    return dict(json.loads(LOCK_FILE.read_text(encoding="utf-8")))


def locked_version(lock: Mapping[str, Any], package: str) -> str:
    """Return the version that the lock pins a package to; raises KeyError for one not in it."""
    return str(lock["packages"][_ROOT + package]["version"])


def sub_lock(lock: Mapping[str, Any], package: str) -> dict[str, Any]:
    """Return a lock of one package and what it needs, directly or not, on any platform."""
    packages = lock["packages"]
    needed: set[str] = set()
    waiting = [_ROOT + package]
    while waiting:
        place = waiting.pop()
        if place in needed:
            continue
        needed.add(place)
        waiting += _dependencies(packages, place)
    root = manifest(lock, package)
    return {
        "name": root["name"],
        "lockfileVersion": lock["lockfileVersion"],
        "requires": True,
        "packages": {"": root} | {place: _entry(packages, place) for place in sorted(needed)},
    }


def _entry(packages: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return a package's entry without the optional packages that the lock does not have.

    npm refuses a lock that names others: a registry without a vendor's every platform makes one.
    """
    entry = dict(packages[place])
    optional = entry.pop("optionalDependencies", {})
    present = {n: v for n, v in optional.items() if _resolve(packages, place, n)}
    return entry | ({"optionalDependencies": present} if present else {})


def manifest(lock: Mapping[str, Any], package: str) -> dict[str, Any]:
    """Return the ``package.json`` that goes with ``sub_lock``."""
    return {
        "name": "jupyter-dbx-agents-install",
        "private": True,
        "dependencies": {package: locked_version(lock, package)},
    }


def lock_hash(lock: Mapping[str, Any]) -> str:
    """Return a hash that changes whenever anything in a lock does."""
    return hashlib.sha256(json.dumps(lock, sort_keys=True).encode()).hexdigest()


def npm_platform() -> str:
    """Return npm's name of this machine: its ``os`` and ``cpu``, such as ``linux-x64``."""
    machine = platform.machine().lower()
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    return f"{sys.platform}-{cpu}"


def _dependencies(packages: Mapping[str, Any], place: str) -> list[str]:
    """Find a package's dependencies where node would: beside it first, then further up."""
    entry = packages[place]
    names = {name: kind for kind in _DEPENDENCY_FIELDS for name in entry.get(kind, {})}
    found = []
    for name, kind in names.items():
        target = _resolve(packages, place, name)
        if target is not None:
            found.append(target)
        elif kind == "dependencies":
            raise KeyError(f"{place} needs {name}, which the lock does not have")
    return found


def _resolve(packages: Mapping[str, Any], place: str, name: str) -> str | None:
    while True:
        candidate = f"{place}/{_ROOT}{name}" if place else _ROOT + name
        if candidate in packages:
            return candidate
        if not place:
            return None
        place = place.rpartition("/" + _ROOT)[0] if "/" + _ROOT in place else ""
