"""The devices of a user, with one transport each.

They reconnect with their last position, as the browser client does.
"""

import asyncio
import contextlib
import json
import random
from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from loadtest.check.observer import Observer
from loadtest.check.replica import Message
from loadtest.check.rest import RefusedError, Rest
from loadtest.servers.gateway import user_headers

CONNECT_SECONDS = 5.0
HEARTBEAT_SECONDS = 2.0
"""The setting of the gateways, so that a dead connection is detected within seconds."""

SILENT_SECONDS = 2.5 * HEARTBEAT_SECONDS
BACK_OFF_SECONDS = (0.05, 0.4)
POLL_SECONDS = (0.1, 0.4)
MOST_RECORD_BYTES = 16 * 1024 * 1024


EXPECTED_GOODBYES = (4001, 4002, 4003, 4004)
"""Close codes of a draining worker, a silent connection, a slow connection, and an unavailable store."""

EXPECTED_STATUSES = (502, 503, 507)


class EndedError(Exception):
    """The connection has ended. The message contains the last message of the server."""


class DeviceClient(ABC):
    """An open inbox of a user. It stays connected while `run` is running."""

    transport: ClassVar[str]

    def __init__(self, user: str, port: int, rest: Rest, observer: Observer):
        self.user = user
        self.observer = observer
        self.last_end = ""
        self._port = port
        self._rest = rest

    @abstractmethod
    async def _connect(self) -> None:
        """Connect, and process messages until the connection ends. Raise EndedError or a network error."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                await self._connect()
            except InvalidStatus as refusal:
                self.last_end = str(refusal)
                self._refused_with(refusal.response.status_code, self.last_end)
            except (OSError, EOFError, TimeoutError, EndedError, ConnectionClosed, InvalidHandshake) as end:
                self.last_end = f"{type(end).__name__}: {end}"
            except httpx.HTTPError as end:
                self.last_end = f"{type(end).__name__}: {end}"
            except RefusedError as refused:
                self.last_end = str(refused)
                self.observer.refused(self.last_end)
            await asyncio.sleep(random.uniform(*BACK_OFF_SECONDS))

    async def _process(self, message: Message) -> None:
        observer = self.observer
        match message["type"]:
            case "event":
                observer.event(message)
            case "ready":
                observer.ready(message["position"])
            case "reset":
                observer.reset(message["position"], message["reason"])
            case "goodbye":
                detail = f"{message['code']} {message['reason']}"
                if message["code"] not in EXPECTED_GOODBYES:
                    self.observer.refused(detail)
                raise EndedError(detail)
            case other:
                self.observer.refused(f"unknown message {other}: {message}")
        if observer.needs_list:
            await self._fetch()

    async def _fetch(self) -> None:
        self.observer.fetched(*await self._rest.listed(self.user))

    def _refused_with(self, status: int, detail: str) -> None:
        if status not in EXPECTED_STATUSES:
            self.observer.refused(detail)

    def _query(self) -> str:
        position = self.observer.position
        return "?" + urlencode({"since": str(position)}) if position else ""


class WebSocketDevice(DeviceClient):
    """An open inbox over WebSocket."""

    transport = "websocket"

    async def _connect(self) -> None:
        async with connect(
            f"ws://127.0.0.1:{self._port}/realtime/ws{self._query()}",
            additional_headers=user_headers(self.user),
            open_timeout=CONNECT_SECONDS,
            ping_interval=HEARTBEAT_SECONDS,
            ping_timeout=SILENT_SECONDS - HEARTBEAT_SECONDS,
            close_timeout=0.2,
            max_size=None,
            compression=None,
            proxy=None,
        ) as socket:
            async for text in socket:
                await self._process(json.loads(text))


class SseDevice(DeviceClient):
    """An open inbox over server-sent events. A heartbeat comment must arrive in time."""

    transport = "sse"

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=MOST_RECORD_BYTES)
        with contextlib.closing(writer):
            fields = "".join(f"{name}: {value}\r\n" for name, value in user_headers(self.user).items())
            writer.write(f"GET /realtime/sse{self._query()} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
            async with asyncio.timeout(CONNECT_SECONDS):
                # The response may have to wait for the store.
                head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"200":
                detail = head.decode(errors="replace")
                self._refused_with(int(head.split(b" ", 2)[1]), detail)
                raise EndedError(detail)
            buffer = b""
            while True:
                # A heartbeat is a comment without the empty line that ends a record.
                async with asyncio.timeout(SILENT_SECONDS):
                    received = await reader.read(MOST_RECORD_BYTES)
                if not received:
                    raise EndedError("the stream ended")
                *records, buffer = (buffer + received).split(b"\n\n")
                for record in records:
                    if data := [line[len(b"data: ") :] for line in record.splitlines() if line.startswith(b"data: ")]:
                        await self._process(json.loads(b"\n".join(data)))


class PullDevice(DeviceClient):
    """An inbox that polls for events."""

    transport = "pull"

    async def _connect(self) -> None:
        position = self.observer.position
        query = {"since": str(position)} if position else {}
        response = await self._rest.once("GET", "/realtime/events", headers=user_headers(self.user), params=query)
        if response.status_code != 200:
            detail = f"{response.status_code} {response.text[:500]}"
            self._refused_with(response.status_code, detail)
            raise EndedError(detail)
        page = response.json()
        if position is None:
            await self._process({"type": "ready", "position": page["position"]})
        elif page["reset"]:
            await self._process({"type": "reset", "position": page["position"], "reason": page["reset"]})
        for event in page["events"]:
            await self._process(event)
        # Only the counts of events are checked, because those of the page are of a newer position.
        if str(self.observer.position) != page["position"]:
            self.observer.ended_elsewhere(page["position"])
        if not page["more"]:
            await asyncio.sleep(random.uniform(*POLL_SECONDS))


DEVICES: tuple[type[DeviceClient], ...] = (WebSocketDevice, SseDevice, PullDevice, WebSocketDevice)
"""The devices of each user."""
