"""Running servers, by URL: `--url centrifugo=http://host:8000`.

CPU and memory are measured if the id of a process on this machine is given: `--url mercure=http://host:3000,pid=4711`.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote, urlencode, urlsplit

from loadtest import machine
from loadtest.clients import Make, SseClient, WebSocketClient, request_head, websocket_head
from loadtest.cores import Cores
from loadtest.journal import payload
from loadtest.publisher import Pool
from loadtest.targets.base import SSE, WEBSOCKET, Target, made_of

TOKEN_VARIABLE = "LOADTEST_TOKEN"


@dataclass(frozen=True)
class Adapter:
    """The protocol of a product, in which a user is a channel or a topic."""

    transports: tuple[str, ...]
    subscribe: Callable[[str, str], str]
    """Returns the path, for a transport and a user."""
    publish: Callable[[str, str], tuple[str, str, str]]
    """Returns the path, content type and body, for a user and a payload."""
    token_header: str = "Authorization"
    token_format: str = "Bearer {}"
    publish_port: int = 0
    """The port for publishing, 0 if it is the same."""


def _centrifugo_subscribe(transport: str, user: str) -> str:
    path = "/connection/uni_websocket" if transport == WEBSOCKET else "/connection/uni_sse"
    return f"{path}?{urlencode({'cf_connect': json.dumps({'subs': {user: {}}})})}"


def _pushpin_publish(user: str, text: str) -> tuple[str, str, str]:
    formats = {"http-stream": {"content": f"data: {text}\n\n"}, "ws-message": {"content": text}}
    return "/publish/", "application/json", json.dumps({"items": [{"channel": user, "formats": formats}]})


ADAPTERS = {
    "centrifugo": Adapter(
        (WEBSOCKET, SSE),
        _centrifugo_subscribe,
        lambda user, text: ("/api/publish", "application/json", json.dumps({"channel": user, "data": text})),
        token_header="X-API-Key",
        token_format="{}",
    ),
    "mercure": Adapter(
        (SSE,),
        lambda transport, user: f"/.well-known/mercure?topic={quote(user)}",
        lambda user, text: (
            "/.well-known/mercure",
            "application/x-www-form-urlencoded",
            urlencode({"topic": user, "data": text}),
        ),
    ),
    # Its origin must respond to /ws and /sse with GRIP instructions for the channel in the query.
    "pushpin": Adapter(
        (WEBSOCKET, SSE),
        lambda transport, user: f"/{'ws' if transport == WEBSOCKET else 'sse'}?user={quote(user)}",
        _pushpin_publish,
        publish_port=5561,
    ),
    # Any server with the three paths of PeerTarget.
    "plain": Adapter(
        (WEBSOCKET, SSE),
        lambda transport, user: f"/{'ws' if transport == WEBSOCKET else 'sse'}?user={quote(user)}",
        lambda user, text: (f"/publish?user={quote(user)}", "text/plain", text),
    ),
}


class RemoteTarget(Target):
    """A running server, which the load test does not start."""

    name: ClassVar[str] = "remote"

    def __init__(self, cores: Cores, kind: str, url: str, pid: int = 0):
        super().__init__(cores)
        parts = urlsplit(url)
        self.adapter = ADAPTERS[kind]
        self.name = f"{kind} at {parts.netloc}"  # type: ignore[misc] # of this one
        self.transports = self.adapter.transports  # type: ignore[misc]
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self._pid = pid

    @classmethod
    def parse(cls, cores: Cores, text: str) -> "RemoteTarget":
        """Read KIND=URL[,pid=N]. Raise ValueError."""
        kind, _, rest = text.partition("=")
        url, _, pid = rest.partition(",pid=")
        if kind not in ADAPTERS or not url.startswith("http://"):
            raise ValueError(f"{text!r} is not KIND=http://HOST:PORT[,pid=N] with KIND one of {', '.join(ADAPTERS)}")
        return cls(cores, kind, url, int(pid) if pid else 0)

    async def start(self) -> None:
        """Do nothing. The server is running."""

    async def stop(self) -> None:
        """Do nothing. The server keeps running."""

    def pids(self) -> dict[int, str]:
        """Return the processes, if the main one is known."""
        return {pid: machine.role(pid) for pid in machine.tree(self._pid)} if self._pid else {}

    async def memory(self) -> dict[str, int]:
        """Return the resident memory in KB by role, if the process is known."""
        found: dict[str, int] = {}
        for pid, role in self.pids().items():
            found[role] = found.get(role, 0) + machine.resident_kb(pid)
        return found

    def pool(self) -> Pool:
        """Return a pool of connections for publishing."""
        return Pool(self.host, self.adapter.publish_port or self.port)

    def make(self, transport: str) -> Make:
        """Return a function that creates clients which subscribe to their user."""
        if transport == WEBSOCKET:
            return made_of(
                WebSocketClient,
                lambda user: websocket_head(self.host, self.adapter.subscribe(transport, user), {}),
                self.host,
                self.port,
            )
        return made_of(
            SseClient,
            lambda user: request_head(
                "GET", self.host, self.adapter.subscribe(transport, user), {"Accept": "text/event-stream"}
            ),
            self.host,
            self.port,
        )

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request that publishes with the protocol of the product."""
        path, content_type, text = self.adapter.publish(user, payload(number, size).decode())
        body = text.encode()
        fields = {"Content-Type": content_type, "Content-Length": str(len(body))}
        if token := os.environ.get(TOKEN_VARIABLE):
            fields[self.adapter.token_header] = self.adapter.token_format.format(token)
        return request_head("POST", self.host, path, fields) + body
