"""Makes messages for webhook endpoints of what happened: of the event logs of users, and of the project's events.

Nothing is written for webhooks where something happens. A user to whom something happened is a member of the project's
lane of webhooks, and the events of the user's log after the last ones that became messages are read when a worker
serves the lane. So events are neither lost nor doubled: the id of a message follows from its event, and the place in
the log is noted only after the messages of all endpoints are stored. Events of a project are read in the same way.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from gateway.domain.event import Event
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.project_event import MAX_NUMBER, EventPlace, event_id
from gateway.domain.times import rfc3339, rfc3339_ms
from gateway.domain.webhook import OF_INBOX, OF_PROJECT, encode_body, message_id
from gateway.store.contents import ContentStore
from gateway.store.directory import Directory
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.webhook_endpoints import Endpoint, WebhookEndpointStore
from gateway.store.webhook_messages import EVENTS_PER_READ, NewMessage, UserEvents, WebhookMessageStore
from gateway.telemetry.logs import log

Wake = Callable[[ProjectId, str, int], Awaitable[None]]
"""Has the messages of an endpoint sent that are due at a unix ms, 0 for now."""

_Messages = dict[str, list[NewMessage]]
"""New messages by endpoint."""


class _Recipient(msgspec.Struct):
    id: str


class _Item(msgspec.Struct):
    """An item in an event of a log. Times are unix seconds."""

    id: str
    recipient: _Recipient
    title: str
    content: str | None = None
    action_url: str | None = None
    category: str = ""
    topic: str | None = None
    custom_attributes: Any = None
    sent_at: int | None = None
    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None


class _Data(msgspec.Struct):
    """The data of an event: of one item, or of all that match filters."""

    notification: _Item | None = None
    filters: dict[str, Any] = {}
    client_id: str | None = None


class _LogEvent(msgspec.Struct):
    """An event of a user's log, as clients receive it."""

    data: _Data
    unread_count: int
    unseen_count: int


_decode = msgspec.json.Decoder(_LogEvent).decode


class WebhookSource:
    """Makes the messages. Methods raise StoreUnavailableError, and may be repeated."""

    def __init__(
        self,
        endpoints: WebhookEndpointStore,
        messages: WebhookMessageStore,
        contents: ContentStore,
        event_log: ProjectEventLog,
        directory: Directory,
        wake: Wake,
        unix: Callable[[], float],
    ):
        self._endpoints = endpoints
        self._messages = messages
        self._contents = contents
        self._event_log = event_log
        self._directory = directory
        self._wake = wake
        self._unix = unix

    async def of_user(self, project_id: ProjectId, user_id: UserId) -> bool:
        """Make messages of the next events of a user. Return whether there may be more events."""
        endpoints = await self._enabled(project_id)
        found = await self._messages.events(project_id, user_id) if endpoints else None
        if found is None or not found.messages:
            return False
        made: _Messages = defaultdict(list)
        offset = 0
        for raw in await self._contents.expand(project_id, found.messages):
            try:
                event = Event.decode(raw)
            except ValueError as problem:
                log.error("event_broken", project=project_id, user=user_id, problem=str(problem))
                continue
            if not offset and found.offset is not None and event.position.offset > found.offset + 1:
                # Workers were away for longer than the log keeps events.
                lost = event.position.offset - found.offset - 1
                log.warning("webhook_events_lost", project=project_id, user=user_id, events=lost)
            offset = event.position.offset
            _add_of_inbox(made, endpoints, user_id, event, found)
        await self._store(project_id, made)
        await self._messages.note_events(project_id, user_id, offset)
        return len(found.messages) == EVENTS_PER_READ

    async def of_project(self, project_id: ProjectId) -> bool:
        """Make messages of the next events of a project. Return whether there may be more events."""
        endpoints = await self._enabled(project_id)
        if not endpoints:
            return False
        oldest = EventPlace(max(0, min(each.created_ms for each in endpoints) - 1), MAX_NUMBER)
        place = max(await self._messages.place(project_id) or oldest, oldest)
        page = await self._event_log.read(project_id, OF_PROJECT, EVENTS_PER_READ, newer_than=place)
        if not page.events:
            return False
        made: _Messages = defaultdict(list)
        for event in page.events:
            await self._add_of_project(made, endpoints, project_id, event)
        await self._store(project_id, made)
        await self._messages.note_place(project_id, page.events[-1].place)
        return page.more

    async def _enabled(self, project_id: ProjectId) -> Sequence[Endpoint]:
        return [each for each in await self._endpoints.of_project(project_id) if not each.disabled]

    async def _add_of_project(
        self, made: _Messages, endpoints: Sequence[Endpoint], project_id: ProjectId, event: StoredEvent
    ) -> None:
        assert event.type is not None, "only known types are read"
        kind = OF_PROJECT[event.type]
        receivers = [each for each in endpoints if each.gets(kind.label, event.place.ms)]
        if receivers:
            data = msgspec.json.decode(event.context) if event.context else {}
            if event.user_id is not None:
                data["user"] = await self._user(project_id, event.user_id)
            new_id = UUID(event_id(event.place, event.code))
            body = encode_body(kind.label, new_id, rfc3339_ms(event.place.ms), data)
            _add(made, receivers, NewMessage(new_id, kind.label, body))

    async def _user(self, project_id: ProjectId, user_id: UserId) -> Mapping[str, str | None]:
        """Return a user by the names that it has now, without names if it was deleted."""
        user = await self._directory.by_id(project_id, user_id)
        names = (user.external_id, user.email) if user is not None else (None, None)
        return {"id": user_id, "external_id": names[0], "email": names[1]}

    async def _store(self, project_id: ProjectId, made: _Messages) -> None:
        """Store messages, and have them sent. An endpoint is woken even if it has them already: a worker may have died
        in between."""
        now_ms = int(self._unix() * 1000)
        for endpoint_id, messages in made.items():
            await self._messages.add(project_id, endpoint_id, messages, now_ms)
            await self._wake(project_id, endpoint_id, 0)


