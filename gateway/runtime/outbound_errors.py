"""Why an outbound request has no response."""


class OutboundError(Exception):
    """An outbound request that has no usable response. The message names the host, never the rest of the URL."""


class OutboundRefusedError(OutboundError):
    """The address is not allowed. Nothing was sent."""


class OutboundFailedError(OutboundError):
    """No complete response arrived: no connection, no response in time, or one that is too large."""
