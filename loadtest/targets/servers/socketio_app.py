"""python-socketio on uvicorn: a room for each user."""

import sys
from typing import Any
from urllib.parse import parse_qs

import socketio
import uvicorn

server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
inner = socketio.ASGIApp(server)


@server.event  # type: ignore[untyped-decorator] # no types
async def connect(sid: str, environ: dict[str, Any]) -> None:
    """Join the room of the user."""
    await server.enter_room(sid, parse_qs(environ["QUERY_STRING"])["user"][0])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Publish posted bodies, and pass every other request to the library."""
    if scope["type"] != "http" or scope["path"] != "/publish":
        await inner(scope, receive, send)
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await server.emit("event", body.decode(), room=parse_qs(scope["query_string"].decode())["user"][0])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


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
