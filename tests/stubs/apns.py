"""A stub of APNs over HTTP/2 (developer.apple.com, "Sending notification requests to APNs" and "Handling notification
responses from APNs").

It verifies what Apple verifies, and answers with Apple's statuses and reasons. `answers` has other answers by device
token, and `faults` what happens to the next requests.
"""

import asyncio
import base64
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import jwt
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from tests.stubs.certificates import make_certificates

MAX_PAYLOAD = 4096
TOKEN_SECONDS = 3600
LEAST_RENEWAL_SECONDS = 20 * 60
PRIORITIES = ("1", "5", "10")
PUSH_TYPES = ("alert", "background", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity")


class Fault(Enum):
    """What happens to a request instead of an answer, or beside it."""

    GOAWAY_BEFORE = "a GOAWAY whose last stream is the one before: the request is not processed"
    GOAWAY_NOTHING = "a GOAWAY whose last stream is 0: nothing is processed"
    GOAWAY_THEN_ANSWER = "a GOAWAY that names the request's stream, and then its answer"
    GOAWAY_THEN_NOTHING = "a GOAWAY that names the request's stream, and the connection is closed without an answer"
    GOAWAY_GRACEFUL = "a GOAWAY without a last stream, the answer, and the final GOAWAY (RFC 9113, 6.8)"
    GOAWAY_AFTER_ANSWER = "the answer, and then a GOAWAY"
    REFUSED_STREAM = "RST_STREAM with REFUSED_STREAM: the request is not processed"
    RESET = "RST_STREAM with INTERNAL_ERROR"
    CUT = "the connection is cut when the request is complete"
    CUT_IN_ANSWER = "the headers of an answer, and the connection is cut"
    HANG = "nothing"
    LATE = "the answer, after that of the next request without this fault"
    CLOSE_AFTER_ANSWER = "the answer, and the connection is closed without a GOAWAY"


GOAWAY_FIRST: dict[Fault, Callable[[int], int]] = {
    Fault.GOAWAY_BEFORE: lambda stream: stream - 2,
    Fault.GOAWAY_NOTHING: lambda stream: 0,
    Fault.GOAWAY_THEN_ANSWER: lambda stream: stream,
    Fault.GOAWAY_THEN_NOTHING: lambda stream: stream,
    Fault.GOAWAY_GRACEFUL: lambda stream: 2**31 - 1,
}
GOAWAY_LAST = {Fault.GOAWAY_GRACEFUL, Fault.GOAWAY_AFTER_ANSWER}
ANSWERED = {*GOAWAY_LAST, Fault.GOAWAY_THEN_ANSWER, Fault.CLOSE_AFTER_ANSWER}
RESETS = {Fault.REFUSED_STREAM: ErrorCodes.REFUSED_STREAM, Fault.RESET: ErrorCodes.INTERNAL_ERROR}
NOT_PROCESSED = {Fault.GOAWAY_BEFORE, Fault.GOAWAY_NOTHING, Fault.REFUSED_STREAM}


@dataclass(frozen=True)
class Answer:
    """A status and Apple's reason. `timestamp` is in milliseconds, and only a 410 has one."""

    status: int = 200
    reason: str = ""
    timestamp: int | None = None

    @property
    def body(self) -> bytes:
        """Return the body, empty for a success."""
        if not self.reason:
            return b""
        values: dict[str, Any] = {"reason": self.reason}
        if self.timestamp is not None:
            values["timestamp"] = self.timestamp
        return json.dumps(values).encode()


@dataclass
class Push:
    """A request that the stub has processed. `connection` counts the connections."""

    device_token: str
    headers: dict[str, str]
    raw: bytes
    connection: int
    answer: Answer

    @property
    def payload(self) -> Any:
        """Return the payload."""
        return json.loads(self.raw)


@dataclass
class ApnsStub:
    """The stub. `public_key` verifies provider tokens, which are not verified without one."""

    directory: Path
    public_key: Any = None
    topics: tuple[str, ...] = ()
    max_streams: int = 1000
    answers: dict[str, Answer] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    pushes: list[Push] = field(default_factory=list)
    now: Callable[[], float] = time.time
    refused_tokens: set[str] = field(default_factory=set)
    """Provider tokens that have expired, whatever their age."""
    connections: int = 0
    open: set["_Connection"] = field(default_factory=set)
    provider_tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The latest provider token of each key, and when it was first used."""
    port: int = 0
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return the base address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """Return the file of the authority to trust."""
        return self.directory / "authority.pem"

    async def start(self) -> "ApnsStub":
        """Listen on a free port."""
        context = make_certificates(self.directory).server_context("h2")
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port, ssl=context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def close(self) -> None:
        """Stop listening, and cut all connections. May be repeated."""
        assert self.server is not None
        self.server.close()
        for connection in [*self.open]:
            connection.cut()
        await self.server.wait_closed()

    def say_goaway(self, *, and_close: bool, reason: str = "Shutdown") -> None:
        """Send a GOAWAY with Apple's reason on every connection, idle or not."""
        for connection in [*self.open]:
            connection.go_away(None, reason)
            if and_close:
                connection.close()

    def judge(self, path: str, headers: dict[str, str], body: bytes) -> tuple[str, Answer]:
        """Return the device token of a request, and the answer that Apple would send."""
        device_token = path.removeprefix("/3/device/")
        if device_token == path:
            return "", Answer(404, "BadPath")
        if headers[":method"] != "POST":
            return device_token, Answer(405, "MethodNotAllowed")
        fault = self._token_fault(headers) or self._header_fault(headers) or _payload_fault(body)
        if fault is None and not all(each in "0123456789abcdef" for each in device_token.lower()):
            fault = Answer(400, "BadDeviceToken")
        return device_token, fault or self.answers.get(device_token, Answer())

    def _token_fault(self, headers: dict[str, str]) -> Answer | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return Answer(403, "MissingProviderToken")
        try:
            options: Any = {"verify_signature": self.public_key is not None, "verify_iat": False}  # the clock is `now`
            claims = jwt.decode(token, self.public_key, ["ES256"], options)
            key_id = jwt.get_unverified_header(token)["kid"]
            issued_at = claims["iat"]
        except (jwt.InvalidTokenError, KeyError):
            return Answer(403, "InvalidProviderToken")
        if not isinstance(claims.get("iss"), str) or len(claims["iss"]) != 10 or len(key_id) != 10:
            return Answer(403, "InvalidProviderToken")
        if token in self.refused_tokens or not -60 < self.now() - issued_at <= TOKEN_SECONDS:
            return Answer(403, "ExpiredProviderToken")
        known, since = self.provider_tokens.get(key_id, ("", 0.0))
        if known in self.refused_tokens:
            since = 0.0
        if known != token:
            if self.now() - since < LEAST_RENEWAL_SECONDS:
                return Answer(429, "TooManyProviderTokenUpdates")
            self.provider_tokens[key_id] = (token, self.now())
        return None

    def _header_fault(self, headers: dict[str, str]) -> Answer | None:
        faults = {
            "BadMessageId": "apns-id" in headers and not _is_uuid(headers["apns-id"]),
            "BadCollapseId": len(headers.get("apns-collapse-id", "").encode()) > 64,
            "BadExpirationDate": not headers.get("apns-expiration", "0").isdigit(),
            "BadPriority": headers.get("apns-priority", "10") not in PRIORITIES,
            "InvalidPushType": headers.get("apns-push-type") not in PUSH_TYPES,
            "MissingTopic": not headers.get("apns-topic"),
            "TopicDisallowed": bool(self.topics) and headers.get("apns-topic") not in self.topics,
        }
        return next((Answer(400, reason) for reason, found in faults.items() if found), None)


def _payload_fault(body: bytes) -> Answer | None:
    if not body:
        return Answer(400, "PayloadEmpty")
    if len(body) > MAX_PAYLOAD:
        return Answer(413, "PayloadTooLarge")
    try:
        payload = json.loads(body)
    except ValueError:
        return Answer(400, "PayloadEmpty")
    return None if isinstance(payload, dict) and isinstance(payload.get("aps"), dict) else Answer(400, "PayloadEmpty")


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


class _Connection(asyncio.Protocol):
    """One connection. Its number is its place among all connections of the stub."""

    def __init__(self, stub: ApnsStub):
        self.stub = stub
        self.http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        self.late: list[tuple[int, dict[str, str], Answer]] = []
        self.processed = 0
        self.last_stream = 2**31 - 1
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self.stub.connections += 1
        self.number = self.stub.connections
        self.stub.open.add(self)
        self.http.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: self.stub.max_streams}
        )
        self.http.initiate_connection()
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stub.open.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            events = self.http.receive_data(data)
        except ProtocolError:
            self.cut()
            return
        for event in events:
            self.handle(event)
        self.flush()

    def handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                headers = {str(name): str(value) for name, value in event.headers}
                self.requests[event.stream_id] = (headers, bytearray())
            case DataReceived():
                self.requests[event.stream_id][1].extend(event.data)
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                headers, body = self.requests.pop(event.stream_id)
                self.process(event.stream_id, headers, bytes(body))
            case StreamReset():
                self.requests.pop(event.stream_id, None)
            case ConnectionTerminated():
                self.close()

    def process(self, stream: int, headers: dict[str, str], body: bytes) -> None:
        """Process a request, unless a fault comes first. After a GOAWAY, later requests are ignored."""
        if stream > self.last_stream:
            return
        fault = self.stub.faults.popleft() if self.stub.faults else None
        answer = Answer()
        if fault not in NOT_PROCESSED:
            self.processed = max(self.processed, stream)
            device_token, answer = self.stub.judge(headers[":path"], headers, body)
            self.stub.pushes.append(Push(device_token, headers, body, self.number, answer))
        if fault in GOAWAY_FIRST:
            self.go_away(GOAWAY_FIRST[fault](stream))
        if fault is Fault.LATE:
            self.late.append((stream, headers, answer))
            return
        answered = [(stream, headers, answer)] if fault is None or fault in ANSWERED else []
        for each in [*answered, *self.late]:
            self.respond(*each)
        self.late.clear()
        self.disturb(stream, fault)

    def disturb(self, stream: int, fault: Fault | None) -> None:
        """Do what comes after an answer."""
        if fault in GOAWAY_LAST:
            self.go_away(stream)
        if fault in GOAWAY_FIRST or fault in GOAWAY_LAST or fault is Fault.CLOSE_AFTER_ANSWER:
            self.close()
        elif fault in RESETS:
            self.http.reset_stream(stream, RESETS[fault])
        elif fault is Fault.CUT:
            self.cut()
        elif fault is Fault.CUT_IN_ANSWER:
            self.http.send_headers(stream, [(":status", "410")])
            self.close()

    def respond(self, stream: int, headers: dict[str, str], answer: Answer) -> None:
        """Send an answer."""
        sent = [(":status", str(answer.status)), ("apns-id", headers.get("apns-id", "").upper())]
        self.http.send_headers(stream, sent, end_stream=not answer.body)
        if answer.body:
            self.http.send_data(stream, answer.body, end_stream=True)
        self.flush()

    def go_away(self, last_stream: int | None, reason: str = "Shutdown") -> None:
        """Send a GOAWAY with Apple's reason."""
        data = json.dumps({"reason": reason}).encode()
        self.flush()
        last = self.http.highest_inbound_stream_id if last_stream is None else max(last_stream, self.processed)
        self.last_stream = last
        if self.transport.is_closing():
            return
        # h2 takes no stream after it. A server that shuts down gracefully does, so the frame is written by hand.
        self.transport.write(_frame(0x7, 0, 0, last.to_bytes(4, "big") + (0).to_bytes(4, "big") + data))

    def flush(self) -> None:
        """Write what h2 has."""
        if not self.transport.is_closing():
            self.transport.write(self.http.data_to_send())

    def close(self) -> None:
        """Close the connection after what was written."""
        self.flush()
        self.transport.close()

    def cut(self) -> None:
        """Cut the connection."""
        self.transport.abort()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame of HTTP/2 (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def device_token(number: int) -> str:
    """Return a device token of Apple's form."""
    return base64.b16encode(number.to_bytes(32, "big")).decode().lower()
