"""The messages of endpoints of outgoing webhooks: to be sent, and listed for a while afterwards.

An endpoint is one member of the lane of its project's webhooks, as a user is of other lanes. Its messages lie in a slot
of their own, so that a dead endpoint has no effect on the others. A worker that has claimed it takes messages that are
due, and records each attempt. What it has taken and not recorded is due again when its lease ends.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import EventPlace
from gateway.domain.webhook import Attempt, EndpointHealth, MessageState, ms_of
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, no_arguments, reading_function, untouched, writing_function
from gateway.telemetry.logs import log

KEEP_MS = 7 * 24 * 3600 * 1000
MAX_MESSAGES = 10_000
MAX_BYTES = 16 * 1024 * 1024
"""How long an endpoint's messages are kept, how many, and how large they may be together. The oldest are removed."""

MAX_ATTEMPTS_LISTED = 20
"""The attempts at a message that are kept: two schedules, and some."""

EVENTS_PER_READ = 100
"""How many events of a user become messages at once."""


class NewMessage(NamedTuple):
    """A message that is not stored yet."""

    id: UUID
    label: str
    body: bytes


class TakenMessage(NamedTuple):
    """A message to send now. `attempts` counts this attempt too."""

    id: UUID
    label: str
    attempts: int
    body: bytes


class WebhookMessage(NamedTuple):
    """A message as it is listed. `due_ms` is when it is tried next, None if it is not."""

    id: UUID
    label: str
    state: MessageState
    attempts: tuple[Attempt, ...]
    due_ms: int | None
    body: bytes = b""

    @property
    def created_ms(self) -> int:
        """Return the unix millisecond of the event."""
        return ms_of(self.id)


class UserEvents(NamedTuple):
    """The events of a user that have not become messages: those of the log after `offset`, None for the whole log.

    The names of the user are JSON, b"" for none.
    """

    external_id: bytes
    email: bytes
    offset: int | None
    messages: Sequence[bytes]


def _add(now_ms: int, keep_ms: int, max_messages: int, max_bytes: int, messages: Arguments) -> Arguments:
    return (now_ms, keep_ms, max_messages, max_bytes, *messages)


def _take(now_ms: int, leased_until: int, limit: int) -> Arguments:
    return (now_ms, leased_until, limit)


def _record(
    message_id: bytes,
    attempt: int,
    state: str,
    attempts: int,
    due_ms: int | str,
    line: str,
    max_lines: int,
    failures: int,
    failing_since: int,
    resumes: int,
) -> Arguments:
    return (message_id, attempt, state, attempts, due_ms, line, max_lines, failures, failing_since, resumes)


def _retry(message_id: bytes, now_ms: int) -> Arguments:
    return (message_id, now_ms)


def _list(limit: int, newest_first: bool, cursor: bytes) -> Arguments:
    return (limit, int(newest_first), cursor)


def _read(message_id: bytes) -> Arguments:
    return (message_id,)


def _events(max_events: int) -> Arguments:
    return (max_events,)


def _note(offset: int) -> Arguments:
    return (offset,)


def _due(reply: Any) -> int | None:
    return int(float(reply)) if reply != b"" else None


ADD_MESSAGES = writing_function("add_webhook_messages", "webhook endpoint", _add, int)
READ_HEALTH = reading_function("read_webhook_health", "webhook endpoint", no_arguments, untouched)
TAKE_MESSAGES = writing_function("take_webhook_messages", "webhook endpoint", _take, untouched, repeatable=False)
RECORD_ATTEMPT = writing_function("record_webhook_attempt", "webhook endpoint", _record, bool, frees_memory=True)
RETRY_MESSAGE = writing_function("retry_webhook_message", "webhook endpoint", _retry, bool)
RESUME_ENDPOINT = writing_function("resume_webhook_endpoint", "webhook endpoint", no_arguments, _due)
CLEAR_ENDPOINT = writing_function("clear_webhook_endpoint", "webhook endpoint", no_arguments, int, frees_memory=True)
LIST_MESSAGES = reading_function("list_webhook_messages", "webhook endpoint", _list, untouched)
READ_MESSAGE = reading_function("read_webhook_message", "webhook endpoint", _read, untouched)
READ_EVENTS = reading_function("read_webhook_events", "user", _events, untouched)
NOTE_EVENTS = writing_function("note_webhook_events", "user", _note, bool)


