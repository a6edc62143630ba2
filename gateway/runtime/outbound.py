"""Requests to providers and to addresses of tenants: the only way in which the gateway sends them over HTTP/1.1.

Each request is checked by the rules of `gateway/domain/outbound.py`: its URL here, and the addresses of its host after
the DNS lookup (`outbound_resolver.py`). Redirects are not followed, because they would name another host. Proxies of
the environment and cookies are not used.

A failure says whether the host may have acted on the request. NotSentError is raised only if it cannot have: the first
byte was not written. Everything later is a NoAnswerError.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gateway.domain.outbound import OutboundRules
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundRefusedError, cause_of

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp import ClientSession
    from aiohttp.abc import AbstractResolver

MAX_RESPONSE_BYTES = 256 * 1024
"""Many times what the APIs of providers return."""

DEFAULT_SECONDS = 10.0
"""The time limit of a request, from the lookup to the last byte of the response."""

CONNECT_SECONDS = 5.0
"""The time limit of one attempt to connect, with TLS. It is part of the time limit of the request."""


class ConnectionLimits(NamedTuple):
    """How many connections there are at once, in total and to one host. Further requests wait."""

    total: int = 100
    per_host: int = 10


class OutboundResponse(NamedTuple):
    """A response. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def trusting(ca_file: Path | None) -> "SSLContext":
    """Return a TLS context that trusts the authorities of the system, and those in a PEM file. Raises OSError."""
    from ssl import create_default_context

    context = create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class OutboundHttp:
    """An HTTP client that connects only where the rules allow it. Call `close` at the end.

    `resolver` returns the resolver whose results are checked, by default that of the system. `ca_file` has authorities
    to trust beside those of the system.
    """

    def __init__(
        self,
        rules: OutboundRules,
        resolver: "Callable[[], AbstractResolver] | None" = None,
        *,
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008 - it is immutable
        ca_file: Path | None = None,
    ):
        self.rules = rules
        self._resolver = resolver
        self._limits = limits
        self._ca_file = ca_file
        self._opened: ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = DEFAULT_SECONDS,
        max_bytes: int = MAX_RESPONSE_BYTES,
    ) -> OutboundResponse:
        """Send a request and return its response, whatever its status.

        Raises OutboundRefusedError and NotSentError before anything is sent, and NoAnswerError afterwards.
        """
        if fault := self.rules.url_fault(url):
            raise OutboundRefusedError(f"The address {fault}")
        # aiohttp enforces its time limit by cancelling the task that sends. A task that runs operations serves other
        # requests afterwards (server/operation_tasks.py), so this one is created for the request.
        sending = self._send(method, url, headers, body, seconds, max_bytes)
        return await asyncio.create_task(sending, name="outbound request")

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        seconds: float,
        max_bytes: int,
    ) -> OutboundResponse:
        from aiohttp import ClientError

        from gateway.runtime.outbound_connections import PROGRESS, ConnectionGoneError, Progress

        host, progress = urlsplit(url).hostname, Progress()
        PROGRESS.set(progress)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            # Each attempt takes a closed connection out of the pool, so the last one opens a connection.
            for _ in range(self._limits.per_host):
                with suppress(ConnectionGoneError):
                    return await self._attempt(method, url, headers, body, deadline, max_bytes)
            return await self._attempt(method, url, headers, body, deadline, max_bytes)
        except (ClientError, TimeoutError, OSError, ConnectionGoneError) as problem:
            # The message of aiohttp contains the URL, which may contain a secret.
            if progress.sent:
                raise NoAnswerError(f"No response from {host}: {cause_of(problem)}") from None
            raise NotSentError(f"No connection to {host}: {cause_of(problem)}") from None

    async def _attempt(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        body: bytes | None,
        deadline: float,
        max_bytes: int,
    ) -> OutboundResponse:
        from aiohttp import ClientTimeout

        seconds = deadline - asyncio.get_running_loop().time()
        timeout = ClientTimeout(total=max(seconds, 0.001), sock_connect=CONNECT_SECONDS)
        async with self._session().request(
            method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout
        ) as response:
            found = await response.content.read(max_bytes + 1)
            while len(found) <= max_bytes and (more := await response.content.read(max_bytes + 1 - len(found))):
                found += more
            if len(found) > max_bytes:
                raise NoAnswerError(f"{response.url.host} responded with more than {max_bytes} bytes")
            names = {name.lower(): value for name, value in response.headers.items()}
            return OutboundResponse(response.status, names, found)

    def _session(self) -> "ClientSession":
        if self._opened is None:
            from aiohttp import ClientSession, DummyCookieJar, TCPConnector

            from gateway.runtime.outbound_connections import TracedRequest
            from gateway.runtime.outbound_resolver import GuardedResolver

            resolver = GuardedResolver(self.rules, self._resolver() if self._resolver else None)
            # Without a cache of lookups, each connection uses addresses that were checked for it.
            connector = TCPConnector(
                resolver=resolver,
                use_dns_cache=False,
                limit=self._limits.total,
                limit_per_host=self._limits.per_host,
                ssl=True if self._ca_file is None else trusting(self._ca_file),
            )
            self._opened = ClientSession(
                connector=connector, cookie_jar=DummyCookieJar(), trust_env=False, request_class=TracedRequest
            )
        return self._opened

    async def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
