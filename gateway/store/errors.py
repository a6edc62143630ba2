"""The exceptions for requests that conflict with stored data or exceed a bound. Nothing was written.

The exceptions of the package are four trees:

    DomainError                     domain/guard.py: the guard refused a user's call
      UserDeletedError
      TokenRevokedError
      RateLimitedError
    StoreUnavailableError           store/redis/problems.py: the server cannot serve the call now; its docstring lists
                                    the causes
    RejectedError                   this module
      IdentityConflictError         the two names of an identity belong to two users
      NameTakenError                another user has a name
      KeyTakenError                 another project has an API key
      UnknownWorkspaceError
      EmailTakenError               another admin has an email
      LastOwnerError                a change would leave nobody who can change admins
      ForeignSecretKeyError         another secret key encrypted the stored projects
      LimitError
        TooManyNewUsersError        the limits of new users
        TooManyProjectsError        of a workspace
        TooManyTokensError          of a user or a project
        TooManyTailsError           of a project or a worker
        TooManyError                admins, preferences, subscriptions

    BackupError                     a backup cannot be made or restored now; what was found is in the message
      StoreChangedError             a server or the slots of a cluster changed during a backup
      StoreInUseError               processes of the gateway are running on a store that is to be restored
      StoreNotEmptyError            a store that is to be restored has data
      UnsuitableBackupError         this version, server or secret key cannot use a backup

`store/job_queue.py` has the tree of JobQueueError, which only the job runner handles.
"""

from collections.abc import Sequence


class RejectedError(Exception):
    """The store rejects a request. Nothing was written."""


class IdentityConflictError(RejectedError):
    """Some identities name one user by external id and another by email. `indexes` are their places in the request."""

    def __init__(self, indexes: Sequence[int]):
        super().__init__(f"identities {list(indexes)} belong to two users each")
        self.indexes = tuple(indexes)


class NameTakenError(RejectedError):
    """Another user has this name. `name` is `external_id` or `email`."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


class KeyTakenError(RejectedError):
    """Another project has this API key."""


class UnknownWorkspaceError(RejectedError):
    """There is no such workspace."""


class EmailTakenError(RejectedError):
    """Another admin has this email."""


class LastOwnerError(RejectedError):
    """Nobody would be left who may change admins."""


class ForeignSecretKeyError(RejectedError):
    """The stored secrets were encrypted with a secret key other than this node's."""

    def __init__(self) -> None:
        super().__init__(
            "the projects in this store were encrypted with another secret key: set INBOX_SECRET_KEY to the one that "
            "the other nodes have, or that was in secret.key when the store was first used. If it is lost, give each "
            "project a new secret with `inbox-gateway project rotate-secret API_KEY --lost-secret-key`"
        )


class LimitError(RejectedError):
    """The request would exceed a bound of what is stored."""


class TooManyNewUsersError(LimitError):
    """The user is unknown, and no more users may be created now."""

    def __init__(self, retry_after_seconds: int, of_address: bool):
        super().__init__(f"try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds
        self.of_address = of_address
        """Whether the limit of the client's address is reached; else it is that of the project."""


class TooManyProjectsError(LimitError):
    """The workspace has the maximum number of projects."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} projects")


class TooManyTokensError(LimitError):
    """The owner has the maximum number of tokens."""


class TooManyTailsError(LimitError):
    """The worker has the maximum number of tails, of a project or in all."""


class TooManyError(LimitError):
    """A bound would be exceeded. `what` names the bounded things in the plural, and `most` is the bound."""

    def __init__(self, what: str, most: int):
        super().__init__(f"more than {most} {what}")
        self.what = what
        self.most = most


class BackupError(Exception):
    """A backup cannot be made or restored now. The message is for the operator."""


class StoreChangedError(BackupError):
    """A server was restarted or replaced, or slots of a cluster moved, during a backup. Keys may be missing in it."""


class StoreInUseError(BackupError):
    """Processes of the gateway are running on a store that is to be restored."""


class StoreNotEmptyError(BackupError):
    """A store that is to be restored has data."""


class UnsuitableBackupError(BackupError):
    """A backup cannot be restored by this version, to this server, or with this secret key."""
