"""What WebSocket and SSE connections share: one session, one transport, and performing the session's effects.

A connection has no task and no queue. The hub calls `deliver`, which writes to the socket at once. Data that the kernel
does not accept waits in the transport's write buffer. When the buffer exceeds its bound, the transport calls
`pause_writing`. From then on nothing is written until the buffer has drained. A connection that misses an event
meanwhile continues from the log, page by page, like one that resumes. So a connection buffers at most the bound and one
event or page. A peer that acknowledges none of the buffered data is a slow reader. It is closed with a code that makes
its client resume.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from typing import ClassVar, cast

import msgspec

from gateway.domain.effects import Authenticate, Close, Effects, Ping, ReadLog, Renew, Send
from gateway.domain.errors import CloseCode
from gateway.domain.event import Event, Position
from gateway.domain.messages import Ready, Reset, ServerMessage
from gateway.domain.origin import origin_allowed
from gateway.domain.principal import UserPrincipal
from gateway.domain.session import SessionState
from gateway.domain.signing import NO_PROOF
from gateway.live.backlog import Backlog, is_acknowledging
from gateway.live.credential import NO_TOKEN, ConnectionCredential
from gateway.live.handshake import Handshake
from gateway.live.hub_interface import HubInterface
from gateway.live.opening import CLIENT_CLOSED_REQUEST, Opening
from gateway.live.pacing import retry_after_ms
from gateway.live.user_subscription import UserSubscription
from gateway.store.nodes import TRANSPORTS
from gateway.telemetry.metrics import CLOSED, CONNECTIONS, DELIVERED, GAPS, OPENED, RESETS, RESUMES, SLOW_READERS
from gateway.telemetry.tallies import Tally

STALL_HEARTBEATS = 2.5
"""A peer that acknowledges none of its buffered data for this many heartbeats is closed."""

_OPENED = {name: Tally(OPENED.labels(name)) for name in TRANSPORTS}
_CONNECTIONS = {name: Tally(CONNECTIONS.labels(name)) for name in TRANSPORTS}

encode_json = msgspec.json.encode


class Connection(asyncio.Protocol, ABC):
    """A live connection. A subclass for each transport encodes what is written.

    `accepted_at` is the moment, in monotonic seconds, from which the time limit for credentials counts.
    """

    name: ClassVar[str]
    """The transport's name in metrics, and in the cache of encoded events during a dispatch."""

    path: ClassVar[str]
    """The path at which the transport is served."""

    opened_status: ClassVar[int]
    """The HTTP status of a request that is accepted."""

    responds_to_heartbeats: ClassVar[bool]
    """Whether peers respond to heartbeats, so that a silent peer counts as disconnected."""

    __slots__ = (
        "authenticated_by",
        "backlog",
        "deadline_slot",
        "hub",
        "opened",
        "opening",
        "origin",
        "pending_read",
        "session",
        "subscription",
        "token",
        "transport",
    )

    def __init__(self, hub: "HubInterface[Connection]", accepted_at: float | None = None):
        self.hub = hub
        self.session = hub.new_session(accepted_at)
        self.transport: asyncio.Transport = None  # type: ignore[assignment] # set by connection_made, used only after
        self.subscription: UserSubscription[Connection] | None = None
        self.backlog: Backlog | None = None
        self.authenticated_by = NO_PROOF
        self.token = NO_TOKEN
        self.pending_read: ReadLog | None = None
        self.opened = False
        self.opening: Opening | None = None
        self.origin: str | None = None
        self.deadline_slot: int | None = None

    # -- the encoding of this transport

    @classmethod
    @abstractmethod
    def encode_event(cls, event: Event) -> bytes:
        """Encode an event. The bytes are the same for every connection of the transport."""

    @abstractmethod
    def encode_message(self, message: ServerMessage) -> bytes:
        """Encode a message that is not an event."""

    @abstractmethod
    def write_heartbeat(self) -> None:
        """Write the transport's own heartbeat."""

    @abstractmethod
    def write_goodbye(self, close: Close) -> None:
        """Write the reason of the close, and close the connection.

        The hub aborts it later if the peer does not end it.
        """

    def refused_status(self, close: Close) -> int:
        """Return the HTTP status of the response to a request that is refused with `close`."""
        return self.opened_status

    # -- the opening request

    def begin(self, handshake: Handshake) -> None:
        """Remember the request that opens this connection, for the access log."""
        self.opening = Opening.of(handshake)

    def client_address(self) -> str:
        """Return the client's address until the access log line is written, "" where it was not determined."""
        return self.opening.client if self.opening is not None else ""

    def log_opening(self, status: int) -> None:
        """Write the access log line of the opening request, once, when the status of its response is known."""
        opening, self.opening = self.opening, None
        if opening is not None and self.hub.access_log:
            user = self.subscription.user if self.subscription is not None else None
            opening.log(self.path, status, user, self.session.connection_id)

    def check_origin(self, allowed_origins: tuple[str, ...]) -> bool:
        """Return whether pages of the connection's origin may connect to a project with these allowed origins."""
        return origin_allowed(self.origin, allowed_origins)

    # -- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Attach the connection to its socket, and set the deadline for credentials."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from it
        self.transport.set_protocol(self)
        self.transport.set_write_buffer_limits(high=self.hub.max_write_buffer_bytes)
        self.hub.deadlines.schedule(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the session and remove the connection from the hub."""
        self.session.disconnected()
        self.log_opening(CLIENT_CLOSED_REQUEST)
        if self.opened:
            self.hub.figures.closed(self)
        self.hub.leave(self)
        if self.opened:
            self.opened = False
            _CONNECTIONS[self.name].value -= 1

    def pause_writing(self) -> None:
        """Write nothing more, because the write buffer exceeds its bound."""
        self.backlog = Backlog()

    def resume_writing(self) -> None:
        """Continue with a log read that waited for the write buffer to drain."""
        self.backlog = None
        read, self.pending_read = self.pending_read, None
        if read is not None and self.session.state is SessionState.REPLAYING:
            self.perform((read,))

    # -- called by the hub

    @property
    def credential(self) -> ConnectionCredential:
        """What authenticated this connection."""
        return ConnectionCredential(self.authenticated_by, self.token, self.session.credential_expires_at)

    @credential.setter
    def credential(self, credential: ConnectionCredential) -> None:
        self.authenticated_by, self.token = credential.authenticated_by, credential.token
        self.session.set_credential_expiry(credential.expires_at)

    def set_principal(self, principal: UserPrincipal) -> None:
        """Remember what authenticated this connection.

        Only the fields that revocation compares are kept, not the principal, because a worker has many connections.
        """
        issued_at = principal.token_issued_at
        token = NO_TOKEN if issued_at is None else (principal.token_id, issued_at)
        self.credential = ConnectionCredential(principal.authenticated_by, token, principal.credential_expires_at)

    def deliver(self, before: Position, last: Position, frame: bytes) -> bool:
        """Write events if they are the next ones for this peer. Return whether they were written.

        `frame` contains all events after `before`, up to and including `last`, encoded for this transport. This is the
        hot path, called for each connection and event. Deciding in the session costs no more than deciding in the hub's
        loop did: 0.19 µs of the 6 to 10 µs that an event costs with its system call (measured on Python 3.11, 1,000
        connections).
        """
        if self.backlog is None and self.session.advance(before, last):
            self.transport.write(frame)
            return True
        self._not_delivered(last)
        return False

    def next_deadline(self, now: float, unix_now: float) -> float | None:
        """Return the deadline of the session in monotonic seconds, None if it is closed."""
        return None if self.session.closed else self.session.next_deadline(now, unix_now)

    def on_deadline(self, now: float) -> None:
        """Apply the time to the session, and set the next deadline. Abort a connection that did not close in time."""
        if self.session.closed:
            self.transport.abort()
        elif self._stalled(now):
            self._close_slow_reader()
        else:
            self.perform(self.session.tick(now, time.time(), self.responds_to_heartbeats))
            self.hub.deadlines.schedule(self)

    def perform(self, effects: Effects) -> None:
        """Perform the effects that a method of the session returned. They are interpreted here and nowhere else."""
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
        if backlog is None or not (effects or backlog.missed):  # without either, the log is being read anyway
            return
        if backlog.miss(self.transport):
            self._close_slow_reader()

    def _stalled(self, now: float) -> bool:
        """Return whether the peer acknowledges none of the buffered data.

        The pongs of a peer that acknowledges data slowly arrive late, so its silence does not count.
        """
        backlog, seconds = self.backlog, self.hub.limits.heartbeat_seconds
        if backlog is None:
            is_late = (
                self.responds_to_heartbeats and self.session.silent(now) and is_acknowledging(self.transport, seconds)
            )
        else:
            is_late = backlog.progressed(self.transport, now) or now - backlog.since < STALL_HEARTBEATS * seconds
            if not is_late:
                return True
        if is_late:
            self.session.record_activity(now, counted=False)
        return False

    def _close_slow_reader(self) -> None:
        if effects := self.session.close(CloseCode.SLOW_READER, retry_after_ms()):
            SLOW_READERS.inc()
            self.perform(effects)

    # -- performing effects

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
        if events:
            DELIVERED.inc(events)

    def _count(self, message: ServerMessage, resumed: bool) -> None:
        if isinstance(message, Ready):
            self.opened = True
            self.log_opening(self.opened_status)
            self.hub.figures.opened(self)
            _OPENED[self.name].value += 1
            _CONNECTIONS[self.name].value += 1
            self.hub.deadlines.schedule_first_heartbeat(self)
            if resumed:
                RESUMES.inc()
        elif isinstance(message, Reset):
            RESETS.labels(message.reason).inc()

    def _close(self, close: Close) -> None:
        CLOSED.labels(close.code.reason).inc()
        if self.opened:
            self.hub.figures.closing(self, close.code)
        self.pending_read = None
        self.write_goodbye(close)
        self.log_opening(self.refused_status(close))
        self.hub.deadlines.schedule_abort(self)
