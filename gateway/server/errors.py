"""The exceptions of the server: what keeps a gateway from starting or going on.

    ServerError                     the message says what to do, in words for an operator
      SupervisorError               the workers or their socket
      DataDirectoryError            the data directory
      BundledValkeyError            the bundled Valkey
        StartCancelledError         its start was given up, because the gateway is told to stop
        UnrepairableError           its files are damaged in a way that no repair is safe for

The HTTP ingress has one more, which only it handles: `RefusedRequestError` in `gateway.server.request`, for a request
that is no valid HTTP or too large.
"""


class ServerError(Exception):
    """The gateway cannot start or go on. The message says why, and what to do."""


class SupervisorError(ServerError):
    """The workers cannot run, or their socket cannot be opened."""


class DataDirectoryError(ServerError):
    """The data directory cannot be used."""


class BundledValkeyError(ServerError):
    """The bundled Valkey cannot run."""


class StartCancelledError(BundledValkeyError):
    """The start of the bundled Valkey was given up, because the gateway is told to stop."""


class UnrepairableError(BundledValkeyError):
    """The append-only file cannot be read and cannot be repaired safely. The message lists steps for the operator."""
