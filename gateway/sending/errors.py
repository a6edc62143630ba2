"""The exceptions of this package, in one tree.

SendingError
├── RecipientConflictError    recipients of a command name two users each
└── InvalidRowError           a row of an import is not a user
"""

from collections.abc import Sequence


class SendingError(Exception):
    """Base class of the exceptions of this package."""


class RecipientConflictError(SendingError):
    """Some recipients have the external id of one user and the email of another. Nothing was sent.

    `indexes` are their places in the command.
    """

    def __init__(self, indexes: Sequence[int]):
        super().__init__(f"recipients {list(indexes)} name two users each")
        self.indexes = tuple(indexes)


class InvalidRowError(SendingError):
    """A row of an import does not describe a user. `messages` has an entry for each fault."""

    def __init__(self, messages: Sequence[str]):
        super().__init__("; ".join(messages))
        self.messages = tuple(messages)
