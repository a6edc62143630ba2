"""Outbound requests reach public hosts only, whatever the DNS answers."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.domain.outbound import PUBLIC_ONLY, OutboundRules
from gateway.domain.outbound_errors import OutboundFailedError, OutboundRefusedError
from gateway.runtime.outbound import OutboundHttp

LOOPBACK = OutboundRules(allows_loopback=True)


class Answers(AbstractResolver):
    """A resolver that returns one list of addresses after the other."""

    def __init__(self, *answers: list[str]):
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        (each, *rest) = self.answers
        self.answers = rest
        if not each:
            raise OSError("no such name")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in each
        ]

    async def close(self) -> None:
        """Do nothing."""


class Target:
    """A server on the loopback that counts its requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.port = 0

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        match request.path:
            case "/redirect":
                return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{self.port}/secret"})
            case "/large":
                return web.Response(body=b"x" * 1000)
            case "/cut":
                assert request.transport is not None
                request.transport.abort()
        response = web.Response(
            text=f"{request.method} {(await request.read()).decode()} {request.headers.get('cookie')}"
        )
        response.set_cookie("a", "b")
        return response


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    target = Target()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    target.port = runner.addresses[0][1]
    yield target
    await runner.cleanup()


async def test_a_request_returns_the_response_and_keeps_no_cookies(target: Target) -> None:
    http = OutboundHttp(LOOPBACK)
    for _ in range(2):
        response = await http.request("POST", f"http://127.0.0.1:{target.port}/x", body=b"hello")
        assert (response.status, response.body) == (200, b"POST hello None")
        assert response.headers["content-type"].startswith("text/plain")
    await http.close()
    await http.close()


async def test_a_redirect_is_returned_and_not_followed(target: Target) -> None:
    http = OutboundHttp(LOOPBACK)
    response = await http.request("GET", f"http://127.0.0.1:{target.port}/redirect")
    assert response.status == 302
    assert target.requests == ["/redirect"]
    await http.close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "https://127.0.0.1:{}/", "https://localhost:{}/", "https://2130706433:{}/"]
)
async def test_nothing_is_sent_to_an_address_that_is_not_allowed(target: Target, url: str) -> None:
    http = OutboundHttp(PUBLIC_ONLY)
    with pytest.raises(OutboundRefusedError):
        await http.request("GET", url.format(target.port))
    assert target.requests == []
    await http.close()


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]],
)
async def test_a_public_name_with_an_address_that_is_not_public_is_refused(
    target: Target, addresses: list[str]
) -> None:
    http = OutboundHttp(PUBLIC_ONLY, lambda: Answers(addresses))
    with pytest.raises(OutboundRefusedError, match=r"example\.com has an address that is not public"):
        await http.request("GET", f"https://example.com:{target.port}/")
    assert target.requests == []
    await http.close()


async def test_the_addresses_are_checked_again_for_each_connection(target: Target) -> None:
    rebinding = Answers(["127.0.0.1"], ["10.0.0.1"])
    http = OutboundHttp(OutboundRules(allows_loopback=True), lambda: rebinding)
    address = f"https://example.com:{target.port}/"
    with pytest.raises(OutboundFailedError, match=r"No response from example\.com"):
        await http.request("GET", address)  # the target does not speak TLS, so the connection is closed
    with pytest.raises(OutboundRefusedError):
        await http.request("GET", address)
    await http.close()


async def test_a_failure_names_the_host_and_not_the_rest_of_the_address(target: Target) -> None:
    http = OutboundHttp(LOOPBACK, lambda: Answers([]))
    for url in (f"http://127.0.0.1:{target.port}/cut?token=secret", "https://example.com/secret"):
        with pytest.raises(OutboundFailedError) as failure:
            await http.request("GET", url)
        assert "secret" not in str(failure.value)
    await http.close()


async def test_a_response_that_is_too_large_is_not_read(target: Target) -> None:
    http = OutboundHttp(LOOPBACK)
    address = f"http://127.0.0.1:{target.port}/large"
    assert len((await http.request("GET", address, max_bytes=1000)).body) == 1000
    with pytest.raises(OutboundFailedError, match="more than 999 bytes"):
        await http.request("GET", address, max_bytes=999)
    await http.close()


async def test_a_request_without_a_response_in_time_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = OutboundHttp(LOOPBACK)
        with pytest.raises(OutboundFailedError, match="TimeoutError"):
            await http.request("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.05)
        await http.close()


async def test_a_request_may_begin_outside_of_a_task(target: Target) -> None:
    http, begun = OutboundHttp(LOOPBACK), asyncio.get_running_loop().create_future()
    request = http.request("GET", f"http://127.0.0.1:{target.port}/")
    asyncio.get_running_loop().call_soon(lambda: begun.set_result(request.send(None)))
    await asyncio.wait([await begun])
    with pytest.raises(StopIteration) as done:
        request.send(None)
    assert done.value.value.status == 200
    await http.close()


async def test_a_request_that_is_cancelled_is_given_up(target: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = OutboundHttp(LOOPBACK)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.request("GET", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert [task.get_name() for task in asyncio.all_tasks() if task.get_name() == "outbound request"] == []
        await http.close()
