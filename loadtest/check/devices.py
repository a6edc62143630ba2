"""A user's devices, one transport each. They come back with their last position, as the browser's client does."""

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

from loadtest.check.replica import Message
from loadtest.check.rest import RefusedError, Rest
from loadtest.check.witness import Witness
from loadtest.servers.gateway import user_headers

CONNECT_SECONDS = 5.0
HEARTBEAT_SECONDS = 2.0
"""What the gateways are set to, so that a dead link is noticed within seconds."""

SILENT_SECONDS = 2.5 * HEARTBEAT_SECONDS
BACK_OFF_SECONDS = (0.05, 0.4)
POLL_SECONDS = (0.1, 0.4)
MOST_RECORD_BYTES = 16 * 1024 * 1024


EXPECTED_GOODBYES = (4001, 4002, 4003, 4004)
"""Draining, silent links, slow links, a store that is away."""

EXPECTED_STATUSES = (502, 503, 507)


class EndedError(Exception):
    """The connection is over. The message says what the server said last."""


class Device(ABC):
    """One open inbox of a user. `run` must be running."""

    transport: ClassVar[str]

    def __init__(self, user: str, port: int, rest: Rest, witness: Witness):
        self.user = user
        self.witness = witness
        self.last_end = ""
        self._port = port
        self._rest = rest

    @abstractmethod
    async def _connect(self) -> None:
        """Connect and take messages until the connection ends. Raises what the network may raise, and EndedError."""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                await self._connect()
            except InvalidStatus as answered:
                self.last_end = str(answered)
                self._refused_with(answered.response.status_code, self.last_end)
            except (OSError, EOFError, TimeoutError, EndedError, ConnectionClosed, InvalidHandshake) as end:
                self.last_end = f"{type(end).__name__}: {end}"
            except httpx.HTTPError as end:
                self.last_end = f"{type(end).__name__}: {end}"
            except RefusedError as refused:
                self.last_end = str(refused)
                self.witness.refused(self.last_end)
            await asyncio.sleep(random.uniform(*BACK_OFF_SECONDS))

    async def _take(self, message: Message) -> None:
        witness = self.witness
        match message["type"]:
            case "event":
                witness.event(message)
            case "ready":
                witness.ready(message["position"])
            case "reset":
                witness.reset(message["position"], message["reason"])
            case "goodbye":
                detail = f"{message['code']} {message['reason']}"
                if message["code"] not in EXPECTED_GOODBYES:
                    self.witness.refused(detail)
                raise EndedError(detail)
            case other:
                self.witness.refused(f"said {other}: {message}")
        if witness.needs_list:
            await self._fetch()

    async def _fetch(self) -> None:
        self.witness.fetched(*await self._rest.listed(self.user))

    def _refused_with(self, status: int, detail: str) -> None:
        if status not in EXPECTED_STATUSES:
            self.witness.refused(detail)

    def _query(self) -> str:
        position = self.witness.position
        return "?" + urlencode({"since": str(position)}) if position else ""


class WebSocketDevice(Device):
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
                await self._take(json.loads(text))


class SseDevice(Device):
    """An open inbox over server-sent events; a comment comes at least once per heartbeat."""

    transport = "sse"

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=MOST_RECORD_BYTES)
        with contextlib.closing(writer):
            fields = "".join(f"{name}: {value}\r\n" for name, value in user_headers(self.user).items())
            writer.write(f"GET /realtime/sse{self._query()} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
            async with asyncio.timeout(CONNECT_SECONDS):
                # The first message may be as late as the store is.
                head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"200":
                detail = head.decode(errors="replace")
                self._refused_with(int(head.split(b" ", 2)[1]), detail)
                raise EndedError(detail)
            buffer = b""
            while True:
                # A heartbeat is a comment, which ends no record.
                async with asyncio.timeout(SILENT_SECONDS):
                    received = await reader.read(MOST_RECORD_BYTES)
                if not received:
                    raise EndedError("the stream ended")
                *records, buffer = (buffer + received).split(b"\n\n")
                for record in records:
                    if data := [line[len(b"data: ") :] for line in record.splitlines() if line.startswith(b"data: ")]:
                        await self._take(json.loads(b"\n".join(data)))


class PullDevice(Device):
    """An inbox that asks now and then."""

    transport = "pull"

    async def _connect(self) -> None:
        position = self.witness.position
        query = {"since": str(position)} if position else {}
        response = await self._rest.once("GET", "/realtime/events", headers=user_headers(self.user), params=query)
        if response.status_code != 200:
            detail = f"{response.status_code} {response.text[:500]}"
            self._refused_with(response.status_code, detail)
            raise EndedError(detail)
        page = response.json()
        if position is None:
            await self._take({"type": "ready", "position": page["position"]})
        elif page["reset"]:
            await self._take({"type": "reset", "position": page["position"], "reason": page["reset"]})
        for event in page["events"]:
            await self._take(event)
        # The last event's counts were checked; those of the page are as of its newest position.
        if str(self.witness.position) != page["position"]:
            self.witness.strayed(page["position"])
        if not page["more"]:
            await asyncio.sleep(random.uniform(*POLL_SECONDS))


DEVICES: tuple[type[Device], ...] = (WebSocketDevice, SseDevice, PullDevice, WebSocketDevice)
"""What each user has."""
