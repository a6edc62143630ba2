"""A server with the gateway's HTTP ingress and an application that returns the request."""

import base64
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import uvicorn

from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.live.hub import Hub
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.server.http import HttpProtocol
from gateway.server.ingress import HttpIngress
from tests.fuzz.oracle import summary

SEEN = "X-Seen"
"""The response header with the request: JSON in base64."""


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the request once it is complete."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    seen = {
        "method": scope["method"],
        "target": (scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")).decode(),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": summary(body),
    }
    encoded = base64.b64encode(json.dumps(seen).encode())
    headers = [(SEEN.lower().encode(), encoded), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


class _Server(uvicorn.Server):
    """A server that can stop while a request is incomplete.

    uvicorn waits for the end of every request before it stops, and no deadline of the ingress passes here.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Abort every connection, then stop as usual."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


@contextlib.contextmanager
def running_echo() -> Iterator[int]:
    """Serve for a block, and yield the port.

    No deadline of a request passes, as the timers of the ingress do not run.
    """
    hub = cast(Hub, None)  # only requests for live connections need one
    ingress = HttpIngress(hub, Proxies(()), RequestIds("fuzz"), FairScheduler(), head_seconds=10.0, body_seconds=30.0)
    config = uvicorn.Config(
        _echo,
        http=partial(HttpProtocol, ingress),  # type: ignore[arg-type] # uvicorn needs a factory only
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="echo", daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
            assert not thread.is_alive(), "the echo server does not stop"
