"""Every commit under the projects' folder reaches the workspace, and comes back after a restart.

A commit's way: a hook leaves a note (``hooks``, ``triggers``) → the project's worker (``worker``)
→ one pass (``project_sync``): what differs (``changes``), objects first (``archive``), intent and
result (``marker``), files (``apply``) → ``refs/dbx/synced``.

Invariants; ``tests/git_sync`` shows them, the first three with random histories, faults and kills
- The workspace ends with HEAD's tree, plus what others put there.
- Nothing that we did not put there is overwritten or deleted.
- A kill between any two calls loses nothing: the next start goes on.
- What is synced is the committed tree, never the working tree.
- What cannot be synced is named, with the reason and the next step.
- Nobody else's hook, and no setting of the user's, is changed.
"""

from .hooks.user_config import uninstall
from .restore import Restored
from .supervisor import GitSync
from .template import detach_template

__all__ = ["GitSync", "Restored", "detach_template", "uninstall"]
