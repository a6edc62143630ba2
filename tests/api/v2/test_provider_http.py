"""Requests to providers: cached, limited, only to public addresses, and what happens without a response."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.api.v2 import provider_http as module
from gateway.api.v2.provider_http import ProviderHttp
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.outbound import PUBLIC_ONLY
from gateway.runtime.outbound import OutboundHttp
from tests.outbound import LOOPBACK


class Provider:
    """A server on the loopback that counts its requests."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.requests = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody".encode())
        await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/certificate.pem"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    yield provider
    server.close()
    await server.wait_closed()


@pytest.fixture
async def outbound() -> AsyncIterator[OutboundHttp]:
    outbound = OutboundHttp(LOOPBACK)
    yield outbound
    await outbound.close()


async def test_a_certificate_is_fetched_once_a_day(provider: Provider, outbound: OutboundHttp) -> None:
    now = 0.0
    http = ProviderHttp(outbound, lambda: now)
    for _ in range(3):
        assert await http.cached(provider.url) == b"body"
    assert provider.requests == 1
    now = module.CACHE_SECONDS
    assert await http.cached(provider.url) == b"body"
    assert provider.requests == 2


async def test_the_cache_is_bounded(
    provider: Provider, outbound: OutboundHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CACHED", 2)
    http = ProviderHttp(outbound)
    for name in ("a", "b", "c", "a"):
        await http.cached(f"{provider.url}?{name}")
    assert provider.requests == 4


async def test_requests_are_limited_by_the_minute(
    provider: Provider, outbound: OutboundHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FETCHES_A_MINUTE", 1)
    now = 100.0
    http = ProviderHttp(outbound, lambda: now)
    await http.get(provider.url)
    with pytest.raises(ApiError, match="Too many requests"):
        await http.get(provider.url)
    now += 60
    assert await http.get(provider.url) == b"body"


async def test_an_error_of_the_provider_and_an_address_that_is_not_public_have_no_response(
    provider: Provider, outbound: OutboundHttp
) -> None:
    provider.status = "404 Not Found"
    with pytest.raises(ApiError, match="status 404") as error:
        await ProviderHttp(outbound).cached(provider.url)
    assert error.value.code is ErrorCode.PROVIDER_FAILED
    guarded = OutboundHttp(PUBLIC_ONLY)
    with pytest.raises(ApiError):
        await ProviderHttp(guarded).get(provider.url)
    await guarded.close()
    assert provider.requests == 1
