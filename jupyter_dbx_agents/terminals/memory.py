"""How much memory is left to start a program in: the container's, where there is one.

A container's limit counts page cache, which the kernel gives back when asked; what matters is the
working set (usage without inactive file pages), as Kubernetes has it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" with a number near 2^63


class MemoryUse(TypedDict):
    """The working set, and the limit that it must stay under (None where there is none)."""

    used_bytes: int
    limit_bytes: int | None


def memory_use(root: Path = Path("/")) -> MemoryUse:
    """Return the use under the tightest limit, or else the machine's (0 if unknown)."""
    groups = list(_limited_groups(root))
    if groups:
        used, limit = min(groups, key=_room)
        return MemoryUse(used_bytes=max(0, used), limit_bytes=limit)
    meminfo = root / "proc/meminfo"
    used_kibibytes = _field(meminfo, "MemTotal:") - _field(meminfo, "MemAvailable:")
    return MemoryUse(used_bytes=max(0, used_kibibytes * 1024), limit_bytes=None)


def free_memory_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes left under the tightest limit; None if unknown."""
    rooms = [_room(group) for group in _limited_groups(root)]
    if available_kibibytes := _field(root / "proc/meminfo", "MemAvailable:"):
        rooms.append(available_kibibytes * 1024)
    return max(0, min(rooms)) if rooms else None


# Working set and limit of a control group, in bytes.
_Group = tuple[int, int]


def _room(group: _Group) -> int:
    used, limit = group
    return limit - used


def _limited_groups(root: Path) -> Iterator[_Group]:
    """Yield those of our control groups that have a limit, from the inmost to the root."""
    mount = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for part in _ancestors(path):
            if not controllers:
                group = _group_v2(mount / part)
            elif "memory" in controllers.split(","):
                group = _group_v1(mount / "memory" / part)
            else:
                break
            if group is not None:
                yield group


def _ancestors(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in {"", ".."}]
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def _group_v2(folder: Path) -> _Group | None:
    limit, used = _number(folder / "memory.max"), _number(folder / "memory.current")
    if limit is None or used is None:
        return None
    return used - _field(folder / "memory.stat", "inactive_file"), limit


def _group_v1(folder: Path) -> _Group | None:
    limit = _number(folder / "memory.limit_in_bytes")
    used = _number(folder / "memory.usage_in_bytes")
    if limit is None or used is None or limit > _UNLIMITED:
        return None
    return used - _field(folder / "memory.stat", "total_inactive_file"), limit


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
