"""The socket from which all workers accept connections."""

import errno
import socket

from gateway.server.errors import SupervisorError
from gateway.settings import Settings

SILENT_HEARTBEATS = 2.5
"""The time, in heartbeats, after which a peer that acknowledges nothing is disconnected."""

BACKLOG = 4096


def listen(host: str, port: int, heartbeat_seconds: float) -> socket.socket:
    """Open the socket, which child processes inherit. Raises SupervisorError."""
    sock = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets inherit the option at no extra cost. The kernel then closes the connection of a peer that
            # has disappeared without closing it, and therefore acknowledges nothing.
            silence_ms = int(SILENT_HEARTBEATS * heartbeat_seconds * 1000)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as problem:
        if sock is not None:
            sock.close()
        raise SupervisorError(_not_listening(host, port, problem)) from None
    sock.set_inheritable(True)
    return sock


def listen_for_metrics(settings: Settings) -> socket.socket:
    """Open the socket of metrics, if they have their own. Raises SupervisorError."""
    return listen(settings.metrics_host or settings.host, settings.metrics_port, settings.heartbeat_seconds)


def _not_listening(host: str, port: int, problem: Exception) -> str:
    reason = getattr(problem, "strerror", None) or str(problem)
    remedy = "Use --host or INBOX_HOST for an address of this machine."
    if getattr(problem, "errno", None) == errno.EADDRINUSE:
        remedy = "Use --port or INBOX_PORT for another."
    elif isinstance(problem, PermissionError):
        remedy = "Ports under 1024 need a privilege: use --port or INBOX_PORT for another."
    shown = f"[{host}]" if ":" in host else host
    return f"cannot listen on {shown}:{port}: {reason}. {remedy}"
