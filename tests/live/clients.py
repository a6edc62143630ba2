"""Real clients of live connections: a WebSocket, an event stream, and a raw socket for bytes that no library sends."""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

import httpx
import jwt
from httpx_sse import EventSource, ServerSentEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from loadtest.check.replica import Replica as Replica
from tests.servers import ADMIN, API_KEY, API_SECRET, Gateway, user_headers, user_hmac

Message = dict[str, Any]

PATIENCE_SECONDS = 50.0
"""The time limit for what must happen. Shared machines pause now and then."""

TRANSPORTS = ("websocket", "sse")

_TIMEOUT = httpx.Timeout(PATIENCE_SECONDS, read=None)
_TLS = ssl.create_default_context()  # unused, but otherwise httpx loads certificates for every client, in 20 ms


class Ended(Exception):  # noqa: N818 - an event, not an error
    """The server ended the connection."""


# ---- credentials


def user_token(user: str, seconds: int = 60, secret: str = API_SECRET, **claims: Any) -> str:
    """Sign a user token independently of the code under test; `seconds` may be negative."""
    claims = {"api_key": API_KEY, "user_external_id": user, "exp": int(time.time()) + seconds, **claims}
    return jwt.encode(claims, secret, algorithm="HS256")


def user_query(user: str) -> dict[str, str]:
    """Return the query with a user's credentials, which EventSource cannot send as headers."""
    return {"api_key": API_KEY, "user_external_id": user, "user_hmac": user_hmac(user)}


def auth_message(user: str, **fields: str) -> Message:
    """Return the first message of a WebSocket whose opening request had no credentials."""
    return {"type": "auth", **user_query(user), **fields}


# ---- the REST side


async def send(http: httpx.AsyncClient, user: str, **fields: Any) -> str:
    """Send a notification to a user, and return its id."""
    notification = {"title": "Hello", **fields, "recipients": [{"external_id": user}]}
    response = await http.post("/notifications", headers=ADMIN, json={"notification": notification})
    assert response.status_code == 201, response.text
    return str(response.json()["notification"]["id"])


async def command(http: httpx.AsyncClient, user: str, method: str, path: str, client_id: str | None = None) -> None:
    """Send a command by REST, such as `POST`, `/notifications/…/read`."""
    response = await http.request(method, path, headers=user_headers(user, client_id))
    assert response.status_code == 204, response.text


async def listing(http: httpx.AsyncClient, user: str, **query: str) -> httpx.Response:
    """List a user's notifications."""
    response = await http.get("/notifications", headers=user_headers(user), params=query)
    assert response.status_code == 200, response.text
    return response


