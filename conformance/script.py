"""A server with one user and a script: it does what a check says, and records what the client does.

It has the endpoints that a client needs: `/realtime/ws`, `/realtime/sse` and `GET /notifications`. Unless a check says
otherwise, it does what a server of the protocol does: it resumes, resets, pings, and answers pings. Everything else is
404, and every page may call it.
"""

import asyncio
import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar
from uuid import uuid4

from aiohttp import WSMsgType, web

from conformance.checks import Violation, expect
from conformance.peers import SUBPROTOCOL
from conformance.target import Message, moved, offset

HEARTBEAT_SECONDS = 1.0

ANYBODY = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*, Authorization, Content-Type, Last-Event-ID",
    "Access-Control-Allow-Methods": "*",
    "Access-Control-Expose-Headers": "*",
}


class Connection(ABC):
    """A connection of the client, which has its credentials and its position."""

    transport: ClassVar[str]

    def __init__(self, script: "Script", since: str):
        self.script = script
        self.since = since
        self.silent = False
        self.pongs = 0
        self.over = asyncio.Event()

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send a message."""

    @abstractmethod
    async def heartbeat(self) -> None:
        """Send the transport's heartbeat."""

    @abstractmethod
    async def goodbye(self, code: int, reason: str, retry_after_ms: int | None) -> None:
        """Send a goodbye and end the connection."""

    @abstractmethod
    def cut(self) -> None:
        """End the TCP connection, after what was sent, without a goodbye or a close frame."""

    async def event(self, steps: int = 1, name: str = "notifications/new", **fields: object) -> str:
        """Append an event to the log, so many offsets later, send it, and return its position."""
        event = self.script.new_event(steps, name) | fields
        await self.send(event)
        return str(event["position"])

    async def closed(self) -> None:
        """Wait until the client has ended the connection. Raise Violation if it does not."""
        try:
            async with asyncio.timeout(self.script.seconds):
                await self.over.wait()
        except TimeoutError:
            raise Violation("that the client ends the connection", "nothing") from None


class WebSocketConnection(Connection):
    """An open WebSocket."""

    transport = "websocket"

    def __init__(self, script: "Script", since: str, socket: web.WebSocketResponse, request: web.Request):
        super().__init__(script, since)
        self.socket = socket
        self.request = request

    async def send(self, message: Message) -> None:
        """Send a message as a text."""
        await self.socket.send_str(json.dumps(message))

    async def heartbeat(self) -> None:
        """Send a ping."""
        await self.socket.ping()

    async def goodbye(self, code: int, reason: str, retry_after_ms: int | None) -> None:
        """Send a goodbye and a close frame."""
        await self.send({"type": "goodbye", "code": code, "reason": reason, "retry_after_ms": retry_after_ms})
        await self.socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """End the TCP connection."""
        if self.request.transport is not None:
            self.request.transport.close()


class StreamConnection(Connection):
    """An open event stream."""

    transport = "stream"

    def __init__(self, script: "Script", since: str, response: web.StreamResponse, request: web.Request):
        super().__init__(script, since)
        self.response = response
        self.request = request

    async def send(self, message: Message) -> None:
        """Send a record."""
        lines = [f"event: {message.get('name', message['type'])}", f"data: {json.dumps(message)}"]
        if message["type"] in ("ready", "reset", "event"):
            lines.insert(0, f"id: {message['position']}")
        if message.get("retry_after_ms") is not None:
            lines.append(f"retry: {message['retry_after_ms']}")
        await self.response.write(("\n".join(lines) + "\n\n").encode())

    async def heartbeat(self) -> None:
        """Send a comment."""
        await self.response.write(b": heartbeat\n")

    async def goodbye(self, code: int, reason: str, retry_after_ms: int | None) -> None:
        """Send a goodbye and the end of the body."""
        await self.send({"type": "goodbye", "code": code, "reason": reason, "retry_after_ms": retry_after_ms})
        await self.response.write_eof()
        self.over.set()

    def cut(self) -> None:
        """End the TCP connection within the body."""
        if self.request.transport is not None:
            self.request.transport.close()


