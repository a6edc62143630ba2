"""A server that breaks rules on purpose: a proxy in front of a gateway, which changes what passes through."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import WSMsgType, web

from conformance.target import Message, moved

Fault = Callable[[Message], list[Message]]
"""Returns what the client gets in place of a message of the gateway."""


def lost_events(message: Message) -> list[Message]:
    """Leave out each second event."""
    return [] if message["type"] == "event" and int(message["position"][-1]) % 2 else [message]


def repeated_events(message: Message) -> list[Message]:
    """Send each event twice."""
    return [message, message] if message["type"] == "event" else [message]


def old_counts(message: Message) -> list[Message]:
    """Send the counts of nobody."""
    return [message | {"unread_count": 77}] if "unread_count" in message else [message]


def no_resets(message: Message) -> list[Message]:
    """Leave out resets."""
    return [] if message["type"] == "reset" else [message]


def forgotten_positions(message: Message) -> list[Message]:
    """Answer a client that resumes with another position than its own."""
    return [message | {"position": moved(message["position"], 1)}] if message["type"] == "ready" else [message]


def always_again(message: Message) -> list[Message]:
    """Have clients come back after errors that will recur."""
    return [message | {"retry_after_ms": 0}] if message["type"] == "goodbye" else [message]


def mute(message: Message) -> list[Message]:
    """Answer no ping and no renewal."""
    return [] if message["type"] in ("pong", "renewed") else [message]


FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "lost events": (lost_events, {"4.2a", "5.1a"}),
    "repeated events": (repeated_events, {"4.2a", "5.1a"}),
    "old counts": (old_counts, {"4.3a", "4.3b"}),
    "no resets": (no_resets, {"5.3a", "5.3b", "5.3c"}),
    "forgotten positions": (forgotten_positions, {"5.1a", "5.1b", "5.2a"}),
    "always again": (always_again, {"8.2b"}),
    "mute": (mute, {"6.1a", "6.2a"}),
}
"""The faults, and the checks that must find each one."""


class WrongServer:
    """Forwards everything to a gateway, with a fault in the messages of WebSockets."""

    def __init__(self, url: str, fault: Fault, http: aiohttp.ClientSession):
        self._url = url
        self._fault = fault
        self._http = http

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Forward a WebSocket."""
        client = web.WebSocketResponse(autoping=False)
        await client.prepare(request)
        address = self._url + str(request.rel_url)
        async with self._http.ws_connect(address, headers=_passed(request), autoping=False) as gateway:
            forwarding = asyncio.create_task(_forward(client, gateway))
            async for received in gateway:
                if received.type is WSMsgType.PING:
                    await client.ping(received.data)
                elif received.type is WSMsgType.TEXT:
                    for message in self._fault(json.loads(received.data)):
                        await client.send_str(json.dumps(message))
            await client.close(code=gateway.close_code or 1000)
            forwarding.cancel()
        return client

    async def other(self, request: web.Request) -> web.StreamResponse:
        """Forward a request, and its response as it arrives."""
        address, body = self._url + str(request.rel_url), await request.read()
        async with self._http.request(request.method, address, headers=_passed(request), data=body) as found:
            kept = {name: value for name, value in found.headers.items() if name not in _OF_THE_CONNECTION}
            response = web.StreamResponse(status=found.status, headers=kept)
            await response.prepare(request)
            async for part in found.content.iter_any():
                await response.write(part)
            return response


_OF_THE_CONNECTION = ("Content-Length", "Transfer-Encoding", "Connection", "Content-Encoding")


def _passed(request: web.Request) -> dict[str, str]:
    names = ("Content-Type", "Last-Event-ID", "Authorization", "Origin")
    return {name: value for name, value in request.headers.items() if name in names or name.startswith("X-")}


async def _forward(client: web.WebSocketResponse, gateway: aiohttp.ClientWebSocketResponse) -> None:
    async for received in client:
        if received.type is WSMsgType.TEXT:
            await gateway.send_str(received.data)
        elif received.type is WSMsgType.PONG:
            await gateway.pong(received.data)


@contextlib.asynccontextmanager
async def wrong_server(url: str, fault: Fault) -> AsyncIterator[str]:
    """Yield the address of a server in front of a gateway, with a fault in its WebSockets."""
    async with aiohttp.ClientSession() as http:
        server, app = WrongServer(url, fault, http), web.Application()
        app.router.add_get("/realtime/ws", server.websocket)
        app.router.add_route("*", "/{path:.*}", server.other)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
