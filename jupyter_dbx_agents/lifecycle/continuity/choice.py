"""The owner's choices: what comes back, with a record of what did already, and more files to keep.

The names of those files are in each manifest, too: on a new machine they are all that is left.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ...errors import ContinuityError, RequestError
from .selection import dotfile_problem

_KEYS = ("projects", "files", "terminals")
_EXAMPLE = 'Send lists of names, such as {"projects": ["p"], "files": [], "terminals": []}.'
_DOTFILES_HINT = "Name files relative to the home folder, such as .vimrc."
_MOST_DOTFILES = 100
_LISTS = "jupyter dbx-agents restore --list shows what is kept."


@dataclass(frozen=True)
class Choice:
    """The names of what comes back; None is all of a kind.

    ``files`` are names of parts of the home, such as an agent's.
    """

    projects: frozenset[str] | None = None
    files: frozenset[str] | None = None
    terminals: frozenset[str] | None = None

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Self:
        """Return the choice that a request has.  Raises RequestError."""
        if unknown := sorted(set(body) - {*_KEYS}):
            raise RequestError(f"“{unknown[0]}” cannot be chosen.", _EXAMPLE)
        named = {key: _names(key, body[key]) for key in _KEYS if key in body}
        if len(named) == len(_KEYS) and not any(named.values()):
            raise RequestError("Nothing is chosen.", _LISTS)
        return cls(**named)

    @property
    def is_all(self) -> bool:
        """Whether everything comes back."""
        return self == Choice()

    def require_known(
        self, projects: Iterable[str], files: Iterable[str], terminals: Iterable[str]
    ) -> None:
        """Raise RequestError if something is chosen that is not among what is kept."""
        kinds = (
            ("project", self.projects, projects),
            ("part of the home", self.files, files),
            ("terminal", self.terminals, terminals),
        )
        for kind, chosen, known in kinds:
            if unknown := sorted((chosen or frozenset()) - {*known}):
                raise RequestError(
                    f"No {kind} named “{unknown[0]}” is kept, or it is here already.", _LISTS
                )


def wants(chosen: frozenset[str] | None, *names: str) -> bool:
    """Whether one of these names is chosen."""
    return chosen is None or not chosen.isdisjoint(names)


def _names(key: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise RequestError(f"“{key}” is not a list of names.", _EXAMPLE)
    return frozenset(value)


class CameBack:
    """What came back of each set, by names; in a file of this home.

    A set whose rest is still offered is kept: only what is missing of it is offered then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[str, set[str]] = {}
        try:
            content = json.loads(path.read_bytes())
            self._names = {str(each): {*map(str, names)} for each, names in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._names = {}  # then it is offered again, and what is here stays as it is

    def of(self, set_id: str) -> frozenset[str]:
        """Return the names of what came back."""
        return frozenset(self._names.get(set_id, ()))

    def add(self, set_id: str, names: Iterable[str], former: Iterable[str] = ()) -> None:
        """Remember that these came back, instead of the ``former`` names.

        Raises ContinuityError.
        """
        known = self._names.setdefault(set_id, set())
        known -= {*former}
        known |= {*names}
        self._write()

    def forget(self, sets: Iterable[str]) -> None:
        """Forget sets that are gone, or brought back as a whole."""
        for each in sets:
            self._names.pop(each, None)
        self._write()

    def _write(self) -> None:
        write_record(self._path, {each: sorted(names) for each, names in self._names.items()})


class Dotfiles:
    """The files that the owner named in the panel, relative to the home; in a file of this home."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = json.loads(path.read_bytes())
            named = tuple(each for each in content if isinstance(each, str))
        except (OSError, ValueError, TypeError):
            named = ()
        self.names = tuple(each for each in named if not dotfile_problem(each))

    def set(self, names: Any) -> None:
        """Replace the names.  Raises RequestError for one that may not be kept."""
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise RequestError("“dotfiles” is not a list of names.", _DOTFILES_HINT)
        if len(names) > _MOST_DOTFILES:
            raise RequestError(f"More than {_MOST_DOTFILES} files are named.", _DOTFILES_HINT)
        names = [name.strip().removeprefix("~/") for name in names]
        if problem := next(filter(None, map(dotfile_problem, names)), ""):
            raise RequestError(problem, _DOTFILES_HINT)
        self.add(names, ())

    def add(self, names: Iterable[str], former: Iterable[str] | None = None) -> None:
        """Add names to the ``former`` ones, those until now; names that may not be are left out."""
        all_names = (*(self.names if former is None else former), *names)
        new = tuple(dict.fromkeys(name for name in all_names if not dotfile_problem(name)))
        if new != self.names:
            self.names = new
            write_record(self._path, new)


def write_record(path: Path, content: Any) -> None:
    """Write a file of our state folder at once; blocking.  Raises ContinuityError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.new")
        scratch.write_text(json.dumps(content))
        scratch.replace(path)
    except OSError as error:
        raise ContinuityError(
            f"{path} cannot be written: {error.strerror}.",
            "Free some space, or check its permissions.",
        ) from error
