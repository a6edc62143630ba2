"""The gateway, as `serve` starts it, with its bundled Valkey."""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import jwt

from loadtest import machine
from loadtest.clients import Address, Client, Make, SseClient, WebSocketClient, request_head, websocket_head
from loadtest.cores import Cores
from loadtest.journal import EventJournal, mark_of, payload
from loadtest.targets.base import SSE, WEBSOCKET, StartedTarget

API_KEY, API_SECRET = "loadtest", "loadtest-secret-of-a-decent-length"
MOST_RECIPIENTS = 1000


class _Inbox(Client):
    """The part of a client that both transports share.

    It checks that `ready` is first, and that positions have no gaps.
    """

    def opened(self) -> None:
        """Do nothing. The client is ready at the message `ready`."""

    def received(self, message: bytes) -> None:
        """Check the position, then record the event."""
        at = message.find(b'"position":"') + 12
        if at >= 12:
            self._check(message, message[at : message.index(b'"', at)].decode())
        super().received(message)

    def number_of(self, message: bytes) -> int | None:
        """Return the mark of a new notification. Its later events contain the mark too, and are ignored."""
        return mark_of(message) if b'"name":"notifications/new"' in message else None

    def _check(self, message: bytes, position: str) -> None:
        if message.startswith(b'{"type":"event"'):
            epoch, _, offset = self.position.partition(".")
            self.out_of_order += bool(self.position) and position != f"{epoch}.{int(offset) + 1}"
        elif message.startswith(b'{"type":"ready"'):
            # The position from which the replay starts.
            self.out_of_order += bool(self.position) and position != self.position
            self.be_ready()
        elif message.startswith(b'{"type":"reset"'):
            self.resets += 1
            self.be_ready()
        self.position = position


class _WebSocketInbox(_Inbox, WebSocketClient):
    pass


class _SseInbox(_Inbox, SseClient):
    pass


