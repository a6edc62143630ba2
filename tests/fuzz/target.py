"""The gateway on which inputs are tried: it receives raw bytes, and its health is checked afterwards."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, Protocol

from tests.api.admin.admins import owner_headers
from tests.api.workspaces import admin_of, created_project, workspace_headers
from tests.fuzz.echo import running_echo
from tests.servers import ADMIN, Gateway, running_gateway, user_hmac

USER = "fuzzed"
"""The user whose inbox is changed, and whose live connections are opened."""

POSITIONED = "positioned"
"""The only user of another project, whose log does not change."""

EVENTS = 3
"""The number of events in that log."""

PATIENCE_SECONDS = 60.0

SPLIT_SECONDS = 0.0005
"""The seconds between parts: the gateway has read most of them before the next arrives."""

TROUBLE = ("Traceback", "Exception in", '"level":"critical"', '"level": "critical"', "Task exception")
"""Texts that the log of a healthy gateway does not contain."""

WEBSOCKET = "/realtime/ws"
PING, PONG = b'{"type":"ping"}', {"type": "pong"}

ENVIRONMENT = {"INBOX_ACCESS_LOG": "false", "INBOX_MAX_CONNECTIONS_PER_USER": "1000"}

Headers = Mapping[str, str]
"""Names and values. Each character of a value is a byte."""


@dataclass(frozen=True)
class FuzzResponse:
    """A response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def is_clear(self) -> bool:
        """Check that an error names the problem, and is no internal error. Return whether the request succeeded."""
        assert self.status < 500 or self.status in (501, 505), self
        if self.status >= 400 and self.body:
            assert all(error["message"] for error in json.loads(self.body)["errors"]), self
        return self.status < 300


@dataclass
class Conversation:
    """A connection for requests, whose responses are read one by one."""

    sock: socket.socket
    received: bytes = b""

    def send(self, data: bytes) -> bool:
        """Send bytes. Return whether the server may read more."""
        try:
            self.sock.sendall(data)
        except ConnectionError:
            return False
        return True

    def finish(self) -> None:
        """Close the sending half."""
        with contextlib.suppress(OSError):  # the connection is closed already
            self.sock.shutdown(socket.SHUT_WR)

    def next_response(self, method: Callable[[dict[str, str]], str]) -> FuzzResponse | None:
        """Return the next final response, None at the end.

        `method` returns the request's method by the response's headers.
        """
        while True:
            if not self._fill(lambda: b"\r\n\r\n" in self.received):
                assert not self.received, f"an incomplete response: {self.received!r}"
                return None
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            response = _parse_response(head)
            if response.status != 100:
                return FuzzResponse(response.status, response.headers, self._body(response, method(response.headers)))

    def _body(self, response: FuzzResponse, method: str) -> bytes:
        assert "transfer-encoding" not in response.headers, "no response has an unknown length here"
        length = int(response.headers.get("content-length", "0"))
        if method == "HEAD" or response.status in (204, 304) or not length:
            return b""
        filled = self._fill(lambda: len(self.received) >= length)
        # A refused request may be a HEAD request, refused before its end or after its response.
        assert filled or not (self.received or method), self.received
        body, self.received = self.received[:length], self.received[length:]
        return body

    def _fill(self, enough: Callable[[], bool]) -> bool:
        """Read until `enough` returns true. Return False at the end of the connection."""
        while not enough():
            data = _read(self.sock, bool)
            if not data:
                return False
            self.received += data
        return True


