"""The echo server of the fuzzed requests."""

import socket
import time

from tests.fuzz.echo import running_echo

COMPLETE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
INCOMPLETE = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"


def test_the_server_stops_while_a_request_is_incomplete() -> None:
    with socket.socket() as client:
        with running_echo() as port:
            client.connect(("127.0.0.1", port))
            client.sendall(COMPLETE + INCOMPLETE)  # both in one read
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            started = time.monotonic()
        assert time.monotonic() - started < 9
