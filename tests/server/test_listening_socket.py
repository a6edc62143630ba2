"""The socket that all workers accept connections from."""

import os
import socket
import sys

import pytest

from gateway.server.errors import SupervisorError
from gateway.server.listening_socket import ADMIN, descriptors_of_systemd, inherit, listen, listen_for_metrics
from gateway.settings import Settings


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
        with pytest.raises(SupervisorError, match="Use INBOX_METRICS_PORT for another"):
            listen_for_metrics(Settings(metrics_host="127.0.0.1", metrics_port=port))
        with pytest.raises(SupervisorError, match="Use INBOX_ADMIN_PORT for another"):
            listen("127.0.0.1", port, 25, ADMIN)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "a" * 300])
def test_a_host_that_is_no_address_of_this_machine_is_reported_with_its_remedy(host: str) -> None:
    with pytest.raises(SupervisorError, match="Use --host or INBOX_HOST for an address of this machine"):
        listen(host, 0, 25)


# ---- sockets that systemd has opened


def passed(names: str, count: str = "", pid: int = 0) -> dict[str, str]:
    """Return the variables with which systemd names the sockets that it passes to this process."""
    count = count or str(len(names.split(":")))
    return {"LISTEN_PID": str(pid or os.getpid()), "LISTEN_FDS": count, "LISTEN_FDNAMES": names, "PATH": "/bin"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, {}),
        (passed("inbox-gateway.socket"), {"": 3}),
        (passed("inbox-gateway.socket:admin"), {"": 3, "admin": 4}),
        (passed("metrics:admin:web"), {"": 5, "admin": 4, "metrics": 3}),
        (passed("admin"), {"admin": 3}),
        (passed("", count="1"), {"": 3}),
        (passed("web", pid=1), {}),  # they were for the parent
        (passed("web", count="many"), {}),
    ],
)
def test_the_sockets_of_systemd_are_found_by_their_names(variables: dict[str, str], found: dict[str, int]) -> None:
    environment = dict(variables)
    assert descriptors_of_systemd(environment) == found
    assert not [name for name in environment if name.startswith("LISTEN_")], "children must not read them"


@pytest.mark.parametrize("variables", [passed("web:other"), passed("admin:admin:web"), passed("", count="2")])
def test_sockets_without_a_use_are_an_error(variables: dict[str, str]) -> None:
    with pytest.raises(SupervisorError, match="one with FileDescriptorName=admin"):
        descriptors_of_systemd(dict(variables))


def test_a_socket_of_systemd_is_used_as_one_of_our_own_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened, inherit(os.dup(opened.fileno()), 10) as sock:
        assert sock.getsockname() == opened.getsockname()
        assert os.get_inheritable(sock.fileno())
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


def test_anything_but_a_listening_socket_of_tcp_is_an_error() -> None:
    with socket.socket() as quiet, socket.socket(socket.AF_UNIX) as local, open(os.devnull) as file:
        for descriptor in (quiet.fileno(), local.fileno(), file.fileno(), 1000):
            with pytest.raises(SupervisorError, match=r"cannot use the socket that systemd passed: .*ListenStream="):
                inherit(os.dup(descriptor) if descriptor < 1000 else descriptor, 10)
