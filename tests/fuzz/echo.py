"""A server that is the gateway's HTTP ingress with an application behind it that tells what it was asked."""

import base64
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import uvicorn

from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.domain.session import SessionLimits
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.runtime.timer_wheel import TimerWheel
from gateway.server.http import HttpProtocol
from tests.fuzz.oracle import summary

SEEN = "X-Seen"
"""The header of an answer that holds the request: JSON in base64."""


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what was asked, once all of it is here."""
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


@contextlib.contextmanager
def running_echo() -> Iterator[int]:
    """Serve for a block; give the port. Nothing there has a deadline: that needs a hub, which needs Redis."""
    hub = SimpleNamespace(
        limits=SessionLimits(25, 10, 120),
        body_seconds=30.0,
        draining=False,
        unfinished_requests=TimerWheel(time.monotonic()),
        scheduler=FairScheduler(),
        proxies=Proxies(()),
        public_prefix="",
        request_ids=RequestIds("fuzz"),
    )
    config = uvicorn.Config(
        _echo,
        http=partial(HttpProtocol, hub),  # type: ignore[arg-type] # all of a hub that a request meets
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="echo")
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
