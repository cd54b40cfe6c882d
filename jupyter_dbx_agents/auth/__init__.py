"""Who may enter: on the Databricks Apps platform the owner of the app, and nobody else.

A page's way: ``gate`` (before any handler, and before any byte of a body) → the identity provider's
``get_user`` and the authorizer's ``is_authorized`` (``identity``) → Jupyter's handler.  Each of the
three layers is enough alone; they are redundant on purpose.  ``owner`` looks up who the owner is;
``lockdown`` puts the layers in force and refuses to start a server without them.

Off the platform none of this is in force and Jupyter's own token login stays.
See docs/decisions/0013-gate-in-the-program.md
"""

from .gate import install_gate
from .identity import OwnerAuthorizer, OwnerIdentityProvider
from .lockdown import guard, owner_only_config, verify_before_listening, verify_gate
from .owner import OwnerResolver, creator_look_up

__all__ = [
    "OwnerAuthorizer",
    "OwnerIdentityProvider",
    "OwnerResolver",
    "creator_look_up",
    "guard",
    "install_gate",
    "owner_only_config",
    "verify_before_listening",
    "verify_gate",
]
