"""The live tail of a project's connections: opened, closed and refused, as they happen."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
from gateway.api.core.query import Option
from gateway.api.core.responses import encode
from gateway.api.core.schema import ResponseSpec
from gateway.auth.credentials import header_credentials
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Credentials, Principal
from gateway.domain.times import rfc3339_ms
from gateway.store.connection_tails import ConnectionEvent, ConnectionTail, ConnectionTails
from gateway.store.errors import TooManyTailsError
from gateway.store.nodes import WATCH_SECONDS, NodeStore
from gateway.store.redis.problems import StoreUnavailableError

TYPE = Option("type", "Only events of this type.", ("opened", "closed", "refused"))

STREAM = ResponseSpec(
    200,
    "The stream: events until either side closes. The last record of the server is `goodbye`.",
    None,
    "text/event-stream",
)


@dataclass(frozen=True, slots=True)
class ConnectionTailResource:
    """The operation that streams the events of connections, with what it uses.

    `verify` returns the principal of a backend's credentials, and raises ApiError once they are not accepted.
    """

    tails: ConnectionTails
    nodes: NodeStore
    verify: Callable[[Credentials], Awaitable[Principal]]
    heartbeat_seconds: float

    async def follow(self, call: ProjectCall) -> Response:
        """Stream the events of the project's live connections as they happen, as server-sent events.

        The data of a record has the `timestamp`, the `type`, the `transport`, the `connection_id`, the `user_id`, the
        `code` and the `origin`, such as `https://app.example.com`. The types are `connection.opened`,
        `connection.closed` with the code of the server or `client`, and `connection.refused` with the code of the
        error. Nothing is stored, so a stream begins now, and a reconnect misses what happened meanwhile. Nodes begin to
        make events when somebody opens a
        stream, other nodes than that of the stream within two seconds. A record `dropped` with a `count` says how many
        events there was no room for: a stream holds 1,000. It ends as `GET /v2/events/tail` does.
        """
        wanted = call.query()["type"]
        await self._watch(call.project.id)  # before this worker begins, which its next report would undo
        try:
            tail = await self.tails.open(call.project.id, call.request.admin_id)
        except TooManyTailsError:
            raise api_error(ErrorCode.TOO_MANY_TAILS, retry_after_seconds=RETRY_MS // 1000) from None
        verify = call.request.recheck or partial(self.verify, header_credentials(call.request.headers.get))
        return EventStreamResponse(self._stream(tail, wanted, verify), lambda: self.tails.close(tail))

    async def _stream(
        self, tail: ConnectionTail, wanted: str | None, verify: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[bytes]:
        """Yield the records of a tail until it ends."""
        yield record("", comment="open", retry=int(RETRY_MS * random.uniform(0.5, 1.5)))
        until = time.monotonic() + STREAM_SECONDS * random.uniform(0.9, 1.1)
        check_at, watch_at = 0.0, time.monotonic() + WATCH_SECONDS / 3
        beat_at = time.monotonic() + self.heartbeat_seconds
        while True:
            now = time.monotonic()
            reason = "draining" if tail.is_ending else "reconnect" if now >= until else None
            if reason is None and now >= check_at:
                reason, check_at = await refusal(verify), now + CHECK_SECONDS
            if reason is not None:
                yield record(encode({"reason": reason}).decode(), event="goodbye")
                return
            if now >= watch_at:
                watch_at = now + (WATCH_SECONDS / 3 if await self._watch(tail.project_id) else CHECK_SECONDS)
            await tail.wait(CHECK_SECONDS)
            part = _records(*tail.take(), wanted)
            if part or now >= beat_at:
                beat_at = now + self.heartbeat_seconds
                yield part or HEARTBEAT

    async def _watch(self, project_id: ProjectId) -> bool:
        """Have all workers make events. Return whether Redis took it."""
        try:
            await self.nodes.watch(project_id, time.time())
        except StoreUnavailableError:
            return False
        return True


def _records(events: Sequence[ConnectionEvent], dropped: int, wanted: str | None) -> bytes:
    records = [record(encode(_shown(each)).decode()) for each in events if wanted in (None, each.type)]
    if dropped:
        records.append(record(encode({"count": dropped}).decode(), event="dropped"))
    return b"".join(records)


def _shown(event: ConnectionEvent) -> dict[str, str | None]:
    return {
        "timestamp": rfc3339_ms(event.at_ms),
        "type": f"connection.{event.type}",
        "transport": event.transport,
        "connection_id": event.connection_id,
        "user_id": event.user_id or None,
        "code": event.code or None,
        "origin": event.origin or None,
    }


OPERATIONS = [
    Operation(
        "GET",
        "/v2/connections/tail",
        PROJECT,
        ConnectionTailResource.follow,
        "Follow the project's connections",
        STREAM,
        query=(TYPE,),
        streams=True,
    )
]
