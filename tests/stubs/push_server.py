"""An HTTP server on the loopback, which the stubs of FCM and Expo are."""

import asyncio
from collections import deque
from typing import Any, NamedTuple, Self

from aiohttp import web


class Reply(NamedTuple):
    """A response in JSON, or a text. `hangs`: it never comes. `cuts`: the connection is cut instead."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}  # noqa: RUF012 - it is never changed
    hangs: bool = False
    cuts: bool = False


class PushServer:
    """A server. Use it as an asynchronous context manager. `faults` are replies in place of the next right ones."""

    def __init__(self) -> None:
        self.faults: deque[Reply] = deque()
        self.port = 0

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"http://127.0.0.1:{self.port}"

    def reply(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        """Return the reply to a POST. The names of headers are in lower case."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if request.method != "POST":
            return web.Response(status=405)
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = self.faults.popleft() if self.faults else self.reply(request.path, headers, body)
        assert request.transport is not None
        if reply.cuts:
            request.transport.abort()
        if reply.hangs or reply.cuts:
            await request.content.wait_eof()
            while not request.transport.is_closing():
                await asyncio.sleep(0.01)
        if isinstance(reply.body, str):
            return web.Response(status=reply.status, text=reply.body, headers=reply.headers)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)
