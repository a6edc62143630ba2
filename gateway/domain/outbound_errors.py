"""Why an outbound request has no response."""


class OutboundError(Exception):
    """An outbound request that has no usable response. The message names the host, never the rest of the URL."""


class OutboundRefusedError(OutboundError):
    """The address is not allowed. Nothing was sent."""


class OutboundFailedError(OutboundError):
    """No complete response arrived: no connection, no response in time, or one that is too large."""


class NotSentError(OutboundFailedError):
    """Nothing has reached the host: no address, no connection, no TLS session. Sending again repeats nothing."""


class NoAnswerError(OutboundFailedError):
    """The request was sent, at least in part, and no complete response arrived. The host may have acted on it."""
