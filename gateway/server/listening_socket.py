"""The socket from which all workers accept connections. This process opens it, or systemd has opened it before.

A socket unit of systemd keeps its socket while the service restarts (sd_listen_fds(3)). Connections wait in the backlog
meanwhile, and none is refused.
"""

import errno
import os
import socket
from collections.abc import MutableMapping

from gateway.server.errors import SupervisorError
from gateway.settings import Settings

SILENT_HEARTBEATS = 2.5
"""The time, in heartbeats, after which a peer that acknowledges nothing is disconnected."""

BACKLOG = 4096

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

ADMIN, METRICS, REQUESTS = "admin", "metrics", ""
"""`FileDescriptorName=` of the sockets of the dashboard and of metrics. The socket for requests may have any name."""

_SETTINGS = {
    REQUESTS: ("--host or INBOX_HOST", "--port or INBOX_PORT"),
    ADMIN: ("INBOX_ADMIN_HOST", "INBOX_ADMIN_PORT"),
    METRICS: ("INBOX_METRICS_HOST", "INBOX_METRICS_PORT"),
}
"""What chooses the address of each socket, and its port."""


def listen(host: str, port: int, heartbeat_seconds: float, use: str = REQUESTS) -> socket.socket:
    """Open the socket, which child processes inherit. `use` is REQUESTS, ADMIN or METRICS. Raises SupervisorError."""
    sock = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _limit_silence(sock, heartbeat_seconds)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as problem:
        if sock is not None:
            sock.close()
        raise SupervisorError(_not_listening(host, port, use, problem)) from None
    sock.set_inheritable(True)
    return sock


def listen_for_metrics(settings: Settings) -> socket.socket:
    """Open the socket of metrics, if they have their own. Raises SupervisorError."""
    host = settings.metrics_host or settings.host
    return listen(host, settings.metrics_port, settings.heartbeat_seconds, METRICS)


def descriptors_of_systemd(environment: MutableMapping[str, str]) -> dict[str, int]:
    """Return the descriptors of the sockets that systemd passed, by ADMIN, METRICS and, for all requests, REQUESTS.

    Removes the variables, which are for this process alone. Raises SupervisorError for sockets without a use.
    """
    pid, count, names = (environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    named = [name if name in (ADMIN, METRICS) else REQUESTS for name in names.split(":")]
    if len(named) != int(count) or len(set(named)) != len(named):
        raise SupervisorError(
            f"systemd passed {count} sockets ({names}): there may be one with any name, one with FileDescriptorName="
            f"{ADMIN}, and one with FileDescriptorName={METRICS}"
        )
    return {name: FIRST_DESCRIPTOR + index for index, name in enumerate(named)}


def inherit(descriptor: int, heartbeat_seconds: float) -> socket.socket:
    """Return the listening socket that systemd passed. Raises SupervisorError if it is none of TCP."""
    sock = None
    try:
        sock = socket.socket(fileno=descriptor)
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not _listens(sock):
            raise OSError(errno.EINVAL, "it is not a listening socket of TCP")
        _limit_silence(sock, heartbeat_seconds)
    except OSError as problem:
        if sock is not None:
            sock.close()
        raise SupervisorError(
            f"cannot use the socket that systemd passed: {problem.strerror}. Its unit needs ListenStream=, with a port"
        ) from None
    sock.set_inheritable(True)
    return sock


def _listens(sock: socket.socket) -> bool:
    return bool(sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _limit_silence(sock: socket.socket, heartbeat_seconds: float) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted sockets inherit the option at no extra cost. The kernel then closes the connection of a peer that
        # has disappeared without closing it, and therefore acknowledges nothing.
        silence_ms = int(SILENT_HEARTBEATS * heartbeat_seconds * 1000)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)


def _not_listening(host: str, port: int, use: str, problem: Exception) -> str:
    for_host, for_port = _SETTINGS[use]
    reason = getattr(problem, "strerror", None) or str(problem)
    remedy = f"Use {for_host} for an address of this machine."
    if getattr(problem, "errno", None) == errno.EADDRINUSE:
        remedy = f"Use {for_port} for another."
    elif isinstance(problem, PermissionError):
        remedy = f"Ports under 1024 need a privilege: use {for_port} for another."
    shown = f"[{host}]" if ":" in host else host
    return f"cannot listen on {shown}:{port}: {reason}. {remedy}"
