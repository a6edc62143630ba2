"""The links by which adapters of mail reach servers in tests."""

import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any

from gateway.domain.outbound_errors import NotSentError, OutboundRefusedError


class MailLinks:
    """Links that connect to the loopback. They trust the authority in a file, besides those of the system."""

    def __init__(self, authority: Path | None = None, refuses: bool = False):
        self._context = ssl.create_default_context(cafile=authority)
        self._memos: dict[str, dict[str, Any]] = {}
        self._refuses = refuses

    def now(self) -> float:
        """Return the unix time in seconds."""
        return time.time()

    async def connect(self, host: str, port: int, *, seconds: float | None = None) -> socket.socket:
        """Return a connected socket."""
        if self._refuses:
            raise OutboundRefusedError("The host must have a public address")
        connection = socket.socket()
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except OSError:
            connection.close()
            raise NotSentError(f"No connection to {host}") from None
        return connection

    def tls(self) -> ssl.SSLContext:
        """Return the context for TLS."""
        return self._context

    def memo(self, key: str) -> dict[str, Any]:
        """Return a dictionary that is kept."""
        return self._memos.setdefault(key, {})
