"""Live connections as a client sees them, with what a client's library would hide: pings, comments, codes, heads."""

import asyncio
import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, ClassVar

import aiohttp
from aiohttp import WSMsgType

from conformance.checks import Violation, expect
from conformance.target import Message, Target, User

SUBPROTOCOL = "inbox.v1"


class Ended(OSError):  # noqa: N818 - an event, not an error
    """The server ended the connection. `code` is that of its close frame; None without one."""

    def __init__(self, code: int | None):
        super().__init__(f"the connection ended with code {code}" if code else "the connection ended")
        self.code = code


class Peer(ABC):
    """An open connection."""

    transport: ClassVar[str]

    def __init__(self, target: Target):
        self.target = target
        self.heartbeats: list[float] = []
        """When a ping or a comment arrived, in monotonic seconds."""

    @abstractmethod
    async def _receive(self) -> Message:
        """Return the next message. Raise Ended."""

    async def next(self, *types: str) -> Message:
        """Return the next message, which must have one of these types. Raise Violation or Ended."""
        wanted = " or ".join(f"`{each}`" for each in types) or "a message"
        try:
            async with asyncio.timeout(self.target.patience_seconds):
                message = await self._receive()
        except TimeoutError:
            raise Violation(wanted, f"nothing for {self.target.patience_seconds:.0f} s") from None
        except Ended as end:
            raise Violation(wanted, end) from None
        expect(not types or message.get("type") in types, wanted, json.dumps(message)[:300])
        return message

    async def events(self, count: int) -> list[Message]:
        """Return the next messages, so many, which must be events."""
        return [await self.next("event") for _ in range(count)]

    async def until_goodbye(self) -> tuple[list[Message], Message]:
        """Return the messages up to the goodbye, and the goodbye."""
        found: list[Message] = []
        while (message := await self.next())["type"] != "goodbye":
            found.append(message)
        return found, message

    async def end(self) -> int | None:
        """Wait for the end, before which no message may come. Return the code of the close frame."""
        try:
            async with asyncio.timeout(self.target.patience_seconds):
                message = await self._receive()
        except Ended as end:
            return end.code
        except TimeoutError:
            raise Violation("the end of the connection", "nothing") from None
        raise Violation("the end of the connection", json.dumps(message)[:300])


class WebSocketPeer(Peer):
    """An open WebSocket. It responds to pings unless `silent`."""

    transport = "websocket"

    def __init__(self, target: Target, connection: aiohttp.ClientWebSocketResponse):
        super().__init__(target)
        self.connection = connection
        self.silent = False

    async def _receive(self) -> Message:
        while True:
            received = await self.connection.receive()
            if received.type is WSMsgType.PING:
                self.heartbeats.append(time.monotonic())
                if not self.silent:
                    await self.connection.pong(received.data)
            elif received.type is WSMsgType.TEXT:
                return _object(received.data)
            elif received.type is WSMsgType.BINARY:
                raise Violation("text messages alone", "a binary message")
            elif received.type is not WSMsgType.PONG:
                raise Ended(self.connection.close_code)

    async def send(self, message: object) -> None:
        """Send a message as JSON, or a text as it is."""
        await self.connection.send_str(message if isinstance(message, str) else json.dumps(message))


class StreamPeer(Peer):
    """An open event stream. `record` has the fields of the last record besides its data."""

    transport = "stream"

    def __init__(self, target: Target, response: aiohttp.ClientResponse):
        super().__init__(target)
        self.response = response
        self.record: dict[str, str] = {}

    async def _receive(self) -> Message:
        fields: dict[str, str] = {}
        while line := await self.response.content.readline():
            text = line.decode().rstrip("\r\n")
            if text.startswith(":"):
                self.heartbeats.append(time.monotonic())
            elif text:
                name, _, value = text.partition(":")
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            elif "data" in fields:
                message = _object(fields.pop("data"))
                self.record = fields
                return message
        raise Ended(None)


def _object(text: str) -> Message:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise Violation("a JSON object with a `type`", text[:300])
    return found


@contextlib.asynccontextmanager
async def websocket(
    target: Target,
    user: User | None = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    protocols: tuple[str, ...] = (),
) -> AsyncIterator[WebSocketPeer]:
    """Open a WebSocket, with a user's credentials in its headers if one is given. Raise Violation if it is refused."""
    try:
        connection = await target.http.ws_connect(
            target.address("/realtime/ws"),
            params=dict(query or {}),
            headers={**(user.headers if user else {}), **(headers or {})},
            protocols=protocols,
            autoping=False,
            max_msg_size=0,
        )
    except aiohttp.WSServerHandshakeError as refused:
        raise Violation("a WebSocket that opens", f"status {refused.status}") from None
    try:
        yield WebSocketPeer(target, connection)
    finally:
        connection._response.close()  # a close handshake would wait for a peer that may be gone


@contextlib.asynccontextmanager
async def request(
    target: Target,
    path: str,
    user: User | None = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send a GET request, with a user's credentials in its headers if one is given."""
    everything = {**(user.headers if user else {}), **(headers or {})}
    async with target.http.get(target.address(path), params=dict(query or {}), headers=everything) as response:
        try:
            yield response
        finally:
            response.close()


@contextlib.asynccontextmanager
async def stream(target: Target, user: User | None = None, **options: Any) -> AsyncIterator[StreamPeer]:
    """Open an event stream. Raise Violation if it is refused."""
    async with request(target, "/realtime/sse", user, **options) as response:
        if response.status != 200:
            raise Violation("an event stream", f"status {response.status}: {(await response.text())[:200]}")
        yield StreamPeer(target, response)


async def poll(target: Target, user: User, since: str = "", wait: int = 0, **query: str) -> Message:
    """Request events by long polling, and return the page. Raise Violation if it is refused."""
    query = {"wait": str(wait), **({"since": since} if since else {}), **query}
    async with request(target, "/realtime/events", user, query=query) as response:
        expect(response.status == 200, "a page of events", f"status {response.status}")
        page: Message = await response.json()
        return page


OPENERS: Mapping[str, Callable[..., contextlib.AbstractAsyncContextManager[Peer]]] = {
    "websocket": websocket,
    "stream": stream,
}
"""The transports whose connections stay open."""
