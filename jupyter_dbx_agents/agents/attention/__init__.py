"""What each agent is doing, and which of them needs its owner.

A report's way: an agent writes OSC 7501 to its terminal, whose server scans the output
(``terminals.screen.signals``, handed on by ``lifecycle.attention``), or its hook runs ``hook``,
which posts through the local channel.  ``status_protocol`` parses the first; ``attention`` finds
the session, and ``states`` combines what an agent and its sub-agents say.  ``processes`` says which
process it is and when it ends.  A change goes to the pages as an event; what still needs the owner
a second later goes to the ``webhook``.

Decided
- Claude Code and Codex report through the terminal, which needs no file of theirs and sees an
  interrupt, for which they run no hook.  The others report by hooks, as few as possible.
- A process that has ended neither works nor asks, whatever it said last: the kernel notifies us.
- Here, and not beside ``agents``: like ``tracing`` it is about their sessions, and the root of the
  package has no entry left.  It knows no terminal: those are on the same level.
"""

from .attention import Attention

__all__ = ["Attention"]
