"""Which models the agents use, and through which of the workspace's addresses they are reached.

A model's way: ``watch`` runs once there is a token; ``gateway`` finds the address that answers,
``discovery`` lists what the workspace serves, in the dialects that ``names`` knows, and
``families`` has what each takes; ``table`` puts the configured model in force, or the nearest that
is served, and calls its listeners: the agents' files are rewritten and the broker forwards to the
new address.
"""

from .discovery import ServedModels
from .families import FAMILIES, UNKNOWN, Family, family_of
from .gateway import (
    CHECK_HEADER,
    Dialect,
    Gateway,
    GatewayKind,
    derived_gateway_host,
)
from .names import without_window_mark
from .table import ModelReport, ModelTable
from .watch import ModelWatch

__all__ = [
    "CHECK_HEADER",
    "FAMILIES",
    "UNKNOWN",
    "Dialect",
    "Family",
    "Gateway",
    "GatewayKind",
    "ModelReport",
    "ModelTable",
    "ModelWatch",
    "ServedModels",
    "derived_gateway_host",
    "family_of",
    "without_window_mark",
]
