"""Outbound requests reach public hosts only, whatever the DNS answers."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.domain.address import read_network
from gateway.domain.outbound import OPERATOR, PRIVATE_ADDRESS, PUBLIC_ONLY, OutboundRules
from gateway.domain.outbound_errors import NoAnswerError, NotSentError, OutboundFailedError, OutboundRefusedError
from gateway.runtime.outbound import ConnectionLimits, OutboundHttp
from tests.outbound import LOOPBACK
from tests.stubs.certificates import make_certificates


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
    with pytest.raises(OutboundRefusedError, match=f"^example.com {PRIVATE_ADDRESS}$"):
        await http.request("GET", f"https://example.com:{target.port}/")
    assert "INBOX_OUTBOUND_ALLOWED_NETWORKS" in PRIVATE_ADDRESS
    assert target.requests == []
    await http.close()


async def test_the_addresses_are_checked_again_for_each_connection(target: Target) -> None:
    rebinding = Answers(["127.0.0.1"], ["10.0.0.1"])
    http = OutboundHttp(LOOPBACK, lambda: rebinding)
    address = f"https://example.com:{target.port}/"
    with pytest.raises(OutboundFailedError, match=r"No connection to example\.com"):
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
        with pytest.raises(OutboundFailedError, match="no reply in time"):
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


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def plain_server(*scripts: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yield the port of a server in a thread, which runs a script for each connection, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for script in scripts:
                connection, _ = listening.accept()
                with connection:
                    script(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(10)
    assert not thread.is_alive()


def answered(connection: socket.socket) -> None:
    """Answer one request."""
    assert connection.recv(65536)
    connection.sendall(OK)


def cut_after_the_request(connection: socket.socket) -> None:
    """Close the connection when a request has arrived."""
    assert connection.recv(65536)


def cut_in_the_answer(connection: socket.socket) -> None:
    """Close the connection in the middle of an answer."""
    assert connection.recv(65536)
    connection.sendall(OK[:-1])


def nonsense(connection: socket.socket) -> None:
    """Answer with what is not HTTP."""
    assert connection.recv(65536)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


@pytest.mark.parametrize("script", [cut_after_the_request, cut_in_the_answer, nonsense])
async def test_a_request_that_was_sent_and_not_answered_may_have_been_processed(
    script: Callable[[socket.socket], None],
) -> None:
    http = OutboundHttp(LOOPBACK)
    with plain_server(script) as port, pytest.raises(NoAnswerError):
        await http.request("POST", f"http://127.0.0.1:{port}/", body=b"x")
    await http.close()


async def test_a_request_without_a_connection_was_not_sent(tmp_path: Path) -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    http = OutboundHttp(LOOPBACK, lambda: Answers([]))
    for url in (f"http://127.0.0.1:{port}/", "https://no-such-name.example/"):
        with pytest.raises(NotSentError):
            await http.request("POST", url, body=b"x")
    await http.close()


async def test_a_server_with_an_unknown_certificate_gets_nothing_and_one_of_a_known_authority_does(
    target: Target, tmp_path: Path
) -> None:
    certificates = make_certificates(tmp_path)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", target.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context()).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    strict, trusting = OutboundHttp(OPERATOR), OutboundHttp(OPERATOR, ca_file=certificates.authority)
    with pytest.raises(NotSentError, match="its certificate is not valid"):
        await strict.request("POST", url, body=b"x")
    assert target.requests == []
    assert (await trusting.request("POST", url, body=b"x")).status == 200
    await strict.close()
    await trusting.close()
    await runner.cleanup()


async def test_a_time_limit_tells_whether_the_request_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        http = OutboundHttp(LOOPBACK, limits=ConnectionLimits(total=10, per_host=1))
        requests = [asyncio.create_task(http.request("POST", url, body=b"x", seconds=limit)) for limit in (0.3, 0.05)]
        sent, waiting = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(sent, NoAnswerError)
        assert isinstance(waiting, NotSentError)  # the only connection is in use
        await http.close()


async def test_a_time_limit_during_the_tls_handshake_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = OutboundHttp(LOOPBACK)
        with pytest.raises(NotSentError):
            await http.request("POST", f"https://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.05)
        await http.close()


async def test_a_request_does_not_leave_on_an_idle_connection_that_the_server_has_closed() -> None:
    http = OutboundHttp(LOOPBACK)
    answer_read, closed = threading.Event(), threading.Event()

    def answered_and_closed(connection: socket.socket) -> None:
        answered(connection)
        assert answer_read.wait(60)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        closed.set()

    with plain_server(answered_and_closed, answered) as port:
        await http.request("POST", f"http://127.0.0.1:{port}/", body=b"x")
        answer_read.set()
        assert closed.wait(60)  # the event loop does not run meanwhile, so it does not know yet
        assert (await http.request("POST", f"http://127.0.0.1:{port}/", body=b"x")).body == b"ok"
    await http.close()


async def test_a_name_leads_to_an_allowed_network_and_no_further() -> None:
    rules = OutboundRules(allowed_networks=(read_network("127.0.0.0/8"),))
    answers = Answers(["127.0.0.1"], ["127.0.0.1", "10.0.0.1"])
    http = OutboundHttp(rules, lambda: answers)
    with plain_server(answered) as port:
        assert (await http.request("POST", f"http://stub.internal:{port}/", body=b"x")).status == 200
        await http.close()
        with pytest.raises(OutboundRefusedError):
            await http.request("POST", f"http://stub.internal:{port}/", body=b"x")
    await http.close()
