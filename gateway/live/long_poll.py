"""Long polling, for networks whose proxies hold streams back: a request that is answered when there is an event.

`GET /realtime/events` with `wait` is a live connection that ends with its first response. So it is admitted, counted,
revoked and drained like every other, and no event falls between a read of the log and the wait for the next one. The
response is the page that the operation without `wait` returns. After it, the client requests the next page.
"""

import asyncio
import math
import re
import time
from http import HTTPStatus
from typing import ClassVar

import msgspec

from gateway.domain.effects import Close
from gateway.domain.errors import CloseCode, Problem
from gateway.domain.event import Event, Position
from gateway.domain.messages import MAX_WAIT_SECONDS, CountsBody, Ready, Reset, ServerMessage
from gateway.domain.session import SessionState
from gateway.live.connection import Connection, encode_json
from gateway.live.handshake import Handshake
from gateway.live.hub_interface import HubInterface
from gateway.live.sse import SseConnection
from gateway.telemetry.metrics import DELIVERED

PATH = "/realtime/events"

_REFUSALS = {
    CloseCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    CloseCode.INVALID_REQUEST: HTTPStatus.UNPROCESSABLE_ENTITY,
    CloseCode.TOO_MANY_CONNECTIONS: HTTPStatus.TOO_MANY_REQUESTS,
    CloseCode.TOO_MANY_MESSAGES: HTTPStatus.TOO_MANY_REQUESTS,
}
"""The statuses of refusals. After any other one the client comes back (503), or needs other credentials (401)."""


class _CountsOf(msgspec.Struct):
    """The counts in an event, which are those right after it."""

    unread_count: int
    unseen_count: int
    unarchived: CountsBody


_read_counts = msgspec.json.Decoder(list[_CountsOf]).decode


class LongPoll(SseConnection):
    """A request for events that waits until there is one."""

    name = "long_poll"
    path = PATH
    head_fields: ClassVar[tuple[str, ...]] = ("Content-Type: application/json",)

    __slots__ = ("counts", "until", "wait_seconds")

    def __init__(self, hub: HubInterface[Connection], accepted_at: float | None = None):
        super().__init__(hub, accepted_at)
        self.wait_seconds = 0
        self.until = math.inf
        """When the response is due, in monotonic seconds. Infinite before the log is read."""
        self.counts: _CountsOf | None = None

    def start(self, transport: asyncio.BaseTransport, handshake: Handshake) -> None:
        """Attach to the socket of a request, and verify its credentials or refuse it."""
        wait = handshake.wait or ""
        if re.fullmatch("[0-9]{1,9}", wait) and int(wait) <= MAX_WAIT_SECONDS:
            self.wait_seconds = int(wait) if handshake.since else 0  # without a position, there is nothing to wait for
        else:
            problem = Problem(f"Param 'wait' must be a number from 0 to {MAX_WAIT_SECONDS}")
            handshake = handshake._replace(problem=handshake.problem or problem)
        super().start(transport, handshake)

    # -- the response

    @classmethod
    def encode_event(cls, event: Event) -> bytes:
        """Return the JSON of an event, as an item of a list."""
        return event.text + b","

    def deliver(self, before: Position, last: Position, frame: bytes) -> bool:
        """Respond with events if they are the next ones for this client. Return whether it was done."""
        if self.session.advance(before, last):
            self._respond(frame)
            return True
        self._not_delivered(last)
        return False

    def _send(self, messages: tuple[ServerMessage | Event, ...]) -> None:
        """Respond with what the log had after the client's position, or wait if it had nothing."""
        reset = None
        for message in messages:
            if isinstance(message, Ready):
                self.counts = _CountsOf(message.unread_count, message.unseen_count, message.unarchived)
                self.until = time.monotonic() + self.wait_seconds
                self._count(message, resumed=isinstance(messages[-1], Event))
            elif isinstance(message, Reset):
                reset = message.reason
                self._count(message, resumed=False)
        events = [self.encode_event(message) for message in messages if isinstance(message, Event)]
        DELIVERED.inc(len(events))
        if events or reset or not self.wait_seconds:
            self._respond(b"".join(events), reset)

    def _respond(self, events: bytes = b"", reset: str | None = None) -> None:
        """Write a page with events, each of which ends with a comma, and close the connection."""
        listed = b"[%b]" % events[:-1]
        counts = _read_counts(listed)[-1] if events else self.counts
        page = {
            "events": msgspec.Raw(listed),
            "position": str(self.session.position),
            "more": self.session.state is SessionState.REPLAYING,
            "reset": reset,
            **msgspec.structs.asdict(counts or _CountsOf(0, 0, CountsBody(0, 0))),
        }
        self.session.disconnected()
        self._end_with(HTTPStatus.OK, encode_json(page))

    def _end_with(self, status: HTTPStatus, body: bytes, *fields: str) -> None:
        head = self._head(status, *self.head_fields, f"Content-Length: {len(body)}", *fields)
        self.transport.write(head + body)
        self.log_opening(status.value)
        self.hub.deadlines.schedule_abort(self)
        self.transport.close()

    # -- its end without an event

    def next_deadline(self, now: float, unix_now: float) -> float | None:
        """Return when the response is due, or an earlier deadline of the session. None if the session is over."""
        deadline = super().next_deadline(now, unix_now)
        return None if deadline is None else min(deadline, self.until)

    def on_deadline(self, now: float) -> None:
        """Respond without an event when the time is up."""
        if not self.session.closed and now >= self.until:
            self._respond()
        else:
            super().on_deadline(now)

    def write_heartbeat(self) -> None:
        """Write nothing: a response has begun or not."""

    def refused_status(self, close: Close) -> int:
        """Return the status of a refusal."""
        return self._status_of(close).value

    def write_goodbye(self, close: Close) -> None:
        """Write a refusal. A client that waits gets a page without events, and comes back, if it may."""
        status = self._status_of(close)
        if status is HTTPStatus.OK:
            self._respond()
            return
        fields = []
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            fields = [f"Retry-After: {math.ceil((close.retry_after_ms or 0) / 1000)}"]
        self._end_with(status, encode_json({"errors": [close.problem or close.code.problem]}), *fields)

    def _status_of(self, close: Close) -> HTTPStatus:
        if not close.code.may_resume:
            return _REFUSALS.get(close.code, HTTPStatus.UNAUTHORIZED)
        return HTTPStatus.OK if self.counts is not None else HTTPStatus.SERVICE_UNAVAILABLE

    def log_opening(self, status: int) -> None:
        """Write the access log line when the response is known, not when the wait for it begins."""
        if self.session.closed:
            super().log_opening(status)
