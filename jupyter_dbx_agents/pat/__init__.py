"""The one credential: adopt, rotate, revoke.

A pasted token's way: ``pasted.parse_pat`` (is it one?) → ``PatRotator.adopt`` →
``rotation.adoption`` → ``pasted.exchange`` (whose is it, which scopes has it, ``mint`` a
short-lived PAT with those) → ``rotation.held`` and ``store`` (the current PAT, and the promises
made for it) → ``proof`` (which token is it?) → ``revocation`` (it goes) → ``on_change``.
A rotation's way: ``rotation.renewal`` → ``plan.next_step`` (what is due by the ``clock``) →
``source`` (gets the next token) → ``mint`` → ``rotation.held`` → ``revocation``, once the promises
have passed → ``on_change``.  A sign-in's way is in ``sign_in``.

Security invariants
- A PAT is in memory only; ``Secret`` keeps it out of logs, exceptions and status.
- A refresh token, a code and their verifier likewise; they go to the workspace's own origin only.
- Only the owner's PAT is adopted: the workspace names its user over plain HTTP, never through a
  default credential chain, which could answer for someone else.
- No promise outlives its token: no PAT is revoked before the largest ``expires_on`` handed out for
  it plus the time a call may be in flight, except when the user logs out or the server stops.
- Rotation is in order: create, verify, publish, wait out what was promised, revoke.
- Each token that was created is published, deleted, or remembered until it is deleted or expired.
- Only tokens that this process minted are deleted, and the pasted one if it is provably that one.
- No minted token has a scope that the pasted one lacks, as far as its scopes can be known.
- No failure is without a pause that grows, wherever it is raised.
"""

from .pasted import parse_pat
from .rotator import PatRotator
from .sign_in import SignIn
from .store import PatSource, PatState, Promise

__all__ = [
    "PatRotator",
    "PatSource",
    "PatState",
    "Promise",
    "SignIn",
    "parse_pat",
]