async def items(http: httpx.AsyncClient, user: str) -> list[Message]:
    """Return all items of a user's inbox, newest first."""
    found: list[Message] = []
    while True:
        page = (await listing(http, user, per_page="100", page=str(len(found) // 100 + 1))).json()
        found += page["notifications"]
        if len(found) >= page["total"]:
            return found


async def position(http: httpx.AsyncClient, user: str) -> str:
    """Return the position of a user's log."""
    return str((await listing(http, user, per_page="1")).headers["X-Inbox-Position"])


async def assert_counts_are_true(http: httpx.AsyncClient, user: str, message: Message) -> None:
    """Compare the counts of the newest event, or of `ready`, with those of the REST API."""
    everything = (await listing(http, user)).json()
    unarchived = (await listing(http, user, archived="false")).json()
    names = ("unread_count", "unseen_count")
    assert {name: message[name] for name in names} == {name: everything[name] for name in names}
    assert message["unarchived"] == {name: unarchived[name] for name in names}


def offset(position: str) -> int:
    """Return the offset of a position."""
    return int(position.rpartition(".")[2])


def epoch(position: str) -> str:
    """Return the epoch of a position."""
    return position.rpartition(".")[0]


def at_offset(position: str, offset: int) -> str:
    """Return the position of the same log at another offset."""
    return f"{epoch(position)}.{offset}"


def offsets(messages: Iterable[Message]) -> list[int]:
    """Return the offsets of events."""
    return [offset(message["position"]) for message in messages]


# ---- the live side


class LiveClient(ABC):
    """An open inbox over either transport."""

    transport: ClassVar[str]

    def __init__(self) -> None:
        self.ready: Message = {}
        self.texts: list[str] = []
        """The text of every message so far."""

    @abstractmethod
    async def _next_text(self) -> str:
        """Read the next message's text. Raise Ended."""

    @property
    def position(self) -> str:
        """The position of `ready`."""
        return str(self.ready["position"])

    async def next(self) -> Message:
        """Read the next message. Raise Ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            text = await self._next_text()
        self.texts.append(text)
        return cast(Message, json.loads(text))

    async def events(self, count: int) -> list[Message]:
        """Read this many messages, all of which must be events."""
        found = [await self.next() for _ in range(count)]
        assert [message["type"] for message in found] == ["event"] * count
        return found

    async def event(self) -> Message:
        """Read one message, which must be an event."""
        return (await self.events(1))[0]

    async def read_to_end(self) -> list[Message]:
        """Read until the server ends the connection."""
        found: list[Message] = []
        with contextlib.suppress(Ended):
            while True:
                found.append(await self.next())
        return found


class WebSocketClient(LiveClient):
    """An open inbox over WebSocket."""

    transport = "websocket"

    def __init__(self, connection: ClientConnection):
        super().__init__()
        self.connection = connection

    async def _next_text(self) -> str:
        try:
            text = await self.connection.recv()
        except ConnectionClosed as closed:
            raise Ended from closed
        assert isinstance(text, str), "messages are text, never binary"
        return text

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send one message."""
        await self.connection.send(json.dumps(message))

    async def request(self, message: Mapping[str, Any]) -> Message:
        """Send one message and return the next one that arrives."""
        await self.send(message)
        return await self.next()

    @property
    def close_code(self) -> int | None:
        """The close code of the server."""
        return self.connection.close_code


class SseClient(LiveClient):
    """An open inbox over server-sent events."""

    transport = "sse"

    def __init__(self, response: httpx.Response):
        super().__init__()
        self.response = response
        self.records: list[ServerSentEvent] = []
        self.stream = EventSource(response).aiter_sse()

    async def _next_text(self) -> str:
        try:
            record = await anext(self.stream)
        except (StopAsyncIteration, httpx.TransportError) as end:
            raise Ended from end
        self.records.append(record)
        return record.data


@contextlib.asynccontextmanager
async def open_websocket(
    gateway: Gateway,
    user: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    since: str | None = None,
    subprotocols: list[str] | None = None,
) -> AsyncIterator[WebSocketClient]:
    """Open a WebSocket, with credentials in its headers if a user is given. Nothing is read yet."""
    fields = {**(query or {}), **({"since": since} if since is not None else {})}
    url = gateway.websocket_url + (f"?{urlencode(fields)}" if fields else "")
    async with connect(
        url,
        additional_headers={**(user_headers(user) if user else {}), **(headers or {})},
        subprotocols=[Subprotocol(name) for name in subprotocols] if subprotocols else None,
        ping_interval=None,
        open_timeout=PATIENCE_SECONDS,
        close_timeout=1,
        max_size=None,
        compression=None,
    ) as connection:
        yield WebSocketClient(connection)


@contextlib.asynccontextmanager
async def request_sse(
    gateway: Gateway,
    user: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    since: str | None = None,
) -> AsyncIterator[httpx.Response]:
    """Request an event stream, with credentials in its headers if a user is given. Only the head is read."""
    fields = {**(query or {}), **({"since": since} if since is not None else {})}
    async with (
        httpx.AsyncClient(base_url=gateway.url, timeout=_TIMEOUT, verify=_TLS) as http,
        http.stream(
            "GET",
            "/realtime/sse",
            params=fields,
            headers={"Accept": "text/event-stream", **(user_headers(user) if user else {}), **(headers or {})},
        ) as response,
    ):
        yield response


@contextlib.asynccontextmanager
async def open_sse(gateway: Gateway, user: str | None = None, **options: Any) -> AsyncIterator[SseClient]:
    """Open an event stream; options as for `request_sse`. Nothing is read yet."""
    async with request_sse(gateway, user, **options) as response:
        assert response.status_code == 200, (response.status_code, await response.aread())
        client = SseClient(response)
        async with contextlib.aclosing(client.stream):
            yield client


@contextlib.asynccontextmanager
async def open_inbox(
    transport: str, gateway: Gateway, user: str | None = None, **options: Any
) -> AsyncIterator[LiveClient]:
    """Open an inbox over `websocket` or `sse` and read `ready`. Raise Ended if another message arrives."""
    opened: contextlib.AbstractAsyncContextManager[LiveClient]
    opened = (
        open_websocket(gateway, user, **options) if transport == "websocket" else open_sse(gateway, user, **options)
    )
    async with opened as client:
        first = await client.next()
        if first["type"] != "ready":
            raise Ended(first)
        client.ready = first
        yield client


# ---- a client that reconnects


@dataclass
class ResumingInbox:
    """A client that reconnects with its last position whenever its connection ends, as the browser client does.

    `run` must be running. It fails on a `reset`, and on an event that does not follow the last one.
    """

    transport: str
    gateway: Gateway
    user: str
    position: str = ""
    events: list[Message] = field(default_factory=list)
    connections: int = 0
    goodbyes: list[Message] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            with contextlib.suppress(Ended, OSError, httpx.TransportError, InvalidHandshake, TimeoutError):
                async with open_inbox(self.transport, self.gateway, self.user, since=self.position or None) as client:
                    await self._receive_events(client)
            await asyncio.sleep(0.05)  # a back-off, for a gateway that is down

    async def _receive_events(self, client: LiveClient) -> None:
        if not self.position:
            self.position = client.position
        assert client.position == self.position, "the stream continues directly after the last position"
        self.connections += 1
        while True:
            async with self.changed:
                self.changed.notify_all()
            text = await client._next_text()
            message = json.loads(text)
            if message["type"] == "goodbye":
                self.goodbyes.append(message)
                continue
            assert message["type"] == "event", message
            assert message["position"] == at_offset(self.position, offset(self.position) + 1)
            self.events.append(message)
            self.position = message["position"]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until `condition()` is true. It is evaluated after each message."""
        async with asyncio.timeout(2 * PATIENCE_SECONDS), self.changed:
            await self.changed.wait_for(condition)

    async def connected(self) -> None:
        """Wait until there is a position."""
        await self.until(lambda: self.position)

    async def receive(self, count: int) -> None:
        """Wait until this many more events have arrived."""
        wanted = len(self.events) + count
        await self.until(lambda: len(self.events) >= wanted)

    async def caught_up(self, position: str) -> None:
        """Wait until this position is reached."""
        await self.until(lambda: self.position == position)


@contextlib.asynccontextmanager
async def resuming(*inboxes: ResumingInbox) -> AsyncIterator[None]:
    """Run clients for a block, which begins when each of them has a position."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(inbox.run(), name=f"resuming-{inbox.transport}") for inbox in inboxes]
        for inbox in inboxes:
            await inbox.connected()
        yield
        for task in running:
            task.cancel()


# ---- a peer that does nothing by itself


class RawWebSocket:
    """A WebSocket peer that reads only when a test reads, and responds to nothing."""

    def __init__(self, sock: socket.socket, url: str):
        self._sock = sock
        self._protocol = ClientProtocol(parse_uri(url), max_size=None)
        self._frames: list[Frame] = []
        self._ended = False

    async def shake_hands(self, headers: Mapping[str, str]) -> None:
        """Send the opening request; `frame` reads the response."""
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        await self.send_bytes(b"".join(self._protocol.data_to_send()))

    async def close_code(self) -> int:
        """Read the next frame, which must be a close, and return its code. Raise Ended."""
        frame = await self.frame()
        assert frame.opcode is Opcode.CLOSE, frame
        return Close.parse(bytes(frame.data)).code

    async def send(self, opcode: Opcode, data: bytes, fin: bool = True) -> None:
        """Send one frame, valid or not."""
        await self.send_bytes(Frame(opcode, data, fin).serialize(mask=True))

    async def send_bytes(self, data: bytes) -> None:
        """Send bytes."""
        await asyncio.get_running_loop().sock_sendall(self._sock, data)

    def reset(self) -> None:
        """Make the connection end with a TCP reset when its block ends."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def frame(self) -> Frame:
        """Read the next frame. Raise Ended when the server has ended the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._frames:
                if self._ended:
                    raise Ended
                await self._read()
        return self._frames.pop(0)

    async def message(self) -> Message:
        """Read frames up to the next text, and return its message. Raise Ended."""
        while True:
            frame = await self.frame()
            if frame.opcode is Opcode.TEXT:
                return cast(Message, json.loads(bytes(frame.data)))

    async def until_goodbye(self) -> list[Message]:
        """Read every text up to the goodbye. Raise Ended if there is none."""
        found = [await self.message()]
        while found[-1]["type"] != "goodbye":
            found.append(await self.message())
        return found

    async def _read(self) -> None:
        try:
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
        except ConnectionResetError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._ended = True
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                assert event.status_code == 101, event
            elif isinstance(event, Frame):
                self._frames.append(event)


@contextlib.asynccontextmanager
async def raw_socket(gateway: Gateway, receive_buffer_bytes: int | None = None) -> AsyncIterator[socket.socket]:
    """Connect a socket, by default with the system's buffers."""
    with socket.socket() as sock:
        sock.setblocking(False)
        if receive_buffer_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", gateway.port))
        yield sock


@contextlib.asynccontextmanager
async def open_raw_websocket(
    gateway: Gateway, user: str, receive_buffer_bytes: int | None = None
) -> AsyncIterator[RawWebSocket]:
    """Open a WebSocket that responds to nothing. Nothing is read yet."""
    async with raw_socket(gateway, receive_buffer_bytes) as sock:
        websocket = RawWebSocket(sock, gateway.websocket_url)
        await websocket.shake_hands(user_headers(user))
        yield websocket


async def send_request(
    sock: socket.socket, path: str, headers: Mapping[str, str], times: int = 1, version: str = "1.1"
) -> None:
    """Send a GET request as bytes, or several in one packet."""
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    await asyncio.get_running_loop().sock_sendall(sock, ("\r\n".join(lines) + "\r\n\r\n").encode() * times)


async def receive_until(sock: socket.socket, end: bytes) -> bytes:
    """Read until the bytes so far contain `end`, or the connection ends."""
    received = bytearray()
    searched = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while received.find(end, searched) < 0:
            searched = max(0, len(received) - len(end) + 1)  # not all of it again: it may be many megabytes
            with contextlib.suppress(ConnectionResetError):
                if data := await asyncio.get_running_loop().sock_recv(sock, 65536):
                    received += data
                    continue
            break
    return bytes(received)
