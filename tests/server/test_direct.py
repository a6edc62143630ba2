"""The cycle of a request that the ingress runs itself: one response, in one write."""

import asyncio
from typing import Any, cast

from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest, Known
from gateway.server.coalesced_writes import CoalescedWrites
from gateway.server.direct import DefaultHead, DirectCycle
from tests.server.test_uvicorn_internals import Transport

HEAD = b"date: today\r\n"


class Flow:
    """A flow control that the test pauses."""

    def __init__(self) -> None:
        self.write_paused = False
        self.resumed = asyncio.Event()

    async def drain(self) -> None:
        """Wait until the test resumes."""
        await self.resumed.wait()


class Cycle:
    """A cycle on a transport that keeps what is written."""

    def __init__(self, body: bytes = b"", *, keep_alive: bool = True):
        self.transport, self.flow = Transport(), Flow()
        self.responses = 0
        self.output = CoalescedWrites(self.transport, self.transport.close)
        request = ApiRequest("POST", "/", b"", {}, [], {}, lambda: "", "r1", Known(), body)
        self.cycle = DirectCycle(request, HEAD, self.output, self.flow, self._responded, keep_alive=keep_alive)

    def _responded(self) -> None:
        self.responses += 1

    async def run(self, respond: Any) -> bytes:
        """Run an endpoint, and return what was written."""
        await self.cycle.run(cast(Endpoint, respond))
        return self.transport.written


async def created(request: ApiRequest) -> Response:
    """Return a response with the body of the request."""
    return Response(request.body, 201, {"X-Name": "value"})


async def test_the_response_has_the_default_lines_its_own_and_the_body() -> None:
    cycle = Cycle(b"content")
    written = await cycle.run(created)
    own = b"x-request-id: r1\r\nx-name: value\r\ncontent-length: 7\r\n"
    assert written == b"HTTP/1.1 201 Created\r\n" + HEAD + own + b"\r\ncontent"
    assert (cycle.responses, cycle.transport.closed) == (1, False)


async def test_the_last_response_of_a_connection_announces_and_closes_it() -> None:
    cycle = Cycle(keep_alive=False)
    assert b"\r\nconnection: close\r\n" in await cycle.run(created)
    assert cycle.transport.closed


async def test_a_response_may_close_the_connection() -> None:
    async def closing(request: ApiRequest) -> Response:
        return Response(status_code=408, headers={"Connection": "close"})

    cycle = Cycle()
    assert (await cycle.run(closing)).count(b"connection: close\r\n") == 1
    assert cycle.transport.closed


async def test_a_shutdown_meanwhile_makes_the_response_the_last_one() -> None:
    cycle = Cycle()

    async def slow(request: ApiRequest) -> Response:
        cycle.cycle.keep_alive = False
        return await created(request)

    assert b"connection: close" in await cycle.run(slow)


async def test_nothing_is_written_to_a_client_that_has_disconnected() -> None:
    cycle = Cycle()

    async def slow(request: ApiRequest) -> Response:
        cycle.cycle.connection_lost()
        return await created(request)

    assert await cycle.run(slow) == b""
    assert cycle.responses == 0


async def test_a_response_waits_for_a_client_that_has_yet_to_read_others() -> None:
    cycle = Cycle()
    cycle.flow.write_paused = True
    running = asyncio.create_task(cycle.run(created))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert cycle.transport.written == b""
    cycle.flow.resumed.set()
    assert (await running).startswith(b"HTTP/1.1 201")


async def test_a_request_that_is_cancelled_at_the_end_of_the_server_gets_500_and_closes() -> None:
    async def forever(request: ApiRequest) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    cycle = Cycle()
    running = asyncio.create_task(cycle.run(forever))
    await asyncio.sleep(0)
    running.cancel()
    assert (await running).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert cycle.transport.closed


def test_the_default_lines_are_formatted_again_when_their_headers_are_replaced() -> None:
    head, headers = DefaultHead(), [(b"date", b"today")]
    assert head.lines(headers) == b"date: today\r\n"
    assert head.lines(headers) is head.lines(headers)
    assert head.lines([(b"date", b"tomorrow")]) == b"date: tomorrow\r\n"
