"""A plain server with a fault on one of its connections: `python -m tests.loadtest.faulty_server PORT FAULT`.

It has the paths of `--url plain=…`. Tests of other servers also use `FaultyConnection`.
"""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from loadtest.scenarios.fanout import WARM_UP_EVENTS

T = TypeVar("T")

FAULTS = ("drop", "double", "reorder")
NO_FAULT = "none"

FAULTY_EVENT = WARM_UP_EVENTS + 1
"""The first event whose delivery is not awaited before the next one is sent."""

RELEASED = FAULTY_EVENT + 2
"""The event after which the withheld one is sent. Its request begins long after the response to the withheld one."""

RESPONSE_SECONDS = 0.05
"""The time of a request. Events at a constant rate, half of the rate that a server can reach, are further apart."""


class FaultyConnection(Generic[T]):
    """Drops, doubles or reorders one event of a connection."""

    def __init__(self, fault: str):
        self._fault = fault
        self._count = 0
        self._kept: list[T] = []

    def sent_for(self, event: T) -> list[T]:
        """Return the events to send when an event is due."""
        self._count += 1
        if self._count == FAULTY_EVENT:
            if self._fault == "reorder":
                self._kept = [event]
            return {"drop": [], "double": [event, event], "reorder": []}.get(self._fault, [event])
        if self._count == RELEASED:
            return [event, *self._kept]
        return [event]


class Server:
    """A server with a queue for each connection. The first connection of each user is faulty."""

    def __init__(self, fault: str):
        self._fault = fault
        self._connections: dict[str, list[tuple[asyncio.Queue[str], FaultyConnection[str]]]] = defaultdict(list)
        self.app = Starlette(
            routes=[
                Route("/publish", self._publish, methods=["POST"]),
                Route("/sse", self._sse),
                WebSocketRoute("/ws", self._websocket),
            ]
        )

    def _subscribe(self, user: str) -> asyncio.Queue[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        connections = self._connections[user]
        connections.append((queue, FaultyConnection(NO_FAULT if connections else self._fault)))
        return queue

    async def _publish(self, request: Request) -> Response:
        text = (await request.body()).decode()
        for queue, faulty in self._connections[request.query_params["user"]]:
            for sent in faulty.sent_for(text):
                queue.put_nowait(sent)
        await asyncio.sleep(RESPONSE_SECONDS)
        return Response(status_code=204)

    async def _sse(self, request: Request) -> Response:
        queue = self._subscribe(request.query_params["user"])

        async def events() -> AsyncIterator[dict[str, str]]:
            while True:
                yield {"data": await queue.get()}

        return EventSourceResponse(events())

    async def _websocket(self, websocket: WebSocket) -> None:
        queue = self._subscribe(websocket.query_params["user"])
        await websocket.accept()
        while True:
            await websocket.send_text(await queue.get())


if __name__ == "__main__":
    uvicorn.run(Server(sys.argv[2]).app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
