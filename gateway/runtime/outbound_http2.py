"""Requests over HTTP/2, for providers that speak nothing else (APNs). The same errors as those of `outbound.py`.

HTTP/2 says more about a request that failed than HTTP/1.1 (RFC 9113, 8.7): a stream above the last one that a GOAWAY
frame names was not processed, and neither was one that was refused by REFUSED_STREAM. Such a request is sent again on
another connection. A stream that the server may have begun to process has no answer.

The addresses are those of the provider or of the operator, never of a tenant. So they are not checked.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.domain.outbound_errors import NoAnswerError, NotSentError, cause_of
from gateway.runtime.outbound import (
    CONNECT_SECONDS,
    DEFAULT_SECONDS,
    MAX_RESPONSE_BYTES,
    OutboundResponse,
    trusting,
)

if TYPE_CHECKING:
    from ssl import SSLContext

    from gateway.runtime.http2_pool import Http2Pool

MAX_POOLS = 64
"""How many pools are kept. Each has a connection or two, of which the TLS session takes most of the memory."""

MAX_ATTEMPTS = 3
"""How often a request is sent that provably was not processed. Several connections may be shut down at once."""

SILENCE = 0.9
"""The part of the time limit after which a silent connection is given up. It ends before the time limit of the request,
so that a connection that hangs fails once, and not once for each request on it."""


class OutboundHttp2:
    """An HTTP/2 client. Call `close` at the end. `ca_file` has authorities to trust beside those of the system."""

    def __init__(self, *, ca_file: Path | None = None):
        self._ca_file = ca_file
        self._context: SSLContext | None = None
        self._pools: dict[str, Http2Pool] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = DEFAULT_SECONDS,
        max_bytes: int = MAX_RESPONSE_BYTES,
        pool: str = "",
    ) -> OutboundResponse:
        """Send a request and return its response, whatever its status. Requests of one `pool` share connections.

        Raises NotSentError if the server cannot have processed it, and NoAnswerError.
        """
        self._context = self._context or trusting(self._ca_file)
        host, attempts = urlsplit(url).hostname, 0
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            attempts, progress = attempts + 1, _Progress()
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._send(method, url, headers, body, seconds, max_bytes, pool, progress)
            except _failures() as problem:
                if progress.may_be_processed(problem):
                    raise NoAnswerError(f"No response from {host}: {cause_of(problem)}") from None
                if progress.stream is None or attempts == MAX_ATTEMPTS:
                    raise NotSentError(f"No connection to {host}: {cause_of(problem)}") from None

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        seconds: float,
        max_bytes: int,
        pool: str,
        progress: "_Progress",
    ) -> OutboundResponse:
        silence = SILENCE * seconds
        limits = {"connect": min(CONNECT_SECONDS, silence), "read": silence, "write": silence, "pool": silence}
        async with (
            (await self._pool(pool)).used() as connections,
            connections.stream(
                method,
                url,
                headers=list((headers or {}).items()),
                content=body,
                extensions={"timeout": limits, "trace": progress.note},
            ) as response,
        ):
            found = b""
            async with aclosing(response.aiter_stream()) as parts:
                async for part in parts:
                    found += part
                    if len(found) > max_bytes:
                        raise NoAnswerError(f"{urlsplit(url).hostname} responded with more than {max_bytes} bytes")
        names = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return OutboundResponse(response.status, names, found)

    async def _pool(self, name: str) -> "Http2Pool":
        """Return the pool of a name. The one that was used the longest ago makes room for another."""
        from gateway.runtime.http2_pool import Http2Pool

        found = self._pools.pop(name, None)
        if found is None:
            assert self._context is not None
            found = Http2Pool(self._context)
        self._pools[name] = found  # at the end
        for other, pool in list(self._pools.items())[: max(0, len(self._pools) - MAX_POOLS)]:
            if not pool.in_use:
                del self._pools[other]
                await pool.close()
        return found

    async def close(self) -> None:
        """Close all connections."""
        pools, self._pools = list(self._pools.values()), {}
        for pool in pools:
            await pool.close()


class _Progress:
    """How far a request is: `stream` is the id of its stream, set before its first byte is written."""

    def __init__(self) -> None:
        self.stream: int | None = None

    async def note(self, event: str, details: Mapping[str, Any]) -> None:
        """Note an event of the trace of httpcore2."""
        if event == "http2.send_request_headers.started":
            self.stream = details["stream_id"]

    def may_be_processed(self, problem: BaseException) -> bool:
        """Return whether the server may have processed the request that failed so."""
        if self.stream is None:
            return False
        from h2.errors import ErrorCodes
        from h2.events import ConnectionTerminated, StreamReset

        match problem.args[0] if problem.args else None:
            case ConnectionTerminated(last_stream_id=int() as last):
                return self.stream <= last
            case StreamReset(error_code=code):
                return bool(code != ErrorCodes.REFUSED_STREAM)
        return True


def _failures() -> tuple[type[Exception], ...]:
    """Return what a request may raise."""
    import httpcore2

    return (
        httpcore2.NetworkError,
        httpcore2.TimeoutException,
        httpcore2.ProtocolError,
        httpcore2.ConnectionNotAvailable,
        TimeoutError,
        OSError,
    )