class GatewayTarget(StartedTarget):
    """The gateway with one project that requires HMACs."""

    name = "inbox gateway"
    transports = (WEBSOCKET, SSE)
    keeps_inbox = True
    stop_seconds = 20.0
    ends_its_children = True

    def __init__(self, cores: Cores, workers: int = 1, **settings: str):
        super().__init__(cores)
        self.settings = {
            "INBOX_WORKERS": str(workers),
            "INBOX_MAX_CONNECTIONS_PER_USER": "1000000",
            "INBOX_ACCESS_LOG": "false",
            "INBOX_RATE_LIMIT_READS": "0",
            "INBOX_RATE_LIMIT_WRITES": "0",
            "INBOX_DRAIN_SECONDS": "0",
            **settings,
        }

    def command(self) -> list[str]:
        """Return the command of the gateway."""
        return [sys.executable, "-m", "gateway", "serve"]

    def environment(self) -> dict[str, str]:
        """Return the settings. Limits are off, because they are not measured."""
        return {
            "INBOX_PORT": str(self.port),
            "INBOX_DATA_DIR": str(self.directory / "data"),
            "INBOX_BOOTSTRAP_API_KEY": API_KEY,
            "INBOX_BOOTSTRAP_API_SECRET": API_SECRET,
            "INBOX_BOOTSTRAP_HMAC_ENABLED": "true",
            **self.settings,
        }

    async def is_ready(self) -> bool:
        """Return whether /readyz responds with 200, and the process that prints the addresses has ended."""
        try:
            reader, writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            return False
        writer.write(request_head("GET", self.host, "/readyz", {"Connection": "close"}))
        try:
            head = await asyncio.wait_for(reader.read(64), 10)
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        # A short-lived child prints the addresses. After its end, all processes of the tree serve.
        return head.startswith(b"HTTP/1.1 200") and "serves at" in self.log() and not self._announces()

    def _announces(self) -> bool:
        """Return whether the child that prints the addresses is running, or is ending."""
        commands = [machine.command_line(pid) for pid in self.pids()]
        return any("announce" in command or not command for command in commands)

    @property
    def redis_socket(self) -> str:
        """The path of the Unix socket of the bundled Valkey."""
        return str(self.directory / "data" / "valkey" / "valkey.sock")

    @property
    def redis_url(self) -> str:
        """The address of its Redis, as INBOX_REDIS_URL has it."""
        return f"unix://{self.redis_socket}"

    async def redis_information(self, section: str = "default") -> dict[str, str]:
        """Return the names and values of a section of INFO of the bundled Valkey. Raise OSError."""
        reader, writer = await asyncio.open_unix_connection(self.redis_socket)
        writer.write(f"INFO {section}\r\n".encode())
        length = int((await reader.readline())[1:])
        text = (await reader.readexactly(length)).decode()
        writer.close()
        fields = (line.partition(":") for line in text.splitlines() if ":" in line)
        return {name: value for name, _, value in fields}

    # -- requests of users

    def user_fields(self, user: str) -> dict[str, str]:
        """Return the headers of a user with an HMAC."""
        mac = base64.b64encode(hmac.digest(API_SECRET.encode(), user.encode(), hashlib.sha256)).decode()
        return {"X-MAGICBELL-API-KEY": API_KEY, "X-MAGICBELL-USER-EXTERNAL-ID": user, "X-MAGICBELL-USER-HMAC": mac}

    def token_fields(self, user: str) -> dict[str, str]:
        """Return the headers of a user with a token."""
        claims = {"api_key": API_KEY, "user_external_id": user, "exp": int(time.time()) + 86400}
        return {"Authorization": f"Bearer {jwt.encode(claims, API_SECRET, algorithm='HS256')}"}

    def make(self, transport: str) -> Make:
        """Return a function that creates clients without a position to resume at."""
        return self.make_with(transport)

    def make_with(
        self, transport: str, *, token: bool = False, since: dict[str, str] | None = None, credentials: bool = True
    ) -> Make:
        """Return a function that creates clients with an HMAC or a token. Users in `since` resume at that position."""
        prepared: dict[str, dict[str, str]] = {}

        def make(user: str, journal: EventJournal | None) -> Client:
            fields = prepared.get(user)
            if fields is None:
                fields = self.token_fields(user) if token else self.user_fields(user)
                prepared[user] = fields
            position = since.get(user, "") if since else ""
            query = "?" + urlencode({"since": position}) if position else ""
            if transport == WEBSOCKET:
                request = websocket_head(self.host, "/realtime/ws" + query, fields)
                client: Client = _WebSocketInbox(user, Address(self.host, self.port, request), journal)
            else:
                request = request_head("GET", self.host, "/realtime/sse" + query, fields)
                client = _SseInbox(user, Address(self.host, self.port, request), journal)
            client.position = position
            return client

        return make

    def user_request(self, method: str, user: str, path: str) -> bytes:
        """Return a request of a user."""
        return request_head(method, self.host, path, {**self.user_fields(user), "Content-Length": "0"})

    # -- requests of backends

    def request(self, user: str, number: int, size: int = 200) -> bytes:
        """Return the request that sends a notification to one user."""
        return self.request_many([user], number, size)

    def request_many(
        self, users: Sequence[str], number: int, size: int = 200, *, idempotency_key: str = "", **fields: str
    ) -> bytes:
        """Return the request that sends a notification to at most MOST_RECIPIENTS users."""
        recipients = [{"external_id": user} for user in users]
        notification = {**self.notification(number, size), "recipients": recipients, **fields}
        return self.backend_request("POST", "/notifications", {"notification": notification}, idempotency_key)

    def notification(self, number: int, size: int = 200) -> dict[str, Any]:
        """Return a marked notification without its recipients."""
        return {"title": "Load", "content": payload(number, size).decode()}

    def backend_request(
        self,
        method: str,
        path: str,
        content: Any = None,
        idempotency_key: str = "",
        credentials: tuple[str, str] = (API_KEY, API_SECRET),
    ) -> bytes:
        """Return a request of a backend. `credentials` are the key and the secret of its project."""
        body = b"" if content is None else json.dumps(content, separators=(",", ":")).encode()
        fields = {
            "X-MAGICBELL-API-KEY": credentials[0],
            "X-MAGICBELL-API-SECRET": credentials[1],
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
        }
        if idempotency_key:
            fields["Idempotency-Key"] = idempotency_key
        return request_head(method, self.host, path, fields) + body
