"""The links by which adapters of mail reach servers in tests."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.channels.provider import Answer
from gateway.domain.outbound_errors import NotSentError, OutboundRefusedError
from gateway.runtime.outbound import OutboundHttp
from tests.outbound import LOOPBACK


class MailLinks:
    """Links that connect to the loopback. They trust the authority in a file, besides those of the system.

    `base` is the address of a stub of an HTTP API.
    """

    def __init__(self, authority: Path | None = None, refuses: bool = False, base: str = ""):
        self._base = base
        self._http = OutboundHttp(LOOPBACK)
        self._context = ssl.create_default_context(cafile=authority)
        self._memos: dict[str, dict[str, Any]] = {}
        self._refuses = refuses

    def now(self) -> float:
        """Return the unix time in seconds."""
        return time.time()

    def base_url(self, default: str) -> str:
        """Return the address of the stub."""
        return self._base or default

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        tenants: bool = False,
    ) -> Answer:
        """Send a request."""
        return Answer(*await self._http.request(method, url, headers=headers, body=body, seconds=seconds or 5))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()
        for memo in self._memos.values():
            memo["pool"].close()
        await asyncio.sleep(0)  # a transport closes its socket in the next turn of the loop

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
