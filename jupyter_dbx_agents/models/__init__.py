"""Which models the agents use, and through which of the workspace's addresses they are reached.

``gateway`` knows the addresses and which of them answers, ``discovery`` what the workspace serves,
``names`` how models are called and which is newer, ``table`` what is configured and in force;
``watch`` looks again when it is time.
"""

from .discovery import ServedModels
from .gateway import (
    Dialect,
    Gateway,
    GatewayKind,
    derived_gateway_host,
)
from .table import ModelReport, ModelTable
from .watch import ModelWatch

__all__ = [
    "Dialect",
    "Gateway",
    "GatewayKind",
    "ModelReport",
    "ModelTable",
    "ModelWatch",
    "ServedModels",
    "derived_gateway_host",
]
