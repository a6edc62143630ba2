"""What WebSocket and SSE connections share: one session, one transport, and carrying out the session's effects.

There is no task and no queue per connection. The hub calls `deliver`, which writes to the socket at once; what the
kernel does not take waits in the transport's buffer. When that passes its bound the transport says `pause_writing`.
From then on nothing more is written until the buffer has drained: a connection that misses an event meanwhile goes on
from the log, page by page, as one that resumes. So what a connection holds is the bound and one event or page. A peer
that takes nothing at all of what waits is a slow reader, and is closed with a code that makes it resume.
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias, cast

import msgspec

from gateway.domain.errors import CloseCode
from gateway.domain.event import Event, Position
from gateway.domain.messages import Goodbye, Ready, Reset, ServerMessage
from gateway.domain.origin import origin_allowed
from gateway.domain.principal import Credentials, UserPrincipal
from gateway.domain.session import (
    Authenticate,
    Close,
    Effects,
    Ping,
    ReadLog,
    Renew,
    Send,
    Session,
    SessionState,
)
from gateway.domain.signing import NO_PROOF
from gateway.live.backlog import MISSED_EVENTS, Backlog, is_taking
from gateway.live.handshake import Handshake
from gateway.telemetry.logs import log
from gateway.telemetry.metrics import CLOSED, CONNECTIONS, DELIVERED, GAPS, OPENED, RESETS, RESUMES, SLOW_READERS

if TYPE_CHECKING:
    from gateway.live.hub import Hub
    from gateway.live.user_subscription import UserSubscription

TRANSPORTS = ("websocket", "sse", "sse_http10")

CLOSE_SECONDS = 5.0
"""How long a closed connection may take to read the goodbye before it is cut."""

STALL_HEARTBEATS = 2.5
"""A peer that takes nothing of what waits for it for this many heartbeats is gone."""

_RETRY_MS = (200, 2000)
"""Reconnects after a slow reader or an outage are spread over this range."""

_OPENED = {name: OPENED.labels(name) for name in TRANSPORTS}
_CONNECTIONS = {name: CONNECTIONS.labels(name) for name in TRANSPORTS}

Token: TypeAlias = tuple[str, int | None]
"""What revoking a token goes by: its id, and when it was issued."""

NO_TOKEN: Token = ("", None)

encode_json = msgspec.json.encode

CLIENT_IS_GONE = 499
"""The status that is logged for a client that left before its answer, as nginx does."""


class Opening(NamedTuple):
    """The request that a connection began with, until it is logged. `began` is monotonic seconds."""

    request_id: str
    client: str
    began: float


def retry_after_ms() -> int:
    """Pick when a client should come back, so that many do not come back together."""
    return random.randint(*_RETRY_MS)


class Connection(asyncio.Protocol, ABC):
    """One open inbox. Subclasses say how bytes look on their transport."""

    name: ClassVar[str]
    """The transport's name in metrics and in the hub's cache of encoded events."""

    path: ClassVar[str]
    """Where the transport is served."""

    opened_status: ClassVar[int]
    """The HTTP status of a request that is let in."""

    answers_heartbeats: ClassVar[bool]
    """Whether silence means that the peer is gone."""

    __slots__ = (
        "authenticated_by",
        "backlog",
        "hub",
        "opened",
        "opening",
        "origin",
        "pending_read",
        "session",
        "slot",
        "subscription",
        "token",
        "transport",
    )

    def __init__(self, hub: "Hub", accepted_at: float | None = None):
        self.hub = hub
        self.session = Session(hub.next_connection_id(), hub.limits, accepted_at or time.monotonic())
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # set by connection_made, used only after
        self.subscription: UserSubscription | None = None
        self.backlog: Backlog | None = None
        self.authenticated_by = NO_PROOF
        self.token = NO_TOKEN
        self.pending_read: ReadLog | None = None
        self.opened = False
        self.opening: Opening | None = None
        self.origin: str | None = None
        self.slot: int | None = None

    # -- how this transport looks on the wire

    @classmethod
    @abstractmethod
    def encode_event(cls, event: Event) -> bytes:
        """Encode an event as this transport's bytes; the same for every connection."""

    @abstractmethod
    def encode_message(self, message: ServerMessage) -> bytes:
        """Encode anything else the server says."""

    @abstractmethod
    def write_heartbeat(self) -> None:
        """Write the transport's own heartbeat."""

    def refused_status(self, close: Close) -> int:
        """Return the HTTP status of a request that was refused with this."""
        return self.opened_status

    @abstractmethod
    def write_goodbye(self, close: Close) -> None:
        """Say why and close; `cut` follows if the peer does not go."""

    def began(self, handshake: Handshake) -> None:
        """Take note of the request that this connection begins with."""
        self.opening = Opening(handshake.request_id, handshake.client, time.monotonic())

    def client_address(self) -> str:
        """Return the client's address until the opening is logged, "" where it was not needed."""
        return self.opening.client if self.opening is not None else ""

    def log_opening(self, status: int) -> None:
        """Log that request, once, when it is known what became of it."""
        opening, self.opening = self.opening, None
        if opening is None or not self.hub.access_log:
            return
        user = self.subscription.user if self.subscription is not None else None
        log.request(
            "GET",
            self.path,
            status,
            (time.monotonic() - opening.began) * 1000,
            opening.request_id,
            user.project_id if user else "",
            user.id if user else "",
            self.session.connection_id,
            opening.client,
        )

    # -- from the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a socket: from here on this hears that it is lost, and the hub has a deadline for it."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self.transport.set_protocol(self)
        self.transport.set_write_buffer_limits(high=self.hub.max_write_buffer_bytes)
        self.slot = self.hub.wheel.schedule(self, self.session.next_deadline(time.monotonic(), time.time()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything about a connection that is gone."""
        self.session.disconnected()
        self.log_opening(CLIENT_IS_GONE)
        self.hub.leave(self)
        if self.opened:
            self.opened = False
            _CONNECTIONS[self.name].dec()

    def pause_writing(self) -> None:
        """Write nothing more: the buffer is over its bound."""
        self.backlog = Backlog()

    def resume_writing(self) -> None:
        """Go on with a replay that waited for the buffer to drain."""
        self.backlog = None
        read, self.pending_read = self.pending_read, None
        if read is not None and self.session.state is SessionState.REPLAYING:
            self.hub.read_log(self, read.after)

    # -- from the hub

    def authenticated(self, principal: UserPrincipal) -> None:
        """Remember what the credentials were, so far as it may end: the least that tells, as there are many of us."""
        self.authenticated_by = principal.authenticated_by
        self.token = NO_TOKEN if principal.token_issued_at is None else (principal.token_id, principal.token_issued_at)
        self.session.credential_ends(principal.credential_expires_at)

    def project_found(self, allowed_origins: tuple[str, ...]) -> bool:
        """Say whether pages of the connection's origin may connect to its project."""
        return origin_allowed(self.origin, allowed_origins)

    def deliver(self, before: Position, last: Position, frame: bytes) -> bool:
        """Write events, encoded for this transport, if they are the next ones here; return whether they were.

        `frame` has all events after `before`, up to `last`. This is the hot path, called for each connection and event.
        Deciding in the session costs no more than deciding in the hub's loop did: 0.19 µs of the 6 to 10 µs that an
        event costs with its system call (measured on Python 3.11, 1,000 connections).
        """
        if self.backlog is None and self.session.advance(before, last):
            self.transport.write(frame)
            return True
        self._not_delivered(last)
        return False

    def event_published(self, position: Position) -> None:
        """Read from the log what was published and cannot be delivered, unless it was sent before."""
        self.perform(self.session.event_published(position))

    def on_deadline(self, now: float) -> None:
        """Let time pass for this connection and set its next deadline."""
        if self.session.closed:
            self.transport.abort()
            return
        unix_now = time.time()
        if self._stalled(now):
            self._close_slow_reader()
            return
        self.perform(self.session.tick(now, unix_now, self.answers_heartbeats))
        if not self.session.closed:
            self.slot = self.hub.wheel.schedule(self, self.session.next_deadline(now, unix_now))

    def perform(self, effects: Effects) -> None:
        """Do what the session asks for."""
        for effect in effects:
            match effect:
                case Send(messages):
                    self._send(messages)
                case ReadLog(after):
                    if self.backlog is None:
                        self.hub.read_log(self, after)
                    else:
                        self.pending_read = effect
                case Ping():
                    self.write_heartbeat()
                case Authenticate(credentials):
                    self.hub.admit(self, credentials)
                case Renew(credentials):
                    self.hub.renew(self, credentials)
                case Close():
                    self._close(effect)

    # -- a peer that reads slowly

    def _not_delivered(self, last: Position) -> None:
        effects, backlog = self.session.event_published(last), self.backlog
        if effects and backlog is None:
            GAPS.inc()
        self.perform(effects)
        if backlog is not None and (effects or backlog.missed):  # otherwise the log is being read anyway
            self._fall_behind(backlog)

    def _fall_behind(self, backlog: Backlog) -> None:
        """Leave published events to the log until the peer has taken what waits."""
        if backlog.missed == 0 or backlog.missed >= MISSED_EVENTS:
            progressed = backlog.progressed(self.transport, time.monotonic())
            if backlog.missed and not progressed:
                self._close_slow_reader()
        backlog.missed += 1

    def _stalled(self, now: float) -> bool:
        """Return whether the peer takes nothing of what waits. If it does its answers are late, which is no silence."""
        backlog, seconds = self.backlog, self.hub.limits.heartbeat_seconds
        if backlog is None:
            late = self.answers_heartbeats and self.session.silent(now) and is_taking(self.transport, seconds)
        elif backlog.progressed(self.transport, now) or now - backlog.since < STALL_HEARTBEATS * seconds:
            late = True
        else:
            return True
        if late:
            self.session.record_activity(now, counted=False)
        return False

    def _close_slow_reader(self) -> None:
        if effects := self.session.close(CloseCode.SLOW_READER, retry_after_ms()):
            SLOW_READERS.inc()
            self.perform(effects)

    # -- inside

    def _open(self, credentials: Credentials, since: str | None) -> None:
        self.perform(self.session.credentials_found(credentials, since))

    def _send(self, messages: tuple[ServerMessage | Event, ...]) -> None:
        parts: list[bytes] = []
        events = 0
        for message in messages:
            if isinstance(message, Event):
                parts.append(self.encode_event(message))
                events += 1
            else:
                parts.append(self.encode_message(message))
                self._count(message, resumed=isinstance(messages[-1], Event))
        self.transport.write(b"".join(parts))
        DELIVERED.inc(events)

    def _count(self, message: ServerMessage, resumed: bool) -> None:
        if isinstance(message, Ready):
            self.opened = True
            self.log_opening(self.opened_status)
            _OPENED[self.name].inc()
            _CONNECTIONS[self.name].inc()
            self.slot = self.hub.schedule_first_heartbeat(self)
            if resumed:
                RESUMES.inc()
        elif isinstance(message, Reset):
            RESETS.labels(message.reason).inc()

    def _close(self, close: Close) -> None:
        CLOSED.labels(close.code.reason).inc()
        self.pending_read = None
        self.write_goodbye(close)
        self.log_opening(self.refused_status(close))
        self.slot = self.hub.schedule_cut(self)


def goodbye(close: Close) -> Goodbye:
    """Build the last message of a session."""
    return Goodbye(close.code.value, close.code.reason, close.retry_after_ms if close.code.may_resume else None)
