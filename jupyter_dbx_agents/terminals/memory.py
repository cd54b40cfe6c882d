"""How much memory is left to start a program in: the container's, where there is one.

A container's limit counts page cache, which the kernel gives back when asked; what matters is the
working set (usage without inactive file pages), as Kubernetes has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" with a number near 2^63


def free_memory_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes left under the tightest limit; None where the system does not tell."""
    rooms = [room for room in (_available(root), *_cgroup_rooms(root)) if room is not None]
    return max(0, min(rooms)) if rooms else None


def _cgroup_rooms(root: Path) -> Iterator[int | None]:
    """Yield the room in each of our control groups, from the inmost to the root."""
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from (_room_v2(mount / part) for part in _ancestors(path))
        elif "memory" in controllers.split(","):
            yield from (_room_v1(mount / "memory" / part) for part in _ancestors(path))


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in {"", ".."}]
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _room_v2(group: Path) -> int | None:
    limit, used = _number(group / "memory.max"), _number(group / "memory.current")
    if limit is None or used is None:
        return None
    return limit - used + _field(group / "memory.stat", "inactive_file")


def _room_v1(group: Path) -> int | None:
    limit = _number(group / "memory.limit_in_bytes")
    used = _number(group / "memory.usage_in_bytes")
    if limit is None or used is None or limit > _UNLIMITED:
        return None
    return limit - used + _field(group / "memory.stat", "total_inactive_file")


def _available(root: Path) -> int | None:
    kibibytes = _field(root / "proc/meminfo", "MemAvailable:")
    return kibibytes * 1024 or None


def _field(file: Path, name: str) -> int:
    for line in _text(file).splitlines():
        key, _, rest = line.partition(" ")
        if key == name:
            return int(rest.split()[0])
    return 0


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
