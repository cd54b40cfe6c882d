"""Every error that users see, as one tree; each says what failed and what to do next.

::

    DbxAgentsError
    ├── ConfigurationError            the server must not start with this configuration
    ├── WorkspaceError                the workspace answered with an error
    │   ├── TokenRefusedError         … about the token itself: expired, revoked or unknown
    │   ├── WorkspacePermissionError  … about what this user or this token's scopes may do
    │   └── WorkspaceUnavailableError … that may pass: network, 429, 5xx
    ├── PatError                      a PAT cannot be adopted or kept
    │   ├── PatShapeError             the text is not a PAT
    │   ├── PatRefusedError           expired, revoked, or of another workspace
    │   ├── PatForeignUserError       another user's
    │   ├── PatCannotMintError        may not create the short-lived tokens that rotation needs
    │   ├── PatNeededError            there is none: sign in, or paste one
    │   └── SignInError               a sign-in did not end in a token
    ├── ConfigFileError               a user's file cannot be read or written; it was left alone
    ├── InstallError                  an agent could not be installed
    ├── DeploymentError               the repository cannot be deployed, or was not
    ├── GitSyncError                  a project cannot be synced
    │   ├── GitError                  … because git cannot read or write the repository
    │   │   └── RefsMovedError        … whose refs moved meanwhile
    │   ├── GitStoppedError           … because git had no space, or was killed
    │   │   └── MirrorLockedError     … while another server of this home has it
    │   ├── DestinationError          … because the workspace folder is not ours: the user decides
    │   ├── ArchiveTooLargeError      … with its history; the files are synced
    │   ├── MarkerChangedError        … now: another app writes to the same folder
    │   └── RestoreError              … back: nothing here was changed
    ├── ContinuityError               something of the home cannot be kept, or come back
    │   ├── NeverKeptError            … as long as it is as it is
    │   └── NewerVersionError         … by this version of the app
    ├── UploadError                   a dropped file cannot be stored
    ├── LocalChannelError             no running server answers the command
    ├── RemoteError                   the running server's own error, received by a command
    └── RequestError                  a REST request is not valid

Messages never contain a secret.  ``http_status`` is the status of REST replies.
"""


class DbxAgentsError(Exception):
    """Base of all errors of this package: a message, and a hint at what to do next."""

    http_status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(DbxAgentsError):
    """The server must not start with this configuration."""


class WorkspaceError(DbxAgentsError):
    """The workspace answered with an error.

    ``status`` is its HTTP status (0 = no answer) and ``error_code`` its ``error_code`` field.
    """

    http_status = 502

    def __init__(
        self, message: str, hint: str = "", *, status: int = 0, error_code: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.error_code = error_code


class TokenRefusedError(WorkspaceError):
    """The workspace does not accept this token: it has expired, was revoked, or was never valid."""


class WorkspacePermissionError(WorkspaceError):
    """The token is valid, but its user or its scopes do not allow this."""


class WorkspaceUnavailableError(WorkspaceError):
    """The workspace cannot answer now; ``retry_after_seconds`` is its ``Retry-After``, or 0."""

    http_status = 503

    def __init__(
        self, message: str, hint: str = "", *, status: int = 0, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message, hint, status=status)
        self.retry_after_seconds = retry_after_seconds


class PatError(DbxAgentsError):
    """A personal access token cannot be adopted or kept."""

    http_status = 400


class PatShapeError(PatError):
    """The text is not a personal access token."""


class PatRefusedError(PatError):
    """The workspace refuses the token."""


class PatForeignUserError(PatError):
    """The token belongs to someone other than the owner."""

    http_status = 403


class PatCannotMintError(PatError):
    """The token is valid but cannot create the short-lived tokens that rotation needs."""


class PatNeededError(PatError):
    """There is no usable token; the owner has to sign in or paste one."""

    http_status = 409


class SignInError(PatError):
    """A sign-in did not end in a token; it can be tried again."""


class ConfigFileError(DbxAgentsError):
    """A configuration file cannot be read or written; it stays as it was."""

    http_status = 409


class InstallError(DbxAgentsError):
    """An agent could not be installed; ``is_temporary`` if the cause may pass by itself."""

    def __init__(self, message: str, hint: str = "", *, is_temporary: bool = False) -> None:
        super().__init__(message, hint)
        self.is_temporary = is_temporary


class DeploymentError(DbxAgentsError):
    """The app could not be deployed, created or started."""


class GitSyncError(DbxAgentsError):
    """A project cannot be synced as it is."""

    http_status = 409


class GitError(GitSyncError):
    """Git refused; the message is its own."""


class GitStoppedError(GitSyncError):
    """The machine stopped git: there is no space, or it was killed."""


class MirrorLockedError(GitStoppedError):
    """Another server of this home works on the repository, or was suspended there."""


class DestinationError(GitSyncError):
    """The workspace folder belongs to something else; nothing there was changed."""


class ArchiveTooLargeError(GitSyncError):
    """The history is larger than the limit of what is kept; the files are synced."""


class RefsMovedError(GitError):
    """A repository's refs moved while they were bundled; they are read again."""


class MarkerChangedError(GitSyncError):
    """Another app wrote to the project's records in the meantime; they are read again."""


class RestoreError(GitSyncError):
    """A project cannot be restored; nothing here was changed."""


class ContinuityError(DbxAgentsError):
    """Something of the home cannot be kept for the next start, or cannot come back."""


class NeverKeptError(ContinuityError):
    """A file is not kept because of what is in it."""


class NewerVersionError(ContinuityError):
    """What is kept was written by a newer version."""


class UploadError(DbxAgentsError):
    """An upload cannot be stored."""

    http_status = 507


class LocalChannelError(DbxAgentsError):
    """No running server answers on the local channel."""


class RemoteError(DbxAgentsError):
    """The running server's own error, with its message and hint."""


class RequestError(DbxAgentsError):
    """A REST request is not valid; ``status`` is the HTTP status of the reply."""

    def __init__(self, message: str, hint: str = "", *, status: int = 400) -> None:
        super().__init__(message, hint)
        self.http_status = status
