"""The pure core: put our keys into a document, remember what that did, and remove them again.

A key path is ours as long as its value is one that we wrote; a value that the user has changed
since is theirs, and removal leaves it.  Lists are merged as sets: our items are added and later
removed.  A tuple is a list that is one value: its order counts, and it is ours as a whole.  An
``Initial`` value is left alone once somebody has changed it.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..secret import Secret

KeyPath = tuple[str, ...]
# Called with the table that it will be in, and whether it will hold only tables.
NewTable = Callable[[Any, bool], Any]
_ABSENT = object()
# A loopback address and the first part of its path; a secret of 32 random bytes.
_OWN_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+(/[^/\"]+)")
_OWN_SECRET = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")
_OWN_NAME = "jupyter_dbx_agents"
_MANY = (Mapping, list)


@dataclass(frozen=True)
class Initial:
    """A value that a program's users change in the same file on its screen, such as a model.

    ``keeps_lower`` for a limit: a lower one that was there before us stays, too.
    """

    value: Any
    keeps_lower: bool = False


class WrongTypeError(Exception):
    """The document has something else where one of our keys needs a table, a list or a value."""

    def __init__(self, path: KeyPath, wanted: str, found: Any) -> None:
        super().__init__(path, wanted)
        self.path = path
        self.wanted = wanted
        self.found = type(found).__name__


@dataclass(frozen=True)
class OwnValue:
    """One value of ours: hashes of what we wrote (newest first), and the value it replaced."""

    wrote: tuple[str, ...]
    previous: Any = _ABSENT


@dataclass(frozen=True)
class Memory:
    """What we did to one file.

    ``containers`` are the tables and lists that we created, ``nulls`` those of them in whose place
    a null was.  ``blank`` is what the file had when it had nothing, such as ``{}``, and ``mode``
    its mode if we had to change that.
    """

    values: Mapping[KeyPath, OwnValue] = field(default_factory=dict)
    items: Mapping[KeyPath, tuple[str, ...]] = field(default_factory=dict)
    containers: frozenset[KeyPath] = frozenset()
    nulls: frozenset[KeyPath] = frozenset()
    created: bool = False
    blank: str | None = None
    mode: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of it."""
        values = []
        for path, own in self.values.items():
            entry = {"path": list(path), "wrote": list(own.wrote)}
            if own.previous is not _ABSENT:
                entry["previous"] = own.previous
            values.append(entry)
        return {
            "created": self.created,
            "values": values,
            "items": [{"path": list(p), "wrote": list(h)} for p, h in self.items.items()],
            "containers": [list(path) for path in sorted(self.containers)],
            "nulls": [list(path) for path in sorted(self.nulls)],
            "blank": self.blank,
            "mode": self.mode,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Memory":
        """Return the memory that ``to_json`` described."""
        return cls(
            values={
                tuple(entry["path"]): OwnValue(
                    tuple(entry["wrote"]), entry.get("previous", _ABSENT)
                )
                for entry in state["values"]
            },
            items={tuple(entry["path"]): tuple(entry["wrote"]) for entry in state["items"]},
            containers=frozenset(tuple(path) for path in state["containers"]),
            nulls=frozenset(tuple(path) for path in state.get("nulls", ())),
            created=bool(state["created"]),
            blank=state.get("blank"),
            mode=state.get("mode"),
        )


@dataclass(frozen=True)
class _Made:
    """The containers that are ours while a document changes, and how to make a table."""

    containers: set[KeyPath]
    nulls: set[KeyPath]
    new_table: NewTable

    def put(self, table: MutableMapping[str, Any], path: KeyPath, container: Any) -> None:
        """Put an empty container where there is none, or null."""
        self.containers.add(path)
        (self.nulls.add if path[-1] in table else self.nulls.discard)(path)
        table[path[-1]] = container


def merge(
    document: MutableMapping[str, Any],
    keys: Mapping[str, Any],
    memory: Memory,
    new_table: NewTable = lambda _parent, _holds_only_tables: {},
) -> Memory:
    """Make ``keys`` the only keys of ours in ``document``; return what must be remembered of it.

    A key whose value is None is removed.  Keys that are remembered but no longer wanted are
    released: restored to what the user had.  Raises WrongTypeError; the document must then be
    discarded.
    """
    wanted = dict(_leaves(keys))
    made = _Made(set(memory.containers), set(memory.nulls), new_table)
    for path in [*memory.values, *memory.items]:
        if path not in wanted:
            _release(document, path, memory)
    values: dict[KeyPath, OwnValue] = {}
    items: dict[KeyPath, tuple[str, ...]] = {}
    for path, value in wanted.items():
        table = _table(document, path, keys, made)
        if isinstance(value, list):
            items[path] = _add_items(table, path, value, memory, made)
        else:
            put = _put_initial if isinstance(value, Initial) else _put
            values[path] = put(table, path, value, memory.values.get(path))
    _drop_empty(document, made)
    return replace(
        memory,
        values=values,
        items=items,
        containers=frozenset(made.containers),
        nulls=frozenset(made.nulls),
    )


def lost_memory(document: Mapping[str, Any], keys: Mapping[str, Any]) -> Memory:
    """Return the memory of a document that we wrote, for when the file that holds it is lost.

    A document is ours if, where our keys go, it has a loopback address that begins like ours and a
    secret of our shape: a user's own would hardly have both.  Then all values under our keys are
    ours, and of a list the items that are like ours; otherwise our own old secret would be
    remembered as the user's, and restored.
    """
    leaves = list(_leaves(keys))
    if not _bears_our_marks(document, keys, leaves):
        return Memory()
    values, items, containers = {}, {}, set()
    for path, wanted in leaves:
        current = _plain(_at(document, path))
        if isinstance(wanted, list) and isinstance(current, list):
            items[path] = tuple(
                fingerprint(c) for c in current if any(_alike(c, w) for w in wanted)
            )
            containers.add(path)
        elif current is not _ABSENT:
            values[path] = OwnValue((fingerprint(current),))
        containers |= {path[:depth] for depth in range(1, len(path))}
    return Memory(values, items, frozenset(containers))


def _bears_our_marks(
    document: Mapping[str, Any], keys: Mapping[str, Any], leaves: list[tuple[KeyPath, Any]]
) -> bool:
    def addresses(value: Any) -> set[str]:
        return set(_OWN_ADDRESS.findall(_text(value)))

    has_address = any(addresses(value) & addresses(_at(document, path)) for path, value in leaves)
    secrets = (_at(document, path) for path in _secret_paths(keys))
    return has_address and any(_OWN_SECRET.search(_text(secret)) for secret in secrets)


def _alike(item: Any, ours: Any) -> bool:
    """Whether an item differs from one of ours only in what a new start changes."""

    def constant(value: Any) -> str:
        return _OWN_SECRET.sub("", _OWN_ADDRESS.sub(r"\1", _text(value)))

    names_us = _OWN_NAME in _text(item) and _OWN_NAME in _text(ours)
    return names_us or constant(item) == constant(ours)


def _secret_paths(keys: Mapping[str, Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    for name, value in keys.items():
        if isinstance(value, Mapping):
            yield from _secret_paths(value, (*above, name))
        elif _has_secret(value):
            yield (*above, name)


def _has_secret(value: Any) -> bool:
    if isinstance(value, list | tuple | Mapping):
        return any(map(_has_secret, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, Secret)


def _at(document: Any, path: KeyPath) -> Any:
    for name in path:
        if not isinstance(document, Mapping) or name not in document:
            return _ABSENT
        document = document[name]
    return document


def fingerprint(value: Any) -> str:
    """Return a hash that identifies a value of ours."""
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: Any) -> str:
    # ``default``: formats have types that JSON lacks, such as dates; none of them is ours.
    return json.dumps(_plain(value), sort_keys=True, default=repr)


def _leaves(keys: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the values and lists with their paths; this is where secrets are revealed."""
    for name, value in keys.items():
        path = (*above, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path, _revealed(value)


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {name: _revealed(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_revealed(item) for item in value)
    return value


def _table(
    document: MutableMapping[str, Any],
    path: KeyPath,
    keys: Mapping[str, Any],
    made: _Made,
) -> MutableMapping[str, Any]:
    """Return the table that holds the last name of ``path``, creating what is missing."""
    table = document
    for depth, name in enumerate(path[:-1], start=1):
        keys = keys[name]
        if table.get(name) is None:
            only_tables = all(isinstance(value, Mapping) for value in keys.values())
            made.put(table, path[:depth], made.new_table(table, only_tables))
        table = table[name]
        if not isinstance(table, MutableMapping):
            raise WrongTypeError(path[:depth], "a table", table)
    return table


def _put(
    table: MutableMapping[str, Any], path: KeyPath, wanted: Any, own: OwnValue | None
) -> OwnValue:
    value = list(wanted) if isinstance(wanted, tuple) else wanted
    current = _plain(table[path[-1]]) if path[-1] in table else _ABSENT
    if current is not _ABSENT and isinstance(
        current, Mapping if isinstance(value, list) else _MANY
    ):
        raise WrongTypeError(path, "a single value", current)
    if current is not _ABSENT and not _can_be_remembered(current):
        raise WrongTypeError(path, "a string", current)
    was_ours = own is not None and current is not _ABSENT and fingerprint(current) in own.wrote
    previous = own.previous if own and (was_ours or current is _ABSENT) else current
    # The hash of the current value is kept until the file is replaced: the write may still fail.
    wrote = dict.fromkeys((fingerprint(value), *([fingerprint(current)] if was_ours else [])))
    if value is None:
        table.pop(path[-1], None)
    elif not _same(current, value):
        table[path[-1]] = value
    return OwnValue(tuple(wrote), previous)


def _put_initial(
    table: MutableMapping[str, Any], path: KeyPath, initial: Initial, own: OwnValue | None
) -> OwnValue:
    current = _plain(table[path[-1]]) if path[-1] in table else _ABSENT
    if own and current is not _ABSENT and fingerprint(current) not in own.wrote:
        return own
    if own is None and initial.keeps_lower and _is_lower(current, initial.value):
        return OwnValue(())
    return _put(table, path, initial.value, own)


def _is_lower(current: Any, limit: Any) -> bool:
    return isinstance(current, int) and not isinstance(current, bool) and 0 < current < limit


def _add_items(
    table: MutableMapping[str, Any],
    path: KeyPath,
    wanted: list[Any],
    memory: Memory,
    made: _Made,
) -> tuple[str, ...]:
    """Append the items that are missing; return the hashes of those that we added."""
    if table.get(path[-1]) is None:
        made.put(table, path, [])
    present = table[path[-1]]
    if not isinstance(present, list):
        raise WrongTypeError(path, "a list", present)
    former = memory.items.get(path, ())
    _remove_items(present, set(former) - {fingerprint(item) for item in wanted})
    ours = []
    for item in wanted:
        is_present = item in _plain(present)
        if not is_present:
            present.append(item)
        if not is_present or fingerprint(item) in former:
            ours.append(fingerprint(item))
    return tuple(ours)


def _release(document: MutableMapping[str, Any], path: KeyPath, memory: Memory) -> None:
    """Remove one path of ours, or restore what the user had there."""
    table: Any = document
    for name in path[:-1]:
        table = table.get(name) if isinstance(table, MutableMapping) else None
    if not isinstance(table, MutableMapping):
        return
    current = _plain(table.get(path[-1]))
    if path in memory.items:
        if isinstance(current, list):
            _remove_items(table[path[-1]], set(memory.items[path]))
        return
    own = memory.values[path]
    if isinstance(current, Mapping) or fingerprint(current) not in own.wrote:
        return
    if own.previous is _ABSENT:
        table.pop(path[-1], None)
    elif not _same(current, own.previous):
        table[path[-1]] = own.previous


def _remove_items(present: list[Any], hashes: set[str]) -> None:
    for index in reversed(range(len(present))):
        if fingerprint(_plain(present[index])) in hashes:
            del present[index]


def _drop_empty(document: MutableMapping[str, Any], made: _Made) -> None:
    """Delete the containers of ours that are empty, and forget them."""
    for path in sorted(made.containers, key=len, reverse=True):
        table: Any = document
        for name in path[:-1]:
            table = table.get(name) if isinstance(table, MutableMapping) else None
        container = table.get(path[-1]) if isinstance(table, MutableMapping) else None
        if isinstance(container, MutableMapping | list) and not len(container):
            if path in made.nulls:
                table[path[-1]] = None
            else:
                del table[path[-1]]
            container = None
        if container is None:
            made.containers.discard(path)
            made.nulls.discard(path)


def _can_be_remembered(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:  # a date, in TOML and YAML
        return False
    return True


def _same(current: Any, value: Any) -> bool:
    """Compare with types: in Python ``True == 1``, in a configuration file it is not."""
    return type(current) is type(value) and bool(current == value)


def _plain(value: Any) -> Any:
    """Return an editor's item (tomlkit, ruamel.yaml) as a plain Python value."""
    if hasattr(value, "unwrap"):
        return value.unwrap()
    for plain in (str, float):  # ruamel.yaml's remember how they were written
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
