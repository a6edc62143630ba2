"""The live tail of a project's events, over server-sent events (WHATWG HTML, section 9.2).

Unlike the streams of inboxes, of which a worker has many thousands, a tail is an ordinary response that does not end:
a worker has a few, for administrators.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.event_stream import (
    CHECK_SECONDS,
    HEARTBEAT,
    RETRY_MS,
    STREAM_SECONDS,
    EventStreamResponse,
    record,
    refusal,
)
from gateway.api.core.operation import Operation
from gateway.api.core.query import Formed
from gateway.api.core.responses import encode
from gateway.api.core.schema import ResponseSpec
from gateway.api.v2.project_events import FILTERS, named_user, selected_types, shown
from gateway.auth.credentials import header_credentials
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.ids import UserId
from gateway.domain.principal import Credentials, Principal
from gateway.domain.project_event import EventPlace, ProjectEventType, event_id, place_of
from gateway.store.directory import Directory
from gateway.store.errors import TooManyTailsError
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.project_event_tails import EventTail, EventTails
from gateway.store.redis.problems import StoreUnavailableError

READ_EVENTS = 200
"""How many events one read of the log returns."""

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

SINCE = Formed(
    "since",
    "The id of the last event that the client has. The header `Last-Event-ID`, which an `EventSource` sends, "
    "overrides it. Without either, the stream begins now.",
    "the id of an event",
    _UUID,
)

STREAM = ResponseSpec(
    200,
    "The stream: events until either side closes. The last record of the server is `goodbye`.",
    None,
    "text/event-stream",
)


class _Selection:
    """The filters of a tail."""

    def __init__(self, types: Collection[ProjectEventType], user_id: UserId | None, is_empty: bool):
        self.types = types
        self.user_id = user_id
        self._is_empty = is_empty

    def matches(self, event: StoredEvent) -> bool:
        """Return whether an event passes the filters."""
        return event.type in self.types and not self._is_empty and self.user_id in (None, event.user_id)


@dataclass(frozen=True, slots=True)
class EventTailResource:
    """The operation that streams the project's events, with what it uses.

    `verify` returns the principal of a backend's credentials, and raises ApiError once they are not accepted.
    """

    log: ProjectEventLog
    tails: EventTails
    directory: Directory
    verify: Callable[[Credentials], Awaitable[Principal]]
    heartbeat_seconds: float

    async def follow(self, call: ProjectCall) -> Response:
        """Stream the project's events as they happen, as server-sent events.

        The data of a record is an event as `GET /v2/events` has it, and its id is the event's. A client that reconnects
        with the id of the last event that it received, as an `EventSource` does, receives what it missed. If the log no
        longer has that event, the record `reset` comes first, and then what the log has: events may be missing. A
        comment at every heartbeat keeps the connection open. The stream ends with the record `goodbye` when the
        credentials end, when the server stops, and after about an hour. A client that does not read is disconnected. A
        project has at most 10 of these streams on a worker, and an admin 4.
        """
        query = call.query()
        last = call.request.headers.get("last-event-id") or query["since"]
        try:
            since = place_of(last) if last else None
        except ValueError:
            raise invalid("Header 'Last-Event-ID' must be the id of an event") from None
        user_id = await named_user(self.directory, call.project.id, query["user"])
        selection = _Selection(selected_types(query), user_id, bool(query["user"]) and user_id is None)
        try:
            tail = await self.tails.open(call.project.id, call.request.admin_id)
        except TooManyTailsError:
            raise api_error(ErrorCode.TOO_MANY_TAILS, retry_after_seconds=RETRY_MS // 1000) from None
        try:
            found = since and await self.log.find(tail.project_id, *since)
            newest = None if since else await self._newest(tail)
        except BaseException:
            self.tails.close(tail)
            raise
        follower = _Follower(
            self.log, tail, selection, since[0] if since else newest or EventPlace(0, 0), self.heartbeat_seconds
        )
        verify = call.request.recheck or partial(self.verify, header_credentials(call.request.headers.get))
        is_reset = since is not None and found is None
        stream = self._stream(follower, verify, is_reset=is_reset, replays=since is not None)
        return EventStreamResponse(stream, lambda: self.tails.close(tail))

    async def _newest(self, tail: EventTail) -> EventPlace | None:
        events = (await self.log.read(tail.project_id, ProjectEventType, 1)).events
        return events[0].place if events else None

    async def _stream(
        self, follower: "_Follower", verify: Callable[[], Awaitable[object]], *, is_reset: bool, replays: bool
    ) -> AsyncIterator[bytes]:
        """Yield the records of a tail until it ends."""
        yield record("", comment="open", retry=int(RETRY_MS * random.uniform(0.5, 1.5)))
        if is_reset:
            yield record(encode({"reason": "event_expired"}).decode(), event="reset")
        check_at = time.monotonic() + CHECK_SECONDS
        async for part in follower.records(replays=replays):
            reason = follower.ended
            if reason is None and time.monotonic() >= check_at:
                reason = await refusal(verify)
                check_at = time.monotonic() + CHECK_SECONDS
            if reason is not None:
                yield record(encode({"reason": reason}).decode(), event="goodbye")
                return
            if part:
                yield part


class _Follower:
    """The position of a tail's reader in the log, and its clocks."""

    def __init__(
        self,
        log: ProjectEventLog,
        tail: EventTail,
        selection: _Selection,
        last: EventPlace,
        heartbeat_seconds: float,
    ):
        self.tail = tail
        self._log = log
        self._selection = selection
        self._last = last
        self._heartbeat_seconds = heartbeat_seconds
        self._until = time.monotonic() + STREAM_SECONDS * random.uniform(0.9, 1.1)

    @property
    def ended(self) -> str | None:
        """Return why the tail ends, None if it does not."""
        if self.tail.is_ending:
            return "draining"
        return "reconnect" if time.monotonic() >= self._until else None

    async def records(self, *, replays: bool) -> AsyncIterator[bytes]:
        """Yield records at least every CHECK_SECONDS, some of them empty."""
        must_read, beat_at = replays, time.monotonic() + self._heartbeat_seconds
        while True:
            if must_read:
                events, must_read = await self._read()
            else:
                await self.tail.wait(CHECK_SECONDS)
                events, must_read = self.tail.take()
            part = b"".join(self._pass(events))
            if not part and time.monotonic() >= beat_at:
                part = HEARTBEAT
            if part:
                beat_at = time.monotonic() + self._heartbeat_seconds
            yield part

    async def _read(self) -> tuple[Sequence[StoredEvent], bool]:
        """Return the next events of the log, and whether it has more."""
        try:
            page = await self._log.read(self.tail.project_id, ProjectEventType, READ_EVENTS, newer_than=self._last)
        except StoreUnavailableError:
            await self.tail.wait(CHECK_SECONDS)
            return (), True
        return page.events, page.more

    def _pass(self, events: Sequence[StoredEvent]) -> list[bytes]:
        """Return the records of events that follow the last one and match."""
        records = []
        for event in events:
            if event.place > self._last:
                self._last = event.place
                if self._selection.matches(event):
                    data = encode(shown(event)).decode()
                    records.append(record(data, id=event_id(event.place, event.code)))
        return records


OPERATIONS = [
    Operation(
        "GET",
        "/v2/events/tail",
        PROJECT,
        EventTailResource.follow,
        "Follow the project's events",
        STREAM,
        query=(*FILTERS, SINCE),
        streams=True,
    )
]