@dataclass
class FuzzTarget:
    """A gateway, an echo server, and what inputs refer to."""

    gateway: Gateway
    echo_port: int
    epoch: str = ""
    notification: str = ""
    workspace: Headers = field(default_factory=dict)
    owner: Headers = field(default_factory=dict)
    positioned: dict[str, str] = field(default_factory=dict)
    _workers: list[int] = field(default_factory=list)
    _log_read: int = 0

    def prepare(self) -> None:
        """Create the notifications that inputs refer to."""
        self.workspace = workspace_headers(self.gateway)
        self.owner = owner_headers(self.gateway)
        project = created_project(self.gateway)
        proof = user_hmac(POSITIONED, project["api_secret"])
        self.positioned = {"api_key": project["api_key"], "user_external_id": POSITIONED, "user_hmac": proof}
        with httpx.Client(base_url=self.gateway.url, timeout=PATIENCE_SECONDS) as http:
            for admin, user, count in ((ADMIN, USER, 1), (admin_of(project), POSITIONED, EVENTS)):
                for _ in range(count):
                    body = {"notification": {"title": "Hello", "recipients": [{"external_id": user}]}}
                    sent = http.post("/notifications", headers=admin, json=body).raise_for_status()
                    if user == USER:
                        self.notification = sent.json()["notification"]["id"]
            listed = http.get("/notifications", headers=self.positioned_headers).raise_for_status()
        self.epoch = listed.headers["X-Inbox-Position"].rpartition(".")[0]

    @property
    def positioned_headers(self) -> Headers:
        """The credentials of the user with the log that does not change."""
        return {f"X-MAGICBELL-{name.upper().replace('_', '-')}": value for name, value in self.positioned.items()}

    @contextlib.contextmanager
    def stays_well(self) -> Iterator[None]:
        """Check that the worker neither ends nor logs an error during a block."""
        before = self.gateway.children("worker")
        self._new_log()
        yield
        assert self.gateway.children("worker") == before, f"a worker died:\n{self.gateway.log[-4000:]}"
        logged = self._new_log()
        assert not any(trouble in logged for trouble in TROUBLE), logged

    def request(self, method: str, path: str, headers: Headers, body: bytes = b"") -> FuzzResponse:
        """Send a request on a connection of its own and return the complete response."""
        with self._connect() as sock:
            length = {"Content-Length": str(len(body))} if body or method in ("POST", "PUT", "PATCH") else {}
            with contextlib.suppress(ConnectionError):  # the request may be refused before it is read
                sock.sendall(_head(method, path, {**headers, **length, "Connection": "close"}) + body)
            return _parse_response(_read(sock))

    def stream(self, path: str, headers: Headers, events: int) -> tuple[FuzzResponse, list[dict[str, Any]]]:
        """Open an event stream and return a number of its events."""
        with self._connect() as sock:
            sock.sendall(_head("GET", path, headers))
            received = _read(sock, lambda received: received.count(b"\ndata: ") >= events and received[-2:] == b"\r\n")
        response = _parse_response(received)
        return response, [json.loads(line[6:]) for line in response.body.split(b"\n") if line.startswith(b"data: ")]

    @contextlib.contextmanager
    def conversation(self) -> Iterator[Conversation]:
        """Connect to the gateway."""
        with self._connect() as sock:
            yield Conversation(sock)

    @contextlib.contextmanager
    def echo(self) -> Iterator[Conversation]:
        """Connect to the echo server."""
        with self._connect(self.echo_port) as sock:
            yield Conversation(sock)

    def send_bytes(self, parts: Sequence[bytes], path: str = WEBSOCKET, headers: Headers | None = None) -> bytes:
        """Open a WebSocket, send bytes in one or several parts, and return all bytes received up to the end."""
        with self._upgraded(path, headers) as (sock, received):
            with contextlib.suppress(OSError):  # the server has closed the connection already
                for part in parts:
                    sock.sendall(part)
                    if len(parts) > 1:
                        time.sleep(SPLIT_SECONDS)
                sock.shutdown(socket.SHUT_WR)
            return received + _read(sock)

    def send_message(
        self, message: bytes, path: str = WEBSOCKET, headers: Headers | None = None
    ) -> list[dict[str, Any]]:
        """Open a WebSocket and send a message. Return the messages that arrive for it."""
        protocol, ping_sent = Protocol(CLIENT, max_size=None), False
        texts: list[dict[str, Any]] = []
        with self._upgraded(path, headers) as (sock, received):
            sock.sendall(Frame(Opcode.TEXT, message).serialize(mask=True))
            while True:
                protocol.receive_data(received)
                frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
                texts += [json.loads(bytes(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT]
                complete = PONG in texts or Opcode.CLOSE in [frame.opcode for frame in frames]
                if complete:
                    return [text for text in texts if text != PONG]
                with contextlib.suppress(ConnectionError):
                    if texts and not ping_sent:
                        sock.sendall(Frame(Opcode.TEXT, PING).serialize(mask=True))
                        ping_sent = True
                received = _read(sock, bool)
                if not received:
                    return texts

    @contextlib.contextmanager
    def _upgraded(self, path: str, headers: Headers | None) -> Iterator[tuple[socket.socket, bytes]]:
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        with self._connect() as sock:
            sock.sendall(_head("GET", path, {**(headers or {}), **upgrade, **key}))
            head, _, rest = _read(sock, lambda received: b"\r\n\r\n" in received).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
            yield sock, rest

    def _connect(self, port: int | None = None) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port or self.gateway.port), PATIENCE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _new_log(self) -> str:
        with (self.gateway.data_dir.parent / f"{self.gateway.data_dir.name}.log").open("rb") as file:
            file.seek(self._log_read)
            new = file.read()
        self._log_read += len(new)
        return new.decode(errors="replace")


@contextlib.contextmanager
def running_target(directory: Path) -> Iterator[FuzzTarget]:
    """Run a target for a block."""
    with running_gateway(directory / "data", **ENVIRONMENT) as gateway, running_echo() as echo_port:
        target = FuzzTarget(gateway, echo_port)
        target.prepare()
        yield target


def _head(method: str, path: str, headers: Headers) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _read(sock: socket.socket, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Return the bytes read until `enough` returns true, or up to the end."""
    received = b""
    while not enough(received):
        try:
            data = sock.recv(65536)
        except ConnectionError:
            break
        except TimeoutError:
            raise AssertionError(f"nothing more came after {received!r}") from None
        if not data:
            break
        received += data
    return received


def _parse_response(received: bytes) -> FuzzResponse:
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    assert status, "there is no response"
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return FuzzResponse(int(status.split(" ")[1]), headers, body)
