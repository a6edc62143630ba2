"""Why an outbound request has no response."""

_CAUSES = (
    (("gaierror", "DNS"), "its name has no address"),
    (("ConnectionRefused",), "it refuses connections"),
    (("Certificate", "CertVerification"), "its certificate is not valid"),
    (("Timeout",), "no reply in time"),
    (("Reset", "Aborted", "Disconnected", "BrokenPipe"), "it closed the connection"),
    (("SSL",), "no TLS session"),
)
"""Words in the names of exceptions, and what they mean to people."""


def cause_of(problem: BaseException) -> str:
    """Return why a connection failed, without the text of the exception, which may contain an address."""
    names = [type(problem).__name__]
    while problem.__cause__ is not None:
        problem = problem.__cause__
        names.append(type(problem).__name__)
    for words, text in _CAUSES:
        if any(word in name for name in names for word in words):
            return text
    return names[0]


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
