"""A connection between a hub that records calls and a real socket: effects, delivery, and slow readers."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.domain.effects import Authenticate, Ping, ReadLog, Renew, Send
from gateway.domain.errors import CloseCode
from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.messages import Pong
from gateway.domain.principal import Credentials, Project, User, UserPrincipal
from gateway.domain.session import Session, SessionLimits, SessionState
from gateway.live.backlog import MISSED_EVENTS
from gateway.live.connection import STALL_HEARTBEATS, Connection
from gateway.live.credential import ConnectionCredential
from gateway.live.deadlines import Deadlines
from gateway.live.figures import LiveFigures
from gateway.live.websocket import WebSocketConnection
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.store.usage_counts import UsageCounts
from tests.live.test_backlog import until_stalled

START = Position("e", 5)
KEY = Credentials(api_key="k", external_id="joe")
LARGE = b"x" * 8 * 1024 * 1024
"""More than the kernel accepts for a peer that does not read."""


@dataclass
class RecordingHub:
    """A hub that records what connections request."""

    limits: SessionLimits = SessionLimits(25, 10, 100)
    max_write_buffer_bytes: int = 64 * 1024
    max_message_bytes: int = 4096
    allowed_origins: tuple[str, ...] = ()
    access_log: bool = False
    draining: bool = False
    deadlines: Deadlines[Connection] = field(default_factory=lambda: Deadlines[Connection](25))
    scheduler: FairScheduler = field(default_factory=FairScheduler)
    figures: LiveFigures = field(default_factory=lambda: LiveFigures(UsageCounts()))
    calls: list[tuple[str, Any]] = field(default_factory=list)

    def new_session(self, accepted_at: float | None) -> Session:
        """Create a session."""
        return Session("c1", self.limits, accepted_at or time.monotonic())

    def admit(self, connection: Connection, credentials: Credentials) -> None:
        """Record the call."""
        self.calls.append(("admit", credentials))

    def renew(self, connection: Connection, credentials: Credentials) -> None:
        """Record the call."""
        self.calls.append(("renew", credentials))

    def read_log(self, connection: Connection, after: Position | None) -> None:
        """Record the call."""
        self.calls.append(("read_log", after))

    def leave(self, connection: Connection) -> None:
        """Record the call."""
        self.calls.append(("leave", connection))


class Peer:
    """The other end of a connection's socket, which reads only when a test calls `read`."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def read(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        data = b""
        async with asyncio.timeout(10):
            while len(data) < count:
                part = await asyncio.get_running_loop().sock_recv(self._sock, count - len(data))
                assert part, "the socket was closed"
                data += part
        return data

    async def message(self) -> dict[str, Any]:
        """Read a text frame of less than 64 KB."""
        head = await self.read(2)
        assert head[0] == 0x81, head
        size = head[1] if head[1] < 126 else int.from_bytes(await self.read(2))
        found: dict[str, Any] = json.loads(await self.read(size))
        return found


