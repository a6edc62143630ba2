"""An HTTP server on the loopback, which a stub of a provider builds on."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from aiohttp import web


class Received(NamedTuple):
    """A request. The names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


class Reply(NamedTuple):
    """A response. A body that is no text is sent as JSON."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = {}


class HttpStub:
    """A stub. Use it as an asynchronous context manager. `url` is its address, without a slash at the end.

    `requests` has what came, in order. Each entry of `faults` is the response to one request, in place of the right
    one; None cuts the connection instead. Responses wait for `released`, which is set at the beginning.
    """

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.faults: deque[Reply | None] = deque()
        self.url = ""
        self.released = asyncio.Event()
        self.released.set()

    def reply(self, request: Received) -> Reply:
        """Return the response of the provider to a request without faults."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        server = web.Server(self._handle)
        self._runner = web.ServerRunner(server, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    def reset_connections(self) -> int:
        """Reset all connections, as a middlebox does to idle ones. Return how many there were."""
        assert self._runner.server is not None
        transports = [each.transport for each in self._runner.server.connections if each.transport is not None]
        for each in transports:
            each.abort()
        return len(transports)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        names = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, names, await request.read())
        self.requests.append(received)
        reply = self.faults.popleft() if self.faults else self.reply(received)
        await self.released.wait()
        if reply is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if isinstance(reply.body, str):
            return web.Response(status=reply.status, text=reply.body, headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)