def _add(made: _Messages, receivers: Sequence[Endpoint], message: NewMessage) -> None:
    for each in receivers:
        made[each.id].append(message)


def _add_of_inbox(
    made: _Messages, endpoints: Sequence[Endpoint], user_id: UserId, event: Event, found: UserEvents
) -> None:
    kind = OF_INBOX.get(event.name)
    receivers = [each for each in endpoints if kind and each.gets(kind.label, event.published_ms)]
    if kind is None or not receivers:
        return
    try:
        data = _data(event)
    except msgspec.MsgspecError as problem:
        log.error("event_broken", user=user_id, problem=str(problem))
        return
    new_id = message_id(event.published_ms, user_id, str(event.position))
    user = {"id": user_id, "external_id": _name(found.external_id), "email": _name(found.email)}
    body = encode_body(kind.label, new_id, rfc3339_ms(event.published_ms), {"user": user, **data})
    _add(made, receivers, NewMessage(new_id, kind.label, body))


def _name(encoded: bytes) -> str | None:
    name: str | None = msgspec.json.decode(encoded) if encoded else None
    return name


def _data(event: Event) -> dict[str, Any]:
    decoded = _decode(event.text)
    data, item = decoded.data, decoded.data.notification
    return {
        **({"notification": _shown(item)} if item is not None else {"filters": data.filters}),
        **({"client_id": data.client_id} if data.client_id else {}),
        "unread_count": decoded.unread_count,
        "unseen_count": decoded.unseen_count,
    }


def _shown(item: _Item) -> dict[str, Any]:
    """Return an item in the shape of v2."""
    return {
        "id": item.id,
        "user_id": item.recipient.id,
        "title": item.title,
        "content": item.content,
        "action_url": item.action_url,
        "category": item.category or None,
        "topic": item.topic,
        "custom_attributes": item.custom_attributes,
        "sent_at": _time(item.sent_at),
        "seen_at": _time(item.seen_at),
        "read_at": _time(item.read_at),
        "archived_at": _time(item.archived_at),
    }


def _time(unix: int | None) -> str | None:
    return rfc3339(unix) if unix is not None else None
