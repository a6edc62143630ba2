"""The socket that all workers accept connections from."""

import os
import socket
import sys

import pytest

from gateway.server.errors import SupervisorError
from gateway.server.listening_socket import listen


def test_it_listens_and_is_inherited() -> None:
    with listen("127.0.0.1", 0, 25) as sock, socket.create_connection(sock.getsockname()):
        assert os.get_inheritable(sock.fileno())


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_accepted_sockets_inherit_the_time_after_which_a_silent_peer_is_disconnected() -> None:
    with listen("127.0.0.1", 0, 10) as sock, socket.create_connection(sock.getsockname()):
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


def test_it_listens_on_ipv6() -> None:
    try:
        with listen("::1", 0, 25) as sock:
            assert sock.family is socket.AF_INET6
    except SupervisorError:
        pytest.skip("this machine has no IPv6")


def test_a_port_in_use_is_reported_with_its_remedy() -> None:
    with listen("127.0.0.1", 0, 25) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(SupervisorError, match=f"cannot listen on 127.0.0.1:{port}: .*Use --port or INBOX_PORT"):
            listen("127.0.0.1", port, 25)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 300])
def test_a_host_that_is_no_address_of_this_machine_is_reported_with_its_remedy(host: str) -> None:
    with pytest.raises(SupervisorError, match="Use --host or INBOX_HOST for an address of this machine"):
        listen(host, 0, 25)
