"""The exceptions of the server: conditions in which a gateway cannot start or continue.

    ServerError                     the message has the remedy for an operator
      SupervisorError               the workers or their socket
      DataDirectoryError            the data directory
      BundledValkeyError            the bundled Valkey
        StartCancelledError         its start was cancelled, because the gateway is stopping
        UnrepairableError           its files are damaged, and no repair is safe

The HTTP ingress has one more exception, which only the ingress handles: `RefusedRequestError` in
`gateway.server.request`, for a request that is not valid HTTP or too large.
"""


class ServerError(Exception):
    """The gateway cannot start or continue. The message has the reason and the remedy."""


class SupervisorError(ServerError):
    """The workers cannot run, or their socket cannot be opened."""


class DataDirectoryError(ServerError):
    """The data directory cannot be used."""


class BundledValkeyError(ServerError):
    """The bundled Valkey cannot run."""


class StartCancelledError(BundledValkeyError):
    """The start of the bundled Valkey was cancelled, because the gateway is stopping."""


class UnrepairableError(BundledValkeyError):
    """The append-only file cannot be read and cannot be repaired safely. The message lists steps for the operator."""
