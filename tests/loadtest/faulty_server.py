"""A plain server that lies once to one of its connections: `python tests/loadtest/liar.py PORT LIE`.

It has the paths of `--url plain=…`. Which lie is told about which event, tests of other servers ask here, too.
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

LIES = ("drop", "double", "reorder")
TRUTH = "none"

LIED_ABOUT = WARM_UP_EVENTS + 1
"""The first event that is not waited for before the next one is sent."""

RELEASED = LIED_ABOUT + 2
"""The event behind which the one that is kept back comes: begun long after that was answered."""

ANSWER_SECONDS = 0.05
"""How long a request takes: events of a constant rate, which is half of what a server can do, are further apart."""


class Liar(Generic[T]):
    """What one connection is told instead of what is true."""

    def __init__(self, lie: str):
        self._lie = lie
        self._count = 0
        self._kept: list[T] = []

    def tell(self, event: T) -> list[T]:
        """Give what is sent when an event is due."""
        self._count += 1
        if self._count == LIED_ABOUT:
            if self._lie == "reorder":
                self._kept = [event]
            return {"drop": [], "double": [event, event], "reorder": []}.get(self._lie, [event])
        if self._count == RELEASED:
            return [event, *self._kept]
        return [event]


class Server:
    """A queue for each connection; the first one of each user is lied to."""

    def __init__(self, lie: str):
        self._lie = lie
        self._connections: dict[str, list[tuple[asyncio.Queue[str], Liar[str]]]] = defaultdict(list)
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
        connections.append((queue, Liar(TRUTH if connections else self._lie)))
        return queue

    async def _publish(self, request: Request) -> Response:
        text = (await request.body()).decode()
        for queue, liar in self._connections[request.query_params["user"]]:
            for told in liar.tell(text):
                queue.put_nowait(told)
        await asyncio.sleep(ANSWER_SECONDS)
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
