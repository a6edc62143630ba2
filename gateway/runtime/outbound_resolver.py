"""The DNS lookups of outbound requests. Imported with the first request, because aiohttp takes a fifth of a second."""

import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.domain.outbound import PRIVATE_ADDRESS, OutboundRules
from gateway.domain.outbound_errors import OutboundRefusedError


class GuardedResolver(AbstractResolver):
    """Resolves host names, and refuses a name of which any address is not allowed.

    aiohttp connects to the addresses that this returns, without another lookup. So a name whose addresses change
    between the check and the connection (DNS rebinding) gains nothing.
    """

    def __init__(self, rules: OutboundRules, resolver: AbstractResolver | None = None):
        self._rules = rules
        self._resolver = ThreadedResolver() if resolver is None else resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OutboundRefusedError, and OSError if there are none."""
        found = await self._resolver.resolve(host, port, family)
        if not all(self._rules.allows(each["host"]) for each in found):
            raise OutboundRefusedError(f"{host} {PRIVATE_ADDRESS}")
        return found

    async def close(self) -> None:
        """Close the resolver that this one uses."""
        await self._resolver.close()
