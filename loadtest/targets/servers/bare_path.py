"""The least cost of a REST request in Python. It is a floor of the request path, not a server.

One asyncio protocol on httptools, one JSON decoding, one function call over a pipelined hiredis connection, and one
write of the response. It serves four requests:

    POST /notifications               calls a function of its own, which stores the item, indexes it, appends to a
                                      bounded log, counts and publishes
    POST /notifications/{id}/read     calls the gateway's own function with the arguments of the gateway, and writes a
         and …/unread                 response of the same bytes
    GET  /notifications               the same
    GET  /realtime/events             the same

It checks the API secret or one HMAC in constant time. It has no other validation, no rate limit of backends, no
idempotency, no directory (the keys of the users are in its configuration), no preferences, no deadlines, no log lines
and no metrics, and it closes the connection on any error. Its own function maintains no exact counts and has no undo
log.

    python bare_path.py CONFIGURATION PORT    CONFIGURATION is JSON: the fields of `Configuration`
"""

import asyncio
import base64
import hashlib
import hmac
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis
import httptools
import msgspec
import uvloop

CREATE = """#!lua name=bare_path
redis.register_function('bare_path_create', function(keys, args)
  local offset = redis.call('HINCRBY', keys[1], 'offset', 1)
  redis.call('HSET', keys[3], args[1], args[2])
  redis.call('ZADD', keys[4], offset, args[1])
  redis.call('XADD', keys[2], 'MAXLEN', '~', '1000', offset .. '-1', 'e', args[2])
  redis.call('SPUBLISH', keys[1], offset .. args[2])
  return { offset, 'ok', args[3] }
end)"""

HEAD = (
    b"HTTP/1.1 %b\r\ndate: Sun, 29 Nov 2026 18:25:36 GMT\r\nx-content-type-options: nosniff\r\n"
    b"x-request-id: rf6fdd1fe6140-%x\r\n"
)
JSON = b"content-length: %d\r\ncontent-type: application/json\r\n"
LIMITS = b"ratelimit-limit: %d\r\nratelimit-remaining: %d\r\nratelimit-reset: %d\r\n"
END = b"cache-control: no-store\r\n\r\n"
TRANSITIONS = {"read": "ss-", "unread": "-c-"}


class Configuration(msgspec.Struct):
    """The parts of the gateway's configuration that the bare path uses."""

    socket: str
    """The path of the server's Unix socket."""
    library: str
    """The name of the gateway's function library."""
    secret: str
    limit: int
    """The rate limit of users."""
    log_events: int
    log_seconds: int
    users: dict[str, str]
    """The key of each user's record, by external id."""


class Recipient(msgspec.Struct):
    """A recipient of a notification."""

    external_id: str


class Fields(msgspec.Struct):
    """The fields of a notification that the response repeats."""

    title: str
    content: str | None = None
    action_url: str | None = None
    category: str = ""
    topic: str | None = None
    custom_attributes: dict[str, Any] | None = None


class Notification(Fields):
    """A notification to send."""

    recipients: list[Recipient] = []


class Body(msgspec.Struct):
    """The body of POST /notifications."""

    notification: Notification


decode, encode = msgspec.json.Decoder(Body).decode, msgspec.json.Encoder().encode

OnReply = Callable[[Any], None]


class Redis(asyncio.Protocol):
    """Sends the calls of one iteration of the event loop in one write."""

    def __init__(self) -> None:
        self.awaiting: deque[OnReply] = deque()
        self.unwritten: list[bytes] = []
        self.reader = hiredis.Reader()
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def call(self, command: tuple[Any, ...], on_reply: OnReply) -> None:
        """Send a command at the end of this iteration, and call `on_reply` with its reply."""
        if not self.unwritten:
            self.loop.call_soon(self.flush)
        self.unwritten.append(hiredis.pack_command(command))
        self.awaiting.append(on_reply)

    def flush(self) -> None:
        """Write the calls so far."""
        self.transport.write(b"".join(self.unwritten))
        self.unwritten.clear()

    def data_received(self, data: bytes) -> None:
        """Call the callbacks of complete replies."""
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            self.awaiting.popleft()(reply)