T = TypeVar("T")


@dataclass
class Script:
    """The log of the one user, the connections of the client, and what it did."""

    seconds: float
    """The time that the client has for what it must do."""
    url: str = ""
    position: str = field(default_factory=lambda: f"{uuid4().hex[:8]}.0")
    events: list[Message] = field(default_factory=list)
    current: Connection | None = None
    attempts: list[float] = field(default_factory=list)
    """When the client tried to connect, in monotonic seconds."""
    listings: list[float] = field(default_factory=list)
    """When it fetched its list."""
    refusing: int | None = None
    """The status of the responses to the next attempts, None to accept them."""
    breaks_before_reset: bool = False
    """Whether a connection that needs a reset ends after `ready`."""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    # ---- the log

    def new_event(self, steps: int = 1, name: str = "notifications/new") -> Message:
        """Append an event to the log and return it."""
        self.position = moved(self.position, steps)
        notification = {"id": str(uuid4()), "title": f"Event {offset(self.position)}", "sent_at": int(time.time())}
        data = {"id": notification["id"], "notification": {**notification, "seen_at": None, "read_at": None}}
        self.events.append({"type": "event", "position": self.position, "name": name, "data": data, **self.counts})
        return self.events[-1]

    def begin_anew(self) -> None:
        """Lose the log: the next position has another epoch."""
        self.position = f"{uuid4().hex[:8]}.3"
        self.events = []

    @property
    def counts(self) -> Message:
        """The counts of now."""
        count = len(self.events)
        counts = {"unread_count": count, "unseen_count": count}
        return {**counts, "unarchived": counts}

    def after(self, since: str) -> list[Message] | None:
        """Return the events after a position, None if they cannot be replayed."""
        places = [event["position"] for event in self.events]
        if since == self.position:
            return []
        if since in places:
            return self.events[places.index(since) + 1 :]
        first = moved(places[0], -1) if places else ""
        return list(self.events) if since == first else None

    # ---- what checks wait for

    async def connection(self) -> Connection:
        """Return the open connection of the client, or wait for its next one. Raise Violation if none comes."""
        return await self._until(lambda: self.current, "that the client connects")

    async def attempt(self, count: int) -> float:
        """Wait until there were more attempts than `count`, and return when the next one was."""
        await self._until(lambda: len(self.attempts) > count, "that the client connects again")
        return self.attempts[count]

    async def listing(self, count: int) -> None:
        """Wait until the list was fetched more than `count` times."""
        await self._until(lambda: len(self.listings) > count, "that the client fetches GET /notifications")

    async def resumed(self, expected: str) -> Connection:
        """Wait for the next connection, which must resume from a position."""
        connection = await self.connection()
        since = connection.since or "no position"
        expect(connection.since == expected, f"that the client resumes from {expected}", since)
        return connection

    async def _until(self, found: "Callable[[], T | None]", expected: str) -> "T":
        try:
            async with asyncio.timeout(self.seconds), self._changed:
                await self._changed.wait_for(found)
        except TimeoutError:
            raise Violation(expected, f"nothing in {self.seconds:.0f} s") from None
        value = found()
        assert value is not None
        return value

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # ---- the endpoints

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        """Serve a WebSocket."""
        if (refused := await self._refused()) is not None:
            return refused
        socket = web.WebSocketResponse(autoping=False, protocols=(SUBPROTOCOL,), timeout=1)
        await socket.prepare(request)
        since = _since(request)
        if not _has_credentials(request):
            first = await socket.receive_json()
            since = str(first.get("since") or "") or since
        connection = WebSocketConnection(self, since, socket, request)
        async with self._serving(connection):
            async for received in socket:
                if received.type is WSMsgType.PONG:
                    connection.pongs += 1
                elif received.type is WSMsgType.PING and not connection.silent:
                    await socket.pong(received.data)
                elif received.type is WSMsgType.TEXT and not connection.silent:
                    await self._answer(connection, json.loads(received.data))
        return socket

    async def _answer(self, connection: Connection, message: Message) -> None:
        if message.get("type") == "ping":
            await connection.send({"type": "pong"})
        elif message.get("type") == "auth":
            await connection.send({"type": "renewed", "expires_at": None})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Serve an event stream."""
        if (refused := await self._refused()) is not None:
            return refused
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", **ANYBODY}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        connection = StreamConnection(self, _since(request), response, request)
        async with self._serving(connection):
            while not connection.over.is_set() and request.transport is not None and not request.transport.is_closing():
                await asyncio.sleep(0.05)
        return response

    async def notifications(self, _request: web.Request) -> web.Response:
        """List the notifications of the events."""
        self.listings.append(time.monotonic())
        found = [event["data"]["notification"] for event in reversed(self.events)]
        page = {"notifications": found, "total": len(found), "per_page": 100, "current_page": 1, **self.counts}
        await self._notify()
        return web.json_response(page, headers={"X-Inbox-Position": self.position, **ANYBODY})

    async def other(self, request: web.Request) -> web.Response:
        """Answer a preflight, or 404."""
        if request.method == "OPTIONS":
            return web.Response(status=204, headers=ANYBODY)
        return web.json_response({"errors": [{"message": "Not found"}]}, status=404, headers=ANYBODY)

    async def _refused(self) -> web.Response | None:
        self.attempts.append(time.monotonic())
        await self._notify()
        if self.refusing is None:
            return None
        return web.Response(status=self.refusing, headers=ANYBODY)

    @contextlib.asynccontextmanager
    async def _serving(self, connection: Connection) -> AsyncIterator[None]:
        """Open a connection, and send heartbeats for a block."""
        beating = asyncio.create_task(self._beat(connection))
        try:
            with contextlib.suppress(ConnectionError):
                if await self._open(connection):
                    self.current = connection
                    await self._notify()
                    yield
                    return
                connection.cut()
            yield
        finally:
            beating.cancel()
            connection.over.set()
            if self.current is connection:
                self.current = None

    async def _open(self, connection: Connection) -> bool:
        """Send `ready` and what the client missed. Return False if the connection is to end before a reset."""
        missed = self.after(connection.since) if connection.since else []
        position = connection.since if connection.since and missed is not None else self.position
        opened = {"type": "ready", "position": position, "connection_id": uuid4().hex, **self.counts}
        await connection.send({**opened, "heartbeat_seconds": HEARTBEAT_SECONDS})
        if missed is None:
            if self.breaks_before_reset:
                self.breaks_before_reset = False
                return False
            await connection.send({"type": "reset", "position": self.position, "reason": "new_epoch", **self.counts})
        for event in missed or ():
            await connection.send(event)
        return True

    async def _beat(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS)
                if not connection.silent:
                    await connection.heartbeat()


def _has_credentials(request: web.Request) -> bool:
    names = ("Authorization", "X-MAGICBELL-API-KEY")
    return bool(any(name in request.headers for name in names) or request.query.keys() & {"token", "api_key"})


def _since(request: web.Request) -> str:
    header = request.headers.get("Last-Event-ID", "")
    return header or request.query.get("lastEventId", "") or request.query.get("since", "")


@contextlib.asynccontextmanager
async def serve(port: int, seconds: float) -> AsyncIterator[Script]:
    """Listen on a port of this machine for a block, on any free one for 0."""
    script = Script(seconds)
    app = web.Application()
    app.router.add_get("/realtime/ws", script.websocket)
    app.router.add_get("/realtime/sse", script.stream)
    app.router.add_get("/notifications", script.notifications)
    app.router.add_route("*", "/{path:.*}", script.other)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield script
    finally:
        await runner.cleanup()
