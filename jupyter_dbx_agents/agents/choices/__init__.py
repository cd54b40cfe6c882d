"""What the owner chooses: which agents are on, their models and servers, and what they ask for.

``approvals`` has the words for what an agent asks before; ``kept`` reads, checks and remembers all
choices.
"""

from .approvals import Approvals, ApprovalsStatus, nearest
from .kept import ALL, Choice, Choices, changed, checked_server, shown_server

__all__ = [
    "ALL",
    "Approvals",
    "ApprovalsStatus",
    "Choice",
    "Choices",
    "changed",
    "checked_server",
    "nearest",
    "shown_server",
]
