"""The exceptions of the command line. Each one ends the command with its message, in one sentence, and exit code 1.

CommandError
├── StoreUnusableError            the store cannot be reached, refuses the gateway, or has another secret key
│   ├── StoreFormatUnknownError   its data has a format that this version does not know
│   └── StoreNotWritableError     it refuses writes
├── DemoKeysError                 the file with the demo project's keys is damaged
├── PreparationError              the process that prepares the store ended with an error
├── DeliveryStoreError            `deliver` has no Redis that it shares with the gateway
├── UnknownProviderError          INBOX_PROVIDER_URLS names a provider that does not exist
└── BackupRefusedError            a backup cannot be made, read or restored
"""


class CommandError(Exception):
    """Base class of the exceptions of this package."""


class StoreUnusableError(CommandError):
    """The store cannot be used. `may_recover` is true if a later attempt may succeed."""

    def __init__(self, message: str, *, may_recover: bool):
        super().__init__(message)
        self.may_recover = may_recover


class StoreFormatUnknownError(StoreUnusableError):
    """The stored data has a format that this version does not know."""


class StoreNotWritableError(StoreUnusableError):
    """The store refuses writes, even the gateway's functions, without which the gateway cannot read it."""


class DemoKeysError(CommandError):
    """The file with the demo project's keys is damaged."""


class PreparationError(CommandError):
    """The process that prepares the store ended with an error of its own."""


class DeliveryStoreError(CommandError):
    """A process that delivers has no Redis that it shares with the gateway."""


class UnknownProviderError(CommandError):
    """INBOX_PROVIDER_URLS names a provider that does not exist."""


class BackupRefusedError(CommandError):
    """A backup cannot be made, read or restored."""
