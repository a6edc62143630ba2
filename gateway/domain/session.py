"""The session of a live connection: which events its peer receives, and when it ends. Independent of the transport.

    connecting ──credentials──> authenticating ──verified──> replaying ──caught up──> live
                                                                 ^                     │
                                                                 └── gap, resync ──────┘        any ──> closed

This is a state machine without I/O. A transport calls a method for each input (a message arrived, the log was read, an
event was published, time passed) and performs the effects that it returns. No method waits, and none raises for
anything that a peer or the network may do.

Why no event is lost, duplicated or reordered: the transport subscribes to the user's events before it performs
`ReadLog`, and a session that is replaying sends no published event. It only records the newest published position. If
the log's reply ends before that position, the session reads again. So every event reaches the peer either from one
contiguous read of the log, or as it is published with exactly the next offset. Any other published event is a duplicate
(ignored) or shows a gap (the session replays). A session stores no events, so its memory does not grow with the number
of events that it misses.
"""

from enum import Enum
from typing import NamedTuple

import msgspec

from gateway.domain.effects import Authenticate, Close, Effect, Effects, Ping, ReadLog, Renew, Send
from gateway.domain.errors import CloseCode, Problem
from gateway.domain.event import Counts, Event, LogPage, Position
from gateway.domain.messages import (
    AuthMessage,
    CountsBody,
    Error,
    PingMessage,
    Pong,
    Ready,
    Renewed,
    Reset,
    ServerMessage,
    decode_client_message,
)
from gateway.domain.principal import Credentials

SILENT_HEARTBEATS = 2.5
"""A peer that is silent for this many heartbeats counts as disconnected."""

RATE_WINDOW_SECONDS = 60.0

PART_OF_A_FRAME = 1 / 128
"""The cost, in messages, of received bytes that complete no frame.

A message of the largest size may arrive byte by byte; one that never ends still uses up the rate limit.
"""


