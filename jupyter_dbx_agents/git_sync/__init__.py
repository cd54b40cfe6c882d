"""Copies every commit under the projects' folder to the workspace, and restores it from there.

Itinerary of a commit: a hook reports one (``hooks/repository_hooks``), or it is time for a poll →
``watch``, which finds the projects (``local/projects``), sees whose refs have changed, and wakes
their ``worker``, which has two loops and a state (``states``).  One loop makes it safe: a local
fetch into the repository's mirror (``local/mirror``), and a bundle of what is new (``history``,
``remote/bundles``).  The other makes it visible, in passes (``project_sync``): what differs
(``local/objects``, from the mirror), the intent (``remote/marker``), the files in a safe order
(``apply``, ``remote/workspace_files``), the marker again.  A first pass claims the folder
(``ownership``); ``audit`` compares all of it on demand; ``restore`` and ``local/checkout`` go the
other way.  ``work`` does the same for what is not committed, beside the history.  ``ending`` is for
projects that were deleted, renamed or forgotten; ``hooks/guest`` sets up git.
``supervisor`` is what the other parts know of all this, ``assembly`` builds what a worker runs.

Invariants; ``tests/git_sync`` shows them with random histories, faults and kills
- Every ref that was reported safe is restored, whatever happens to the files.
- The workspace ends with HEAD's tree, plus the files of others.
- Nothing is overwritten or deleted that git sync did not write.
- A kill between any two calls loses nothing: the next start continues.
- What is visible is the committed tree, never the working tree; what is not committed is kept
  beside the history, and nothing of the user's repository is written for that.
- What cannot be synced is named, with the reason and the next step.
- Nobody else's hook and no setting of the user is changed.
"""

from .ending import Forgotten
from .hooks.user_config import allow_hooks, are_hooks_removed, uninstall
from .local.git import LEAST_GIT
from .restore import Restored
from .supervisor import GitSync, Restorable

__all__ = [
    "LEAST_GIT",
    "Forgotten",
    "GitSync",
    "Restorable",
    "Restored",
    "allow_hooks",
    "are_hooks_removed",
    "uninstall",
]
