"""The latest deliveries of a project on channels besides the inbox: which failed, and which did not."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.paging import PAGING, Links, links, read_page
from gateway.api.core.query import Formed, Option
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v2.project_events import Part, named_user, read_part
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.domain.project_event import ProjectEventType, event_id
from gateway.domain.times import rfc3339_ms
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.project_event_log import ProjectEventLog, StoredEvent
from gateway.store.redis.problems import StoreDataError, decoding

_CHANNELS = (*(channel.value for channel in Channel if channel is not Channel.IN_APP), "webhook")

_FAILED = (ProjectEventType.DELIVERY_FAILED, ProjectEventType.DELIVERY_CONTRADICTED)
_ENDED = (ProjectEventType.DELIVERY_ENDED, ProjectEventType.DELIVERY_CONTRADICTED)

_NOBODY = UserId("")

FILTERS = (
    Option(
        "outcome",
        "`failed`: only deliveries that did not reach the user, or may not have. The log keeps the newest of these "
        "however many others there are. `delivered`, `skipped`: only these.",
        ("failed", "delivered", "skipped"),
    ),
    Option("channel", "Only deliveries on this channel.", _CHANNELS),
    Formed(
        "user",
        "Only deliveries to this user: an id, `external_id:…` or `email:…`.",
        "the id of a user, or `external_id:` or `email:` and a name",
        r"[\s\S]{1,300}",
    ),
)


class DeliveryRecipient(msgspec.Struct):
    """The user, with null names once the user is deleted."""

    id: Uuid
    external_id: str | None
    email: str | None


class DeliveryAnswer(msgspec.Struct):
    """A delivery that ended. `id` is that of its event in `/v2/events`.

    `state` is `delivered`, `skipped`, `refused`, `dead`, `failed`, `unknown`, or `undelivered` for a message that the
    provider accepted and then reported as not delivered. `reason` is the code of the provider or of the gateway.
    `title` is that of the notification, null if it is in no inbox of the user.
    """

    id: Uuid
    timestamp: Time
    user: DeliveryRecipient | None
    notification_id: Uuid
    title: str | None
    channel: str
    provider: str | None
    state: str
    reason: str | None
    attempts: int | None


class DeliveryList(msgspec.Struct):
    """A page of deliveries, newest first."""

    data: list[DeliveryAnswer]
    links: Links


LISTED = ResponseSpec(200, "A page", DeliveryList)


class _Context(msgspec.Struct):
    """The context of an event of a delivery."""

    notification_id: str = ""
    channel: str = ""
    provider: str | None = None
    state: str = ""
    reason: str | None = None
    attempts: int | None = None


class _Item(msgspec.Struct):
    title: str | None = None


class _Found(NamedTuple):
    event: StoredEvent
    context: _Context


_decode_context = msgspec.json.Decoder(_Context).decode
_decode_item = msgspec.json.Decoder(_Item).decode


@dataclass(frozen=True, slots=True)
class DeliveriesResource:
    """The operation on the latest deliveries, with what it reads."""

    log: ProjectEventLog
    directory: Directory
    inboxes: InboxStore

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the deliveries that have ended, newest first.

        They come from the project's events, which are kept by number and age. A page may be short, or even empty,
        although `links.next` is not null: the search for those that match stops after a while, and continues there.
        Why a delivery failed is told by the trace of its user and notification.
        """
        query, project_id = call.query(), call.project.id
        page = read_page(query)
        user_id = await named_user(self.directory, project_id, query["user"])
        if query["user"] and user_id is None:
            part = Part((), None, None)
        else:
            types = _FAILED if query["outcome"] == "failed" else _ENDED
            part = await read_part(self.log, project_id, types, user_id, page, _matches(query))
        data = await self._shown(project_id, [_Found(event, context_of(event)) for event in part.events])
        newer, older = (event_id(place, 0) if place else None for place in (part.newer, part.older))
        path = call.forwarded.prefix + call.request.path
        fields = call.request.query_params.multi_items()
        return json_response({"data": data, "links": links(path, fields, page.size, newer, older)})

    async def _shown(self, project_id: ProjectId, found: list[_Found]) -> list[DeliveryAnswer]:
        """Return deliveries as responses have them: two round trips for all of them."""
        ids = {each.event.user_id for each in found if each.event.user_id is not None}
        users = await asyncio.gather(*(self.directory.by_id(project_id, user_id) for user_id in ids))
        known = {user.id: user for user in users if user is not None}
        pairs = [(known.get(each.event.user_id or _NOBODY), each.context.notification_id) for each in found]
        titles = await asyncio.gather(*(self._title(user, notification_id) for user, notification_id in pairs))
        return [_answer(*each, known, title) for each, title in zip(found, titles, strict=True)]

    async def _title(self, user: User | None, notification_id: str) -> str | None:
        if user is None:
            return None
        try:
            item = await self.inboxes.get(user, ItemId(UUID(notification_id).bytes))
        except (UserDeletedError, StoreDataError, ValueError):
            return None
        return _decode_item(item).title if item is not None else None


def context_of(event: StoredEvent) -> _Context:
    """Return the context of an event of a delivery. Raises StoreDataError."""
    with decoding("an event"):
        return _decode_context(event.context or b"{}")


def _matches(query: Mapping[str, Any]) -> Callable[[StoredEvent], bool] | None:
    """Return whether an event passes the filters that its type does not decide, None if there are none."""
    channel, state = query["channel"], query["outcome"]
    state = None if state == "failed" else state
    if channel is None and state is None:
        return None

    def matches(event: StoredEvent) -> bool:
        context = context_of(event)
        return channel in (None, context.channel) and state in (None, context.state)

    return matches


def _answer(event: StoredEvent, context: _Context, known: Mapping[UserId, User], title: str | None) -> DeliveryAnswer:
    user = known.get(event.user_id or _NOBODY)
    names = (user.external_id, user.email) if user is not None else (None, None)
    return DeliveryAnswer(
        id=event_id(event.place, event.code),
        timestamp=rfc3339_ms(event.place.ms),
        user=DeliveryRecipient(event.user_id, *names) if event.user_id is not None else None,
        notification_id=context.notification_id,
        title=title,
        channel=context.channel,
        provider=context.provider,
        state=context.state,
        reason=context.reason,
        attempts=context.attempts,
    )


OPERATIONS: list[AnyOperation] = [
    Operation(
        "GET",
        "/v2/deliveries",
        PROJECT,
        DeliveriesResource.list_page,
        "List deliveries",
        LISTED,
        query=(*FILTERS, *PAGING),
        tag="Deliveries",
    )
]
