"""Hands on to ``Attention`` what the terminals see of their programs."""

import time
from collections.abc import Callable, Mapping

from ..agents.attention import Attention
from ..agents.attention.session import Place
from ..terminals.manager import DbxTerminalManager
from ..terminals.screen.signals import (
    BELL,
    NOTIFICATION,
    NOTIFICATION_WITH_TITLE,
    PROGRAM_STATUS,
    PROMPT,
    TITLES,
    Signal,
)
from ..terminals.terminal import Terminal

# A bell that comes this soon after a key is an answer to it, such as of a shell that completes.
TYPING_SECONDS = 1.0


class TerminalSignals:
    """Connects the terminals of a manager, which exists later, with the agents' states."""

    def __init__(self, manager: Callable[[], DbxTerminalManager | None]) -> None:
        self._manager = manager
        self._attention: Attention | None = None

    def connect(self, attention: Attention) -> None:
        """Hand everything on to ``attention``."""
        self._attention = attention

    def places(self) -> Mapping[str, Place]:
        """Return the open terminals by identity."""
        manager = self._manager()
        terminals = manager.terminals.values() if manager else ()
        return {t.identity: place_of(t) for t in terminals if isinstance(t, Terminal)}

    def signalled(self, terminal: Terminal, signals: list[Signal]) -> None:
        """Hand on what a program has signalled."""
        if self._attention is None:
            return
        place = place_of(terminal)
        for signal in signals:
            if signal.code == PROGRAM_STATUS:
                self._attention.reported(place, signal.content)
            elif signal.code in {NOTIFICATION, NOTIFICATION_WITH_TITLE}:
                has_title = signal.code == NOTIFICATION_WITH_TITLE
                self._attention.notified(place, signal.content, has_title=has_title)
            elif signal.code in TITLES:
                self._attention.titled(place, signal.content)
            elif signal.code == PROMPT and signal.content.startswith(b"A"):
                self._attention.prompted(place)
            elif signal.code == BELL:
                is_reply = terminal.idle_seconds() < TYPING_SECONDS
                self._attention.rang(place, is_reply=is_reply)

    def ended(self, terminal: Terminal) -> None:
        """Hand on that a terminal has ended."""
        if self._attention is not None:
            self._attention.terminal_ended(terminal.identity)


def place_of(terminal: Terminal) -> Place:
    """Return what ``Attention`` knows of a terminal."""
    group, typed_at = terminal.foreground_group(), time.monotonic() - terminal.idle_seconds()
    return Place(terminal.identity, terminal.term_name or "", terminal.pid, group, typed_at)