class BarePath:
    """The state that all connections share."""

    def __init__(self, configuration: Configuration, redis: Redis):
        self.configuration = configuration
        self.redis = redis
        self.secret = configuration.secret.encode()
        self.requests = 0
        library = configuration.library
        self.change, self.list, self.read_log = (f"{library}_{name}" for name in ("change", "list", "read_log"))

    def respond(self, connection: "Http", path: str, headers: dict[bytes, bytes], body: bytes) -> None:
        """Send the call of a request, whose reply is written to the connection."""
        if path == "/notifications" and body:
            self.create(connection, headers, body)
            return
        name = headers[b"x-magicbell-user-external-id"]
        expected = base64.b64encode(hmac.digest(self.secret, name, hashlib.sha256))
        if not hmac.compare_digest(headers[b"x-magicbell-user-hmac"], expected):
            raise PermissionError
        key, limit = self.configuration.users[name.decode()], self.configuration.limit
        if path == "/notifications":
            page = ("013457", 0, 15, 0, 0)
            command: tuple[Any, ...] = ("FCALL", self.list, 1, key, "reads", limit, "", "", *page)
            self.redis.call(command, lambda reply: self.write_page(connection, reply))
        elif path == "/realtime/events":
            bounds = ("0123456789ab", "", "", 256, 131072, "")
            command = ("FCALL", self.read_log, 1, key, "reads", limit, "", "", *bounds)
            self.redis.call(command, lambda reply: self.write_counts(connection, reply))
        else:
            _, _, item, change = path.split("/")
            log = (int(time.time() * 1000), "0123456789ab", self.configuration.log_events)
            event = (uuid.UUID(item).bytes, TRANSITIONS[change], f"notifications/{change}", b"")
            guard = ("writes", limit, "", "")
            command = ("FCALL", self.change, 1, key, *guard, *log, self.configuration.log_seconds, *event)
            self.redis.call(command, lambda reply: self.write_done(connection, reply))

    def create(self, connection: "Http", headers: dict[bytes, bytes], body: bytes) -> None:
        """Store a notification for one user."""
        if not hmac.compare_digest(headers[b"x-magicbell-api-secret"], self.secret):
            raise PermissionError
        sent = decode(body).notification
        now = time.time()
        key, item = "bare_path:{1:" + sent.recipients[0].external_id + "}", str(uuid.uuid4())
        fields = encode(Fields(sent.title, sent.content, sent.action_url, sent.category, sent.topic))
        content = b'{"id":"%b",%b' % (item.encode(), fields[1:-1])
        keys = (key, key + ":log", key + ":items", key + ":index")
        response = b'{"notification":%b,"sent_at":%d}}' % (content, now)
        self.redis.call(
            ("FCALL", "bare_path_create", 4, *keys, item, content, str(now)),
            lambda reply: self.write(connection, b"201 Created", response),
        )

    def write_done(self, connection: "Http", reply: Any) -> None:
        """Write the response to a change."""
        word, used, seconds, position = reply
        if word != b"ok" or position is None:
            connection.transport.close()
            return
        self.requests += 1
        limit = self.configuration.limit
        head = HEAD % (b"204 No Content", self.requests)
        limits = LIMITS % (limit, limit - used, seconds)
        connection.transport.write(b"%b%bx-inbox-position: %b\r\n%b" % (head, limits, position, END))

    def write_page(self, connection: "Http", reply: Any) -> None:
        """Write a page of an inbox."""
        _, used, seconds, (epoch, offset, total, unread, unseen, *items) = reply
        body = (
            b'{"project_id":1,"total":%d,"total_pages":%d,"per_page":15,"current_page":1,"unread_count":%d,'
            b'"unseen_count":%d,"notifications":[%b]}' % (total, -(-total // 15), unread, unseen, b",".join(items))
        )
        self.write(connection, b"200 OK", body, used, seconds, b"x-inbox-position: %b.%b\r\n" % (epoch, offset))

    def write_counts(self, connection: "Http", reply: Any) -> None:
        """Write the counts of an inbox."""
        _, used, seconds, (epoch, offset, unread, unseen, unarchived_unread, unarchived_unseen, *_) = reply
        body = (
            b'{"events":[],"position":"%b.%d","more":false,"reset":null,"unread_count":%d,"unseen_count":%d,'
            b'"unarchived":{"unread_count":%d,"unseen_count":%d}}'
            % (epoch, int(offset), unread, unseen, unarchived_unread, unarchived_unseen)
        )
        self.write(connection, b"200 OK", body, used, seconds)

    def write(
        self, connection: "Http", status: bytes, body: bytes, used: int = 0, seconds: int = 0, more: bytes = b""
    ) -> None:
        """Write a response with a body; `used` and `seconds` are those of a rate limit."""
        self.requests += 1
        limit = self.configuration.limit
        head = HEAD % (status, self.requests) + more + JSON % len(body)
        if used:
            head += LIMITS % (limit, limit - used, seconds)
        connection.transport.write(head + END + body)


class Http(asyncio.Protocol):
    """One connection."""

    def __init__(self, bare_path: BarePath):
        self.bare_path = bare_path

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to parse."""
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what was received; the parser calls the methods below."""
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    def on_url(self, url: bytes) -> None:
        """Store the path."""
        self.path = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header."""
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """Append a part of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Respond to the request. Close the connection on any error."""
        try:
            self.bare_path.respond(self, self.path, self.headers, self.body)
        except Exception as problem:
            print(repr(problem), flush=True)
            self.transport.close()


async def main(configuration: Configuration, port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    _, redis = await loop.create_unix_connection(Redis, configuration.socket)
    bare_path = BarePath(configuration, redis)
    redis.call(("FUNCTION", "LOAD", "REPLACE", CREATE), lambda reply: print(reply, flush=True))
    await loop.create_server(lambda: Http(bare_path), "127.0.0.1", port)
    await asyncio.Event().wait()


uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Configuration), int(sys.argv[2])))
