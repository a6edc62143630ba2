"""What the store raises when it rejects a request for what is stored, or for a bound. Nothing was written then.

The exceptions of the package are three trees:

    DomainError                     domain/guard.py: what the guard of a user's call found
      UserDeletedError
      TokenRevokedError
      RateLimitedError
    StoreUnavailableError           store/redis/problems.py: the server cannot do now what was asked; its docstring
                                    lists the causes
    RejectedError                   this module
      IdentityConflictError         two names of one identity are two users'
      NameTakenError                a name is another user's
      KeyTakenError                 an API key is another project's
      UnknownWorkspaceError
      ForeignSecretKeyError         the store belongs to another secret key
      LimitError
        TooManyNewUsersError        the limits of new users
        TooManyProjectsError        of a workspace
        TooManyTokensError          of a user or a project
        TooManyError                preferences, subscriptions

`store/job_queue.py` has the tree of JobQueueError, which the workers of jobs handle among themselves.
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


class ForeignSecretKeyError(RejectedError):
    """The secrets in the store were encrypted with another secret key than this node's."""

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
        super().__init__(f"again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds
        self.of_address = of_address
        """Whether the limit of the client's address is reached, rather than that of the project."""


class TooManyProjectsError(LimitError):
    """The workspace has as many projects as one may have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} projects")


class TooManyTokensError(LimitError):
    """The owner has as many tokens as one may have."""


class TooManyError(LimitError):
    """A user would have more of something than fits. `what` names that in the plural, `most` is the bound."""

    def __init__(self, what: str, most: int):
        super().__init__(f"more than {most} {what}")
        self.what = what
        self.most = most
