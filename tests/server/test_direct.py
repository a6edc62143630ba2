"""The cycle of a request that the ingress runs itself: one response, in one write."""

import asyncio
from typing import Any, cast

from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint
from gateway.api.core.requests import ApiRequest, Known
from gateway.runtime.driven import Arrival
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
        self.ends = 0
        self.output = CoalescedWrites(self.transport, self.transport.close)
        self.cycle: DirectCycle | None = None
        self._body, self._keep_alive = body, keep_alive

    def _ended(self, cycle: DirectCycle) -> None:
        assert cycle is self.cycle
        self.ends += 1

    def begin(self, respond: Any) -> bytes:
        """Run an endpoint until it waits, and return what was written."""
        request = ApiRequest("POST", "/", b"", {}, [], {}, lambda: "", "r1", Known(), self._body)
        self.cycle = DirectCycle(
            cast(Endpoint, respond), request, HEAD, self.output, self.flow, self._ended, keep_alive=self._keep_alive
        )
        self.cycle.advance()
        return self.transport.written

    async def rest(self) -> bytes:
        """Return what was written once the cycle is over."""
        async with asyncio.timeout(10):
            while not self.ends:
                await asyncio.sleep(0)
        return self.transport.written


async def created(request: ApiRequest) -> Response:
    """Return a response with the body of the request."""
    return Response(request.body, 201, {"X-Name": "value"})


async def test_the_response_has_the_default_lines_its_own_and_the_body() -> None:
    cycle = Cycle(b"content")
    written = cycle.begin(created)
    own = b"x-request-id: r1\r\nx-name: value\r\ncontent-length: 7\r\n"
    assert written == b"HTTP/1.1 201 Created\r\n" + HEAD + own + b"\r\ncontent"
    assert (cycle.ends, cycle.transport.closed) == (1, False)


async def test_the_last_response_of_a_connection_announces_and_closes_it() -> None:
    cycle = Cycle(keep_alive=False)
    assert b"\r\nconnection: close\r\n" in cycle.begin(created)
    assert cycle.transport.closed


async def test_a_response_may_close_the_connection() -> None:
    async def closing(request: ApiRequest) -> Response:
        return Response(status_code=408, headers={"Connection": "close"})

    cycle = Cycle()
    assert cycle.begin(closing).count(b"connection: close\r\n") == 1
    assert cycle.transport.closed


async def test_a_shutdown_meanwhile_makes_the_response_the_last_one() -> None:
    cycle = Cycle()

    async def slow(request: ApiRequest) -> Response:
        assert cycle.cycle is not None
        cycle.cycle.keep_alive = False
        return await created(request)

    assert b"connection: close" in cycle.begin(slow)


async def test_nothing_is_written_to_a_client_that_has_disconnected() -> None:
    cycle = Cycle()

    async def slow(request: ApiRequest) -> Response:
        assert cycle.cycle is not None
        cycle.cycle.connection_lost()
        return await created(request)

    assert cycle.begin(slow) == b""
    assert cycle.cycle is not None
    assert (cycle.ends, cycle.cycle.is_disconnected) == (1, True)


async def test_a_response_waits_for_a_client_that_has_yet_to_read_others() -> None:
    cycle = Cycle()
    cycle.flow.write_paused = True
    cycle.begin(created)
    await asyncio.sleep(0)
    assert cycle.transport.written == b""
    cycle.flow.resumed.set()
    assert (await cycle.rest()).startswith(b"HTTP/1.1 201")


async def test_a_response_is_written_as_soon_as_what_it_waits_for_has_come() -> None:
    arrival: Arrival[bytes] = Arrival()

    async def waiting(request: ApiRequest) -> Response:
        return Response(await arrival)

    cycle = Cycle()
    assert cycle.begin(waiting) == b""
    arrival.set_result(b"content")
    assert cycle.transport.written.endswith(b"\r\n\r\ncontent")


async def test_a_request_that_is_cancelled_at_the_end_of_the_server_gets_500_and_closes() -> None:
    async def forever(request: ApiRequest) -> Response:
        return Response(await Arrival[bytes]())

    cycle = Cycle()
    cycle.begin(forever)
    assert cycle.cycle is not None
    cycle.cycle.cancel()
    assert (await cycle.rest()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert cycle.transport.closed


def test_the_default_lines_are_formatted_again_when_their_headers_are_replaced() -> None:
    head, headers = DefaultHead(), [(b"date", b"today")]
    assert head.lines(headers) == b"date: today\r\n"
    assert head.lines(headers) is head.lines(headers)
    assert head.lines([(b"date", b"tomorrow")]) == b"date: tomorrow\r\n"
