"""The live session: what one open inbox may see, whatever transport it hangs on. Sans I/O.

    connecting ──credentials──> authenticating ──verified──> replaying ──caught up──> live
                                                                 ^                     │
                                                                 └── gap, resync ──────┘        any ──> closed

A transport calls a method for each input (a message arrived, the log was read, an event was published, time passed)
and performs the effects that it returns. Methods never wait and never raise for what a peer or the network may do.

Why nothing is lost, doubled or reordered: the transport subscribes before it asks for `ReadLog`, and a session that
is replaying sends nothing that it hears live; it only remembers the newest position it heard. When the log's answer
ends before that, it asks again. So everything reaches the peer either from one contiguous read of the log, or live
as the exact next offset; whatever else comes live is an echo (dropped) or a gap (back to replaying). A session holds
no events, so what it costs does not grow with what it misses.
"""

from enum import Enum
from typing import NamedTuple, TypeAlias

import msgspec

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
"""A peer that was silent for this many heartbeats is gone."""

RATE_WINDOW_SECONDS = 60.0

PART_OF_A_FRAME = 1 / 128
"""What a read costs that completes no frame, in messages: a message of the largest size may come byte by byte, and an
endless one ends all the same."""


class SessionState(Enum):
    """The states of the diagram above."""

    CONNECTING = "connecting"
    AUTHENTICATING = "authenticating"
    REPLAYING = "replaying"
    LIVE = "live"
    CLOSED = "closed"


_LIVE = SessionState.LIVE
"""Python 3.11 resolves a member of an enum in some 25 ns, which `advance` would pay for each connection and event."""


# ---- effects: what the transport is to do


class Authenticate(NamedTuple):
    """Verify the credentials, subscribe the user, then call `authenticated` or `refused`."""

    credentials: Credentials


class Renew(NamedTuple):
    """Verify fresh credentials of the same user, then call `renewed` or `renewal_refused`."""

    credentials: Credentials


class ReadLog(NamedTuple):
    """Read the user's log after this position, None for "from now", then call `log_read`."""

    after: Position | None


class Send(NamedTuple):
    """Write these to the peer, in order, in one piece."""

    messages: tuple[ServerMessage | Event, ...]


class Ping(NamedTuple):
    """Write the transport's own heartbeat."""


class Close(NamedTuple):
    """Say goodbye and close. The session is over; `problem` says more where there is more to say."""

    code: CloseCode
    retry_after_ms: int | None = None
    problem: Problem | None = None


Effect: TypeAlias = Authenticate | Renew | ReadLog | Send | Ping | Close
Effects: TypeAlias = tuple[Effect, ...]


class SessionLimits(NamedTuple):
    """The times and bounds that every session of a worker shares."""

    heartbeat_seconds: float
    authentication_seconds: float
    max_messages_per_minute: int


