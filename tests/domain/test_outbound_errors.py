"""Why a connection failed, in words."""

import socket
import ssl

import pytest
from aiohttp import ClientConnectorDNSError, ServerDisconnectedError
from aiohttp.client_reqrep import ConnectionKey

from gateway.domain.outbound_errors import cause_of

KEY = ConnectionKey("example.com", 443, True, True, None, None, None)


def wrapped(cause: BaseException) -> BaseException:
    try:
        raise OSError("https://example.com/secret") from cause
    except OSError as problem:
        return problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name has no address"),
        (ClientConnectorDNSError(KEY, OSError("secret")), "its name has no address"),
        (ConnectionRefusedError(111, "10.0.0.1"), "it refuses connections"),
        (wrapped(ConnectionRefusedError()), "it refuses connections"),
        (TimeoutError("secret"), "no reply in time"),
        (ssl.SSLCertVerificationError("secret"), "its certificate is not valid"),
        (ssl.SSLError("secret"), "no TLS session"),
        (ServerDisconnectedError("secret"), "it closed the connection"),
        (ConnectionResetError("secret"), "it closed the connection"),
        (OSError("secret"), "OSError"),
    ],
)
def test_the_cause_is_told_without_the_text_of_the_exception(problem: BaseException, text: str) -> None:
    assert cause_of(problem) == text