class WebhookMessageStore:
    """The messages of all endpoints. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def add(self, project_id: ProjectId, endpoint_id: str, messages: Iterable[NewMessage], now_ms: int) -> int:
        """Add messages that are due now, and return how many are new. Those that are there already stay as they are."""
        flat = tuple(part for each in messages for part in (each.id.bytes, each.label, each.body))
        key = keys.webhook_endpoint(project_id, endpoint_id)
        return await self._client.call(ADD_MESSAGES(key, now_ms, KEEP_MS, MAX_MESSAGES, MAX_BYTES, flat))

    async def health(self, project_id: ProjectId, endpoint_id: str) -> tuple[EndpointHealth, int | None]:
        """Return the health of an endpoint, and the ms at which its next message is due, None for none."""
        key = keys.webhook_endpoint(project_id, endpoint_id)
        failures, since, resumes, due = await self._client.call(READ_HEALTH(key))
        return EndpointHealth(failures, since, resumes), _due(due)

    async def take(
        self, project_id: ProjectId, endpoint_id: str, now_ms: int, leased_until: int, limit: int
    ) -> list[TakenMessage]:
        """Return messages that are due, each with its attempt counted. They are due again at `leased_until`."""
        key = keys.webhook_endpoint(project_id, endpoint_id)
        flat = await self._client.call(TAKE_MESSAGES(key, now_ms, leased_until, limit))
        rows = zip(flat[::4], flat[1::4], flat[2::4], flat[3::4], strict=True)
        return [TakenMessage(UUID(bytes=bytes(raw)), label.decode(), tries, body) for raw, label, tries, body in rows]

    async def record(
        self,
        project_id: ProjectId,
        endpoint_id: str,
        message: TakenMessage,
        attempt: Attempt,
        state: MessageState,
        attempts: int,
        due_ms: int | None,
        health: EndpointHealth,
    ) -> bool:
        """Record an attempt and the health of the endpoint after it. `attempts` are those that count.

        Return False if the message is gone, was delivered, or was taken again meanwhile.
        """
        call = RECORD_ATTEMPT(
            keys.webhook_endpoint(project_id, endpoint_id),
            message.id.bytes,
            message.attempts,
            state.value,
            attempts,
            "" if due_ms is None else due_ms,
            attempt.line(),
            MAX_ATTEMPTS_LISTED,
            *health,
        )
        return await self._client.call(call)

    async def retry(self, project_id: ProjectId, endpoint_id: str, message_id: UUID, now_ms: int) -> bool:
        """Begin the schedule of a message again. Return whether there is such a message."""
        key = keys.webhook_endpoint(project_id, endpoint_id)
        return await self._client.call(RETRY_MESSAGE(key, message_id.bytes, now_ms))

    async def resume(self, project_id: ProjectId, endpoint_id: str) -> int | None:
        """Forget the failures of an endpoint. Return the ms at which its next message is due, None for none."""
        return await self._client.call(RESUME_ENDPOINT(keys.webhook_endpoint(project_id, endpoint_id)))

    async def clear(self, project_id: ProjectId, endpoint_id: str) -> None:
        """Delete all that is stored of an endpoint's messages."""
        await self._client.call(CLEAR_ENDPOINT(keys.webhook_endpoint(project_id, endpoint_id)))

    async def page(
        self,
        project_id: ProjectId,
        endpoint_id: str,
        limit: int,
        older_than: UUID | None = None,
        newer_than: UUID | None = None,
    ) -> list[WebhookMessage]:
        """Return messages, newest first; with `newer_than` the oldest newer ones first."""
        cursor = newer_than or older_than
        call = LIST_MESSAGES(
            keys.webhook_endpoint(project_id, endpoint_id), limit, newer_than is None, cursor.bytes if cursor else b""
        )
        rows = await self._client.call(call)
        return [message for row in rows if (message := _message(row)) is not None]

    async def read(self, project_id: ProjectId, endpoint_id: str, message_id: UUID) -> WebhookMessage | None:
        """Return a message with its body, None if there is none."""
        key = keys.webhook_endpoint(project_id, endpoint_id)
        row = await self._client.call(READ_MESSAGE(key, message_id.bytes))
        return _message(row) if row else None

    async def events(self, project_id: ProjectId, user_id: UserId) -> UserEvents | None:
        """Return the next events of a user that have not become messages, None if the user was deleted."""
        reply = await self._client.call(READ_EVENTS(keys.user(project_id, user_id), EVENTS_PER_READ))
        if not reply:
            return None
        external_id, email, offset, *messages = reply
        return UserEvents(external_id, email, int(offset) if offset else None, messages)

    async def note_events(self, project_id: ProjectId, user_id: UserId, offset: int) -> None:
        """Note that the events of a user up to an offset have become messages."""
        await self._client.call(NOTE_EVENTS(keys.user(project_id, user_id), offset))

    async def place(self, project_id: ProjectId) -> EventPlace | None:
        """Return the place of the last project event that has become messages, None if none has."""
        found = await self._client.command("GET", keys.webhook_place(project_id))
        if found is None:
            return None
        ms, _, number = found.partition(b"-")
        return EventPlace(int(ms), int(number))

    async def note_place(self, project_id: ProjectId, place: EventPlace) -> None:
        """Note that the project events up to a place have become messages."""
        await self._client.command("SET", keys.webhook_place(project_id), str(place))


def _message(row: Sequence[Any]) -> WebhookMessage | None:
    """Return the message of a row. One that cannot be read is logged, and None is returned."""
    raw, packed, due, *body = row
    try:
        head, *lines = packed.decode().splitlines()
        state, _, label = head.split(" ")
        attempts = tuple(map(Attempt.parse, lines))
        return WebhookMessage(UUID(bytes=bytes(raw)), label, MessageState(state), attempts, _due(due), *body)
    except ValueError as problem:
        log.error("webhook_message_broken", problem=str(problem))
        return None
