"""Sign in: the owner's consent in the workspace, and the session that comes of it.

A sign-in's way: ``SignIn.begin`` in ``attempt`` (one attempt, its address opens in a new tab) → the
workspace's own page → the browser ends on an address with a code → the owner pastes it back
(``answer``), or it is the app's own callback → ``SignIn.answer`` (state, issuer, PKCE, whose) →
``PatRotator.take``, with ``SignedIn`` as the source of all tokens.  ``authorization`` speaks the
protocol.
"""

from .attempt import CALLBACK_PATH, SignIn, SignInAttempt

__all__ = ["CALLBACK_PATH", "SignIn", "SignInAttempt"]
