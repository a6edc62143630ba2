"""A simple application: Starlette on uvicorn, a queue for each connection, and `EventSourceResponse`."""

import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator

import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

queues: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)


async def publish(request: Request) -> Response:
    """Put the body into every queue of the user."""
    text = (await request.body()).decode()
    for queue in queues[request.query_params["user"]]:
        queue.put_nowait(text)
    return Response(status_code=204)


async def stream(request: Request) -> Response:
    """Stream a queue as server-sent events."""
    user = request.query_params["user"]
    queue: asyncio.Queue[str] = asyncio.Queue()
    queues[user].add(queue)

    async def events() -> AsyncIterator[dict[str, str]]:
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            queues[user].discard(queue)

    return EventSourceResponse(events())


async def socket(websocket: WebSocket) -> None:
    """Send a queue over a WebSocket."""
    user = websocket.query_params["user"]
    queue: asyncio.Queue[str] = asyncio.Queue()
    queues[user].add(queue)
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await queue.get())
    finally:
        queues[user].discard(queue)


routes = [Route("/publish", publish, methods=["POST"]), Route("/sse", stream), WebSocketRoute("/ws", socket)]
app = Starlette(routes=routes)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        backlog=4096,
        log_level="warning",
        access_log=False,
        ws_per_message_deflate=False,
    )
