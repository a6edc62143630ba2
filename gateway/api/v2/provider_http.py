"""Requests to providers for incoming webhooks: certificates, which are cached, and confirmations."""

import time
from collections.abc import Callable

from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.outbound_errors import OutboundError
from gateway.runtime.outbound import OutboundHttp

CACHE_SECONDS = 24 * 3600.0
CACHED = 100
"""How long, and how many, responses are cached."""

FETCHES_A_MINUTE = 30
"""How many requests a worker sends. Requests that are not cached come from whoever knows an address of a webhook."""

MAX_BYTES = 64 * 1024
SECONDS = 5.0


class ProviderHttp:
    """Fetches what incoming webhooks refer to, only from public addresses."""

    def __init__(self, http: OutboundHttp, monotonic: Callable[[], float] = time.monotonic):
        self._http = http
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, bytes]] = {}
        self._minute = 0.0
        self._fetches = 0

    async def cached(self, url: str) -> bytes:
        """Return the body of the response to a GET, perhaps from the cache. Raises ApiError 502."""
        now = self._monotonic()
        entry = self._cache.get(url)
        if entry is not None and entry[0] > now:
            return entry[1]
        body = await self.get(url)
        if len(self._cache) >= CACHED:
            self._cache.clear()
        self._cache[url] = (now + CACHE_SECONDS, body)
        return body

    async def get(self, url: str) -> bytes:
        """Return the body of the response to a GET. Raises ApiError 502 if there is none, or its status is not 200."""
        self._count()
        try:
            response = await self._http.request("GET", url, seconds=SECONDS, max_bytes=MAX_BYTES)
        except OutboundError as problem:
            raise api_error(ErrorCode.PROVIDER_FAILED, str(problem), retry_after_seconds=5) from None
        if response.status != 200:
            message = f"The provider responded with status {response.status}"
            raise api_error(ErrorCode.PROVIDER_FAILED, message, retry_after_seconds=5)
        return response.body

    def _count(self) -> None:
        now = self._monotonic()
        if now - self._minute >= 60:
            self._minute, self._fetches = now, 0
        self._fetches += 1
        if self._fetches > FETCHES_A_MINUTE:
            message = "Too many requests to providers are under way"
            raise api_error(ErrorCode.PROVIDER_FAILED, message, retry_after_seconds=30)
