"""Requests to addresses of tenants: the only way in which the gateway sends them.

Each request is checked by the rules of `gateway/domain/outbound.py`: its URL here, and the addresses of its host after
the DNS lookup (`outbound_resolver.py`). Redirects are not followed, because they would name another host. Proxies of
the environment and cookies are not used.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from gateway.domain.outbound import OutboundRules
from gateway.domain.outbound_errors import OutboundFailedError, OutboundRefusedError

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from aiohttp.abc import AbstractResolver

MAX_RESPONSE_BYTES = 256 * 1024
"""Many times what the APIs of providers return."""

DEFAULT_SECONDS = 10.0
"""The time limit of a request, from the lookup to the last byte of the response."""

MAX_CONNECTIONS = 100
"""The connections of a worker at once, 10 of them to one host. Further requests wait."""

MAX_CONNECTIONS_PER_HOST = 10


class OutboundResponse(NamedTuple):
    """A response. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OutboundHttp:
    """An HTTP client that connects only where the rules allow it. Call `close` at the end.

    `resolver` returns the resolver whose results are checked, by default that of the system.
    """

    def __init__(self, rules: OutboundRules, resolver: "Callable[[], AbstractResolver] | None" = None):
        self.rules = rules
        self._resolver = resolver
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

        Raises OutboundRefusedError before anything is sent, and OutboundFailedError.
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
        from aiohttp import ClientError, ClientTimeout

        host, timeout = urlsplit(url).hostname, ClientTimeout(total=seconds)
        try:
            async with self._session().request(
                method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout
            ) as response:
                found = await response.content.read(max_bytes + 1)
                while len(found) <= max_bytes and (more := await response.content.read(max_bytes + 1 - len(found))):
                    found += more
                if len(found) > max_bytes:
                    raise OutboundFailedError(f"{host} responded with more than {max_bytes} bytes")
                names = {name.lower(): value for name, value in response.headers.items()}
                return OutboundResponse(response.status, names, found)
        except (ClientError, TimeoutError, OSError) as problem:
            # The message of aiohttp contains the URL, which may contain a secret.
            raise OutboundFailedError(f"No response from {host}: {type(problem).__name__}") from None

    def _session(self) -> "ClientSession":
        if self._opened is None:
            from aiohttp import ClientSession, DummyCookieJar, TCPConnector

            from gateway.runtime.outbound_resolver import GuardedResolver

            resolver = GuardedResolver(self.rules, self._resolver() if self._resolver else None)
            # Without a cache of lookups, each connection uses addresses that were checked for it.
            connector = TCPConnector(
                resolver=resolver,
                use_dns_cache=False,
                limit=MAX_CONNECTIONS,
                limit_per_host=MAX_CONNECTIONS_PER_HOST,
            )
            self._opened = ClientSession(connector=connector, cookie_jar=DummyCookieJar(), trust_env=False)
        return self._opened

    async def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
