"""Who may enter: on the Databricks Apps platform the owner of the app, and nobody else.

A request meets three layers, each enough alone and redundant on purpose: the gate (``gate``, before
any handler and before any byte of a body), the identity provider and the authorizer (``identity``).
``owner`` learns who the owner is; ``lockdown`` puts the layers in force and refuses to start a
server in which they are not.

Off the platform none of this is in force and Jupyter's own token login stays.
"""

from .gate import Gate, Refusal, install_gate
from .identity import (
    OwnerAuthorizer,
    OwnerIdentityProvider,
    Verdict,
    parse_forwarded_email,
)
from .lockdown import guard, owner_only_config, verify_before_listening, verify_gate
from .owner import OwnerResolver, creator_look_up

__all__ = [
    "Gate",
    "OwnerAuthorizer",
    "OwnerIdentityProvider",
    "OwnerResolver",
    "Refusal",
    "Verdict",
    "creator_look_up",
    "guard",
    "install_gate",
    "owner_only_config",
    "parse_forwarded_email",
    "verify_before_listening",
    "verify_gate",
]
