"""What can go wrong between a repository and the workspace.

::

    GitSyncError
    ├── GitError             git cannot read or write this repository
    │   └── GitStoppedError  … since there is no space, or it was killed
    ├── DestinationError     the workspace folder is somebody else's: the user decides
    ├── RestoreError         a project cannot be brought back
    ├── ArchiveTooLargeError its history is larger than what is kept; the files are synced
    └── MarkerChangedError   another app writes to the same folder; it is looked at anew
"""

from __future__ import annotations

from ..errors import DbxAgentsError


class GitSyncError(DbxAgentsError):
    """A project cannot be synced as it is."""

    http_status = 409


class GitError(GitSyncError):
    """Git refused; the message is its own."""


class GitStoppedError(GitError):
    """The machine kept git from its work: there is no space, or it was killed."""


class DestinationError(GitSyncError):
    """The workspace folder belongs to something else; nothing there was touched."""


class ArchiveTooLargeError(GitSyncError):
    """The history is larger than what we keep of it."""


class MarkerChangedError(GitSyncError):
    """Somebody else has written to the project's records meanwhile."""


class RestoreError(GitSyncError):
    """A project cannot be restored; nothing here was touched."""