class SessionState(Enum):
    """The states of the diagram above."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    REPLAYING = "replaying"
    LIVE = "live"
    CLOSED = "closed"


_LIVE = SessionState.LIVE
"""Python 3.11 resolves a member of an enum in some 25 ns, which `advance` would pay for each connection and event."""


class SessionLimits(NamedTuple):
    """The times and bounds that all sessions of a worker share."""

    heartbeat_seconds: float
    authentication_seconds: float
    max_messages_per_minute: int


class Session:
    """The state of one live connection. Times are monotonic seconds, expiry times unix seconds.

    `position` is that of the last event that the peer was sent, and `newest` that of the newest event published while
    the log is read. `active_at` stays at the moment of accepting until credentials arrive: their deadline counts from
    there, whatever else the peer sends. `messages` counts those of this minute, less the heartbeats that the peer has
    not responded to yet.
    """

    __slots__ = (
        "active_at",
        "connection_id",
        "credential_expires_at",
        "limits",
        "messages",
        "newest",
        "position",
        "read_again",
        "reading",
        "ready",
        "since",
        "state",
        "token_expires_at",
        "window_start",
    )

    def __init__(self, connection_id: str, limits: SessionLimits, now: float):
        self.connection_id = connection_id
        self.limits = limits
        self.state = SessionState.CONNECTING
        self.since: str | None = None
        self.position: Position | None = None
        self.newest: Position | None = None
        self.reading = False
        self.read_again = False
        self.ready = False
        self.token_expires_at: int | None = None
        self.credential_expires_at: int | None = None
        self.active_at = now
        self.window_start = now
        self.messages: float = 0

    @property
    def closed(self) -> bool:
        """Return whether the session is over."""
        return self.state is SessionState.CLOSED

    # -- opening

    def credentials_found(self, credentials: Credentials, since: str | None) -> Effects:
        """Start with the credentials and the position of the opening request, either of which may be missing."""
        self.since = since or None
        if not credentials:
            return ()
        self.state = SessionState.AUTHENTICATING
        return (Authenticate(credentials),)

    def authenticated(self, token_expires_at: int | None) -> Effects:
        """Read the log for a user who is verified and subscribed. Credentials without a token do not expire (None)."""
        if self.state is not SessionState.AUTHENTICATING:
            return ()
        self.state = SessionState.REPLAYING
        self.token_expires_at = token_expires_at
        self.reading = True
        # A `since` that is not a position is still a request to resume. No log has offset -1, so the reply is a reset.
        after = Position.parse(self.since) or Position("", -1) if self.since else None
        return (ReadLog(after),)

    def refused(self, code: CloseCode, problem: Problem | None = None, retry_after_ms: int | None = None) -> Effects:
        """End a session that could not be opened."""
        return self.close(code, retry_after_ms, problem)

    def renewed(self, token_expires_at: int | None) -> Effects:
        """Replace the expiry of the token by that of a new one."""
        if self.closed:
            return ()
        self.token_expires_at = token_expires_at
        return (Send((Renewed(token_expires_at),)),)

    def set_credential_expiry(self, credential_expires_at: int | None) -> None:
        """Set when the project stops accepting the credential that authenticated the peer, None if that is not known.

        A token may expire earlier than the secret or key that signed it.
        """
        self.credential_expires_at = credential_expires_at

    def renewal_refused(self, problem: Problem) -> Effects:
        """Report that the new credentials are not valid. The session continues until the old ones expire."""
        return () if self.closed else (Send((Error(problem.code, problem.message),)),)

    # -- the stream

    def advance(self, before: Position, last: Position) -> bool:
        """Move to `last` and return True if this session is live at `before`, else return False and change nothing.

        This is the hot path, called once per connection and event. If it returns True, the caller sends the peer the
        events after `before`, up to `last`. If it returns False, the caller calls `event_published`.
        """
        if self.position == before and self.state is _LIVE:
            self.position = last
            return True
        return False

    def event_published(self, position: Position) -> Effects:
        """Read the log if the peer lacks the published event at this position, for which `advance` returned False.

        An event that the peer was sent before is ignored. While the log is being read, the position is only recorded.
        """
        if self.state is SessionState.REPLAYING:
            self.newest = position
            return ()
        mine = self.position
        if self.state is not SessionState.LIVE or mine is None:
            return ()
        if position.epoch == mine.epoch and position.offset <= mine.offset:
            return ()
        self.state = SessionState.REPLAYING
        self.reading = True
        self.newest = position
        return (ReadLog(mine),)

    def resync(self) -> Effects:
        """Read the log again, because the subscription was interrupted and events may have been missed."""
        if self.state not in (SessionState.LIVE, SessionState.REPLAYING):
            return ()
        if self.reading:
            self.read_again = True  # the reply that is on its way may be older than the interruption
            return ()
        self.state = SessionState.REPLAYING
        self.reading = True
        return (ReadLog(self.position),)

    def log_read(self, page: LogPage) -> Effects:
        """Send what the log returned for the last `ReadLog`, and go live or read on."""
        if self.state is not SessionState.REPLAYING:
            return ()
        self.reading = False
        messages = self._replayed(page)
        effects: tuple[Effect, ...] = (Send(messages),) if messages else ()
        if self._must_read_again(page.end):
            self.newest = None
            self.read_again = False
            self.reading = True
            return (*effects, ReadLog(self.position))
        self.newest = None
        self.state = SessionState.LIVE
        return effects

    def log_unavailable(self, retry_after_ms: int, code: CloseCode = CloseCode.TRY_AGAIN_LATER) -> Effects:
        """End a session that is not open yet, because the log could not be read. An open one waits for `resync`."""
        self.reading = False
        return () if self.ready else self.close(code, retry_after_ms)

    # -- the peer

    def message_received(self, data: bytes | str, now: float) -> Effects:
        """Process a message of the client."""
        if effects := self.record_activity(now):
            return effects
        effects = self._act_on(data)
        if self.state is SessionState.AUTHENTICATING:
            self.active_at = now
        return effects

    def record_activity(self, now: float, counted: bool = True, cost: float = 1) -> Effects:
        """Record that the peer is connected. Too many messages in a minute end the session.

        `cost` is in messages. With `counted` false, the rate limit is unchanged: the peer only acknowledged bytes.
        """
        if self.state is not SessionState.CONNECTING:
            self.active_at = now
        if not counted:
            return ()
        if now - self.window_start >= RATE_WINDOW_SECONDS:
            self.window_start = now
            self.messages = 0
        self.messages += cost
        return self.close(CloseCode.TOO_MANY_MESSAGES) if self.messages > self.limits.max_messages_per_minute else ()

    def silent(self, now: float) -> bool:
        """Return whether a peer that responds to heartbeats has sent nothing for too long."""
        return now - self.active_at >= SILENT_HEARTBEATS * self.limits.heartbeat_seconds

    # -- time

    def tick(self, now: float, unix_now: float, responds_to_heartbeats: bool) -> Effects:
        """Send a heartbeat, or end an overdue session. Call this at the time that `next_deadline` returned."""
        if self.state is SessionState.CLOSED:
            return ()
        if self.state is SessionState.CONNECTING:
            overdue = now - self.active_at >= self.limits.authentication_seconds
            return self.close(CloseCode.AUTHENTICATION_TIMEOUT) if overdue else ()
        if self.token_expires_at is not None and unix_now >= self.token_expires_at:
            return self.close(CloseCode.TOKEN_EXPIRED)
        if self.credential_expires_at is not None and unix_now >= self.credential_expires_at:
            return self.close(CloseCode.CREDENTIALS_ROTATED)
        if responds_to_heartbeats and self.silent(now):
            return self.close(CloseCode.HEARTBEAT_TIMEOUT, retry_after_ms=0)
        if not self.ready:
            return ()
        if responds_to_heartbeats:
            self.messages -= 1  # the peer's response is not counted
        return (Ping(),)

    def next_deadline(self, now: float, unix_now: float) -> float:
        """Return when `tick` is due next, in monotonic seconds: the next heartbeat, or the end of the credentials."""
        if self.state is SessionState.CONNECTING:
            return self.active_at + self.limits.authentication_seconds
        deadline = now + self.limits.heartbeat_seconds
        for expires_at in (self.token_expires_at, self.credential_expires_at):
            if expires_at is not None:
                deadline = min(deadline, now + max(0.0, expires_at - unix_now))
        return deadline

    # -- closing

    def close(self, code: CloseCode, retry_after_ms: int | None = None, problem: Problem | None = None) -> Effects:
        """End the session, unless it is over already."""
        if self.state is SessionState.CLOSED:
            return ()
        self.state = SessionState.CLOSED
        return (Close(code, retry_after_ms, problem),)

    def disconnected(self) -> None:
        """End the session because the connection is lost."""
        self.state = SessionState.CLOSED

    # -- messages of the client

    def _act_on(self, data: bytes | str) -> Effects:
        if self.state is SessionState.CLOSED:
            return ()
        try:
            message = decode_client_message(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            return _error(str(problem))
        if isinstance(message, PingMessage):
            return (Send((Pong(),)),)
        return self._authenticate(message)

    def _authenticate(self, message: AuthMessage) -> Effects:
        if self.state is SessionState.CONNECTING:
            if not message.credentials:
                return _error("auth brings no credentials")
            return self.credentials_found(message.credentials, message.since or self.since)
        if self.state is SessionState.AUTHENTICATING:
            return _error("authentication is under way")
        return (Renew(message.credentials),)

    # -- pages of the log

    def _replayed(self, page: LogPage) -> tuple[ServerMessage | Event, ...]:
        """Move to the end of a page and return the messages and events for the peer."""
        messages: list[ServerMessage | Event] = []
        if not self.ready:
            self.ready = True
            messages.append(self._ready_message(self._start(page), page.counts))
            self.since = None
        if page.reset_reason:
            messages.append(_reset_message(page))
            self.position = page.end
        else:
            messages.extend(page.events)
            self.position = page.events[-1].position if page.events else page.end
        return tuple(messages)

    def _must_read_again(self, end: Position) -> bool:
        if self.read_again or self.position != end:
            return True
        newest = self.newest
        # An event of another epoch may be older or newer than this page. Only another read shows which.
        return newest is not None and (newest.epoch != end.epoch or newest.offset > end.offset)

    def _start(self, page: LogPage) -> Position:
        """Return where the stream starts: its own position for a client that resumes, even of an earlier epoch."""
        resumed = Position.parse(self.since) if self.since and not page.reset_reason else None
        return resumed or page.end

    def _ready_message(self, start: Position, counts: Counts) -> Ready:
        return Ready(
            position=str(start),
            connection_id=self.connection_id,
            unread_count=counts.unread,
            unseen_count=counts.unseen,
            unarchived=CountsBody(counts.unarchived_unread, counts.unarchived_unseen),
            heartbeat_seconds=self.limits.heartbeat_seconds,
        )


def _reset_message(page: LogPage) -> Reset:
    counts = page.counts
    unarchived = CountsBody(counts.unarchived_unread, counts.unarchived_unseen)
    return Reset(str(page.end), page.reset_reason, counts.unread, counts.unseen, unarchived)


def _error(message: str) -> Effects:
    return (Send((Error("invalid_message", message),)),)
