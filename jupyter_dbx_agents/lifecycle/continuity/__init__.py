"""What survives a restart beside commits and work in progress: conversations, history, terminals.

Its way: ``selection`` finds the files by an allow-list (the agents' modules declare theirs),
``contents`` reads each as its form requires, without secrets; ``keeper`` sees what has changed and
uploads the blocks that differ as ``segments`` (``store``), with the ``terminals`` that are open.
Back it goes in ``coming_back``, by the owner's ``choice``: the home's files (``placing``), the
projects by git sync, and a terminal for each that was open.  ``part`` is for the rest of the app.

It is in ``lifecycle`` since it is about the app's start and stop, and the package's root is full.

Invariants
- Only what the allow-list names is read; secrets are left out by name and overwritten by content.
- Nothing that exists is overwritten when it comes back.
- An idle home makes no call, a busy one at most one in ten seconds.
- A kill between any two calls leaves what was complete before.
"""

from .choice import Choice
from .part import Continuity

__all__ = ["Choice", "Continuity"]
