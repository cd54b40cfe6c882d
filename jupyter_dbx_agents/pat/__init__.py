"""The one credential: adopt, rotate, revoke.

Security invariants
- A PAT lives in memory only; ``Secret`` keeps it out of logs, exceptions and status.
- Only the owner's PAT is adopted: its user is asked of the workspace over raw HTTP, never through
  a default credential chain that could answer for somebody else.
- No promise outlives its token: no PAT is revoked before the largest ``expires_on`` handed out
  for it plus the time a call may be in flight.  Logging out and a clean stop are the exceptions:
  there the user asked for the end.
- Rotation is in order: create, verify, publish, wait out what was promised, revoke with the new.
- Only tokens that this process minted are ever deleted, and the pasted one when it is provably it.
"""

from .clock import Clock, SystemClock
from .pasted import parse_pat
from .rotator import PatRotator
from .store import Pat, PatSource, PatState, PatStore, Promise

__all__ = [
    "Clock",
    "Pat",
    "PatRotator",
    "PatSource",
    "PatState",
    "PatStore",
    "Promise",
    "SystemClock",
    "parse_pat",
]