@contextlib.asynccontextmanager
async def connected(state: SessionState = SessionState.LIVE) -> AsyncIterator[tuple[WebSocketConnection, Peer]]:
    """Connect a WebSocket connection to a peer. Its session is in the given state, at START."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, server.getsockname())
        accepted, _ = server.accept()
        connection = WebSocketConnection(RecordingHub())
        await loop.connect_accepted_socket(lambda: connection, accepted)
        connection.session.state, connection.session.position = state, START
        connection.session.ready = state is SessionState.LIVE
        try:
            yield connection, Peer(sock)
        finally:
            connection.transport.abort()
            await asyncio.sleep(0)


def calls(connection: Connection) -> list[tuple[str, Any]]:
    """Return what a connection has requested of its hub."""
    hub = connection.hub
    assert isinstance(hub, RecordingHub)
    return hub.calls


def event(offset: int, text: bytes = b"{}") -> Event:
    """Return an event of the log of START."""
    return Event(Position("e", offset), 0, "n", text)


def deliver(connection: Connection, offset: int, text: bytes = b"{}") -> bool:
    """Deliver one event."""
    published = event(offset, text)
    return connection.deliver(published.position.before, published.position, connection.encode_event(published))


# ---- effects


@pytest.mark.parametrize(
    ("effect", "call"),
    [
        (Authenticate(KEY), ("admit", KEY)),
        (Renew(KEY), ("renew", KEY)),
        (ReadLog(START), ("read_log", START)),
        (ReadLog(None), ("read_log", None)),
    ],
)
async def test_effects_that_need_the_store_go_to_the_hub(effect: Any, call: tuple[str, Any]) -> None:
    async with connected() as (connection, _):
        connection.perform((effect,))
        assert calls(connection) == [call]


async def test_messages_are_written_in_order_in_one_piece() -> None:
    async with connected() as (connection, peer):
        connection.perform((Send((Pong(), event(6, b'{"a":1}'), Pong())),))
        assert [await peer.message() for _ in range(3)] == [{"type": "pong"}, {"a": 1}, {"type": "pong"}]


async def test_a_heartbeat_is_a_ping_frame() -> None:
    async with connected() as (connection, peer):
        connection.perform((Ping(),))
        assert await peer.read(2) == b"\x89\x00"


async def test_a_close_is_a_goodbye_and_a_close_frame_and_sets_the_deadline_of_the_abort() -> None:
    async with connected() as (connection, peer):
        before = connection.deadline_slot
        connection.perform(connection.session.close(CloseCode.DRAINING, 300))
        assert await peer.message() == {"type": "goodbye", "code": 4001, "reason": "draining", "retry_after_ms": 300}
        assert (await peer.read(4))[2:4] == (4001).to_bytes(2)
        assert connection.deadline_slot != before


# ---- the socket


async def test_a_connection_that_is_lost_leaves_the_hub_and_ends_its_session() -> None:
    async with connected() as (connection, _):
        connection.transport.abort()
        await asyncio.sleep(0.01)
        assert connection.session.closed
        assert calls(connection) == [("leave", connection)]


async def test_a_closed_connection_is_aborted_at_its_deadline() -> None:
    async with connected() as (connection, _):
        connection.session.close(CloseCode.DRAINING)
        connection.on_deadline(time.monotonic())
        await asyncio.sleep(0.01)
        assert ("leave", connection) in calls(connection)


async def test_at_a_deadline_the_session_sends_a_heartbeat_and_the_next_deadline_is_set() -> None:
    async with connected() as (connection, peer):
        connection.deadline_slot = None
        connection.on_deadline(time.monotonic())
        assert await peer.read(2) == b"\x89\x00"
        assert connection.deadline_slot is not None


# ---- credentials


async def test_only_the_fields_that_revocation_needs_are_kept_of_a_principal() -> None:
    project = Project(ProjectId("1"), "p", "k", True, ())
    user = User(ProjectId("1"), UserId("u"), "joe", None)
    async with connected() as (connection, _):
        connection.set_principal(UserPrincipal(project, user, "secret", 2000, "t", 1000, 3000))
        assert connection.credential == ConnectionCredential("secret", ("t", 1000), 2000)
        assert connection.session.credential_expires_at == 2000
        before = connection.credential
        connection.set_principal(UserPrincipal(project, user))
        assert connection.token == ("", None)
        connection.credential = before
        assert connection.session.credential_expires_at == 2000


# ---- delivery


async def test_the_next_event_is_written() -> None:
    async with connected() as (connection, peer):
        assert deliver(connection, 6, b'{"n":6}')
        assert await peer.message() == {"n": 6}


async def test_a_duplicate_is_not_written_and_reads_nothing() -> None:
    async with connected() as (connection, _):
        assert not deliver(connection, 5)
        assert calls(connection) == []


async def test_an_event_after_a_gap_is_read_from_the_log() -> None:
    async with connected() as (connection, _):
        assert not deliver(connection, 8)
        assert calls(connection) == [("read_log", START)]
        assert not deliver(connection, 9), "the read is under way"
        assert calls(connection) == [("read_log", START)]


# ---- a peer that reads slowly


async def test_an_event_is_not_written_to_a_full_write_buffer_and_is_read_from_the_log_when_it_has_drained() -> None:
    async with connected() as (connection, peer):
        connection.transport.write(LARGE)
        assert connection.backlog is not None
        assert not deliver(connection, 6)
        assert calls(connection) == []
        await peer.read(len(LARGE))
        async with asyncio.timeout(10):
            while not calls(connection):
                await asyncio.sleep(0.01)
        assert calls(connection) == [("read_log", START)]
        assert connection.backlog is None
        connection.perform(connection.session.log_read(LogPage(Position("e", 6), Counts(0, 0, 0, 0), (event(6),))))
        assert await peer.message() == {}


async def test_a_peer_that_acknowledges_nothing_while_events_pass_is_a_slow_reader() -> None:
    async with connected() as (connection, _):
        connection.transport.write(LARGE)
        await until_stalled(connection.transport)
        for offset in range(6, 6 + MISSED_EVENTS):
            deliver(connection, offset)
            assert not connection.session.closed
        for offset in range(40, 43):
            deliver(connection, offset)
        assert connection.session.closed
        assert connection.pending_read is None


async def test_a_peer_that_acknowledges_nothing_for_some_heartbeats_is_a_slow_reader() -> None:
    async with connected() as (connection, _):
        connection.transport.write(LARGE)
        await until_stalled(connection.transport)
        now = time.monotonic()
        connection.on_deadline(now)
        assert not connection.session.closed
        connection.on_deadline(now + STALL_HEARTBEATS * connection.hub.limits.heartbeat_seconds + 1)
        assert connection.session.closed


async def test_the_silence_of_a_peer_that_acknowledges_does_not_count() -> None:
    async with connected() as (connection, peer):
        connection.transport.write(LARGE)
        later = time.monotonic() + 1000
        connection.on_deadline(time.monotonic())
        await peer.read(1024 * 1024)
        assert connection.session.silent(later)
        connection.on_deadline(later)
        assert not connection.session.closed
        assert connection.session.active_at == later
