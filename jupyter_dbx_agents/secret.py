"""The type of secrets: it prints redacted, and one greppable method reveals the value."""

import hmac


class Secret:
    """A string that must not be printed, logged or compared in variable time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; review every caller of this."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Refuse to be pickled: a pickle would be another copy of the secret."""
        raise TypeError("a Secret must not be serialised")