class Session:
    """One open inbox. Times are monotonic seconds unless they say unix.

    `active_at` stays at the moment of accepting until credentials came: their deadline counts from there, whatever else
    comes. `messages` are those of this minute, less the heartbeats that the peer has yet to answer.
    """

    __slots__ = (
        "active_at",
        "connection_id",
        "credential_expires_at",
        "expires_at",
        "limits",
        "messages",
        "newest",
        "position",
        "read_again",
        "reading",
        "ready",
        "since",
        "state",
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
        self.expires_at: int | None = None
        self.credential_expires_at: int | None = None
        self.active_at = now
        self.window_start = now
        self.messages: float = 0

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self.state is SessionState.CLOSED

    # -- opening

    def credentials_found(self, credentials: Credentials, since: str | None) -> Effects:
        """Take the credentials and the position that came with the request itself."""
        self.since = since or None
        if not credentials:
            return ()
        self.state = SessionState.AUTHENTICATING
        return (Authenticate(credentials),)

    def authenticated(self, expires_at: int | None) -> Effects:
        """Go on with a verified, subscribed user. `expires_at` is unix seconds."""
        if self.state is not SessionState.AUTHENTICATING:
            return ()
        self.state = SessionState.REPLAYING
        self.expires_at = expires_at
        self.reading = True
        # A `since` that is no position at all still asks to resume: offset -1 is in no log, so it is told to reset.
        after = Position.parse(self.since) or Position("", -1) if self.since else None
        return (ReadLog(after),)

    def refused(self, code: CloseCode, problem: Problem | None = None, retry_after_ms: int | None = None) -> Effects:
        """End a session that was never let in."""
        return self.close(code, retry_after_ms, problem)

    def renewed(self, expires_at: int | None) -> Effects:
        """Take over the expiry of a renewed token."""
        if self.closed:
            return ()
        self.expires_at = expires_at
        return (Send((Renewed(expires_at),)),)

    def credential_ends(self, credential_expires_at: int | None) -> None:
        """Take note of when what the credentials rest on ends, in unix seconds; None for not yet."""
        self.credential_expires_at = credential_expires_at

    def renewal_refused(self, problem: Problem) -> Effects:
        """Say that the new credentials do not hold; the old ones go on until they expire."""
        return () if self.closed else (Send((Error(problem.code, problem.message),)),)

    # -- the stream

    def advance(self, before: Position, last: Position) -> bool:
        """Move to `last` and return True if this session is live at `before`, else return False and change nothing.

        This is the hot path, called once per connection and event: the peer gets the events after `before`, up to
        `last`, exactly when this returns True. After False, call `event_published`.
        """
        if self.position == before and self.state is _LIVE:
            self.position = last
            return True
        return False

    def event_published(self, position: Position) -> Effects:
        """Return `ReadLog` if an event that was published, and not delivered here, is missing at the peer.

        It is not when it is a duplicate. While the log is being read the position is only remembered.
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
        """Read the log again: the subscription was interrupted, so events may have passed unheard."""
        if self.state not in (SessionState.LIVE, SessionState.REPLAYING):
            return ()
        if self.reading:
            # The answer that is on its way may be older than the interruption.
            self.read_again = True
            return ()
        self.state = SessionState.REPLAYING
        self.reading = True
        return (ReadLog(self.position),)

    def log_read(self, page: LogPage) -> Effects:
        """Take the log's answer to the last `ReadLog`."""
        if self.state is not SessionState.REPLAYING:
            return ()
        self.reading = False
        messages: list[ServerMessage | Event] = []
        lost = bool(page.reset_reason)
        if not self.ready:
            self.ready = True
            messages.append(self._ready_message(self._start(page), page.counts))
            self.since = None
        if lost:
            messages.append(Reset(str(page.end), page.reset_reason))
            self.position = page.end
        else:
            messages.extend(page.events)
            self.position = page.events[-1].position if page.events else page.end
        effects: tuple[Effect, ...] = (Send(tuple(messages)),) if messages else ()
        if self._must_read_again(page.end):
            self.newest = None
            self.read_again = False
            self.reading = True
            return (*effects, ReadLog(self.position))
        self.newest = None
        self.state = SessionState.LIVE
        return effects

    def log_unavailable(self, retry_after_ms: int, code: CloseCode = CloseCode.TRY_AGAIN_LATER) -> Effects:
        """Take note that the log could not be read. A session that is open already waits for `resync`."""
        self.reading = False
        return () if self.ready else self.close(code, retry_after_ms)

    # -- the peer

    def message_received(self, data: bytes | str, now: float) -> Effects:
        """Take one message of the client's."""
        if effects := self.record_activity(now):
            return effects
        effects = self._understood(data)
        if self.state is SessionState.AUTHENTICATING:
            self.active_at = now
        return effects

    def record_activity(self, now: float, counted: bool = True, cost: float = 1) -> Effects:
        """Record a sign of life. Too many of them in a minute end the session.

        `cost` is in messages. A sign that is not `counted` is one that the peer did not choose to give.
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
        """Return whether a peer that answers heartbeats was not heard for too long."""
        return now - self.active_at >= SILENT_HEARTBEATS * self.limits.heartbeat_seconds

    def tick(self, now: float, unix_now: float, answers_heartbeats: bool) -> Effects:
        """Let time pass: once per heartbeat, and whenever a deadline of `next_deadline` has come."""
        if self.state is SessionState.CLOSED:
            return ()
        if self.state is SessionState.CONNECTING:
            overdue = now - self.active_at >= self.limits.authentication_seconds
            return self.close(CloseCode.AUTHENTICATION_TIMEOUT) if overdue else ()
        if self.expires_at is not None and unix_now >= self.expires_at:
            return self.close(CloseCode.TOKEN_EXPIRED)
        if self.credential_expires_at is not None and unix_now >= self.credential_expires_at:
            return self.close(CloseCode.CREDENTIALS_ROTATED)
        if answers_heartbeats and self.silent(now):
            return self.close(CloseCode.HEARTBEAT_TIMEOUT, retry_after_ms=0)
        if not self.ready:
            return ()
        if answers_heartbeats:
            self.messages -= 1  # the answer, which is not the peer's own doing
        return (Ping(),)

    def next_deadline(self, now: float, unix_now: float) -> float:
        """Say when `tick` is due next (monotonic seconds)."""
        if self.state is SessionState.CONNECTING:
            return self.active_at + self.limits.authentication_seconds
        deadline = now + self.limits.heartbeat_seconds
        for end in (self.expires_at, self.credential_expires_at):
            if end is not None:
                deadline = min(deadline, now + max(0.0, end - unix_now))
        return deadline

    # -- closing

    def close(self, code: CloseCode, retry_after_ms: int | None = None, problem: Problem | None = None) -> Effects:
        """End the session from our side."""
        if self.state is SessionState.CLOSED:
            return ()
        self.state = SessionState.CLOSED
        return (Close(code, retry_after_ms, problem),)

    def disconnected(self) -> None:
        """End the session because the connection is lost."""
        self.state = SessionState.CLOSED

    # -- inside

    def _understood(self, data: bytes | str) -> Effects:
        if self.state is SessionState.CLOSED:
            return ()
        try:
            message = decode_client_message(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            return (Send((Error("invalid_message", str(problem)),)),)
        if isinstance(message, PingMessage):
            return (Send((Pong(),)),)
        return self._auth_message(message)

    def _auth_message(self, message: AuthMessage) -> Effects:
        if self.state is SessionState.CONNECTING:
            if not message.credentials:
                return (Send((Error("invalid_message", "auth brings no credentials"),)),)
            return self.credentials_found(message.credentials, message.since or self.since)
        if self.state is SessionState.AUTHENTICATING:
            return (Send((Error("invalid_message", "authentication is under way"),)),)
        return (Renew(message.credentials),)

    def _must_read_again(self, end: Position) -> bool:
        if self.read_again or self.position != end:
            return True
        newest = self.newest
        # An event of another epoch may be older or newer than this answer: only another read can tell.
        return newest is not None and (newest.epoch != end.epoch or newest.offset > end.offset)

    def _start(self, page: LogPage) -> Position:
        """Say where the stream goes on: for who resumes that is the own position, whatever epoch follows it."""
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
