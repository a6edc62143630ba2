"""Notifications: sending them, listing them, and moving them between states."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from gateway.api.idempotency import once
from gateway.api.identity import ATTRIBUTES, NAMES, NamedUser
from gateway.api.operation import Call, Handler, encode, no_content, raw_json_response
from gateway.api.params import Anything, Array, Body, Hash, Object, Text
from gateway.api.query import Flag, Number, Texts
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.guard import UserDeletedError
from gateway.domain.notification import UNCATEGORIZED, BulkCommand, Command, Filter, stored_categories
from gateway.domain.principal import Identity, Project, normalize_email
from gateway.store.contents import Content
from gateway.store.directory import IdentityConflictError
from gateway.store.inbox import Delivery, Moment

MAX_RECIPIENTS = 1000
MAX_FILTER_ITEMS = 50
"""Categories or topics in one query: each costs the store a few index look-ups."""

PIPELINE_BYTES = 4 * 1024 * 1024
PIPELINE_CALLS = 200
"""How much of one request goes to Redis in one go, so that other requests get their turn."""

_UNBUILT_RECIPIENTS = {kind: Anything(description="Not built yet: answers 501.") for kind in ("matches", "topic")}

_IN_APP = Object(
    fields={
        "title": Text(max_length=255),
        "content": Text(max_length=4 * 1024 * 1024),
        "action_url": Text(max_length=2048),
    }
)

NOTIFICATION = Object(
    required=True,
    fields={
        "title": Text(required=True, max_length=255, description="Not blank."),
        "content": Text(max_length=4 * 1024 * 1024),
        "action_url": Text(max_length=2048, description="Where a click leads."),
        "category": Text(max_length=100),
        "topic": Text(max_length=100),
        "custom_attributes": Hash(max_bytes=6000),
        "recipients": Array(
            required=True,
            min_items=1,
            max_items=MAX_RECIPIENTS,
            item=NamedUser(
                required=True,
                description="A user, by external_id or email; who is unknown is created.",
                fields={**NAMES, **ATTRIBUTES, **_UNBUILT_RECIPIENTS},
                other_ways=tuple(_UNBUILT_RECIPIENTS),
            ),
        ),
        # Other channels' overrides are for channels that this gateway does not deliver to.
        "overrides": Object(
            fields={"channels": Object(fields={"in_app": _IN_APP})},
            description="What the inbox shows in place of the fields above.",
        ),
    },
)
"""What `POST /notifications` takes, with the contract's limits."""

SENDING = Body(
    "notification",
    NOTIFICATION,
    example={
        "title": "Your order has shipped",
        "content": "It arrives on Friday.",
        "action_url": "https://shop.example.com/orders/42",
        "category": "orders",
        "custom_attributes": {"order": 42},
        "recipients": [{"external_id": "ada"}],
    },
    refusals=(ErrorCode.NOT_BUILT,),
)

FILTER = (
    Flag("read", "Those that are read, or that are not."),
    Flag("seen", "Those that are seen, or that are not."),
    Flag("archived", "Those that are archived, or that are not."),
    Texts("categories", f"Those of any of these; `{UNCATEGORIZED}` is those of none.", MAX_FILTER_ITEMS, 100),
    Texts("topics", "Those of any of these.", MAX_FILTER_ITEMS, 100),
)
"""Which of a user's notifications are meant; all of them without any."""

LISTING = (
    Number("per_page", "How many a page has.", default=15, least=1, most=100),
    Number("page", "Which page, from 1.", default=1, least=1, most=1_000_000_000),
    *FILTER,
)


# ---- sending


async def create(call: Call) -> Response:
    """Send a notification to 1 to 1000 users, who are created where they are unknown."""
    body = await call.body()
    values = call.fields(body)
    identities = [_identity(recipient) for recipient in values["recipients"]]
    plan = encode({"id": str(uuid4()), "moment": call.services.moment()})
    return await once(call, body, plan, lambda plan, remember: _send(call, values, identities, plan, remember))


class _Plan(msgspec.Struct, frozen=True):
    """What a repeated request must do alike."""

    id: str
    moment: Moment


async def _send(
    call: Call, values: Mapping[str, Any], identities: Sequence[Identity], encoded_plan: bytes, remember: bool
) -> bytes:
    plan = msgspec.json.decode(encoded_plan, type=_Plan)
    fields = {
        "title": values["title"],
        "content": values["content"],
        "action_url": values["action_url"],
        "category": values["category"] or "",
        "topic": values["topic"] or None,
        "custom_attributes": values["custom_attributes"],
    }
    in_app = ((values["overrides"] or {}).get("channels") or {}).get("in_app") or {}
    overridden = {**fields, **{name: value for name, value in in_app.items() if value}}
    content = Content.encode(UUID(plan.id), overridden)
    if content.category:
        await call.services.categories.record(call.project.id, content.category)
    try:
        await _deliver(call, identities, values["recipients"], content, plan, remember)
    except UserDeletedError as deleted:
        # Someone was deleted meanwhile and is a new user now. Who has the item by this id already gets no second.
        await call.services.directory.forget(deleted.user)
        await _deliver(call, identities, values["recipients"], content, plan, remember)
    return encode({"notification": {"id": plan.id, **fields, "sent_at": plan.moment.now_ms // 1000}})


async def _deliver(
    call: Call,
    identities: Sequence[Identity],
    recipients: Sequence[Mapping[str, Any]],
    content: Content,
    plan: _Plan,
    remember: bool,
) -> None:
    deliveries = await _deliveries(call, call.project, identities, recipients)
    step = max(1, min(PIPELINE_CALLS, PIPELINE_BYTES // len(content.encoded)))
    for first in range(0, len(deliveries), step):
        await call.services.inboxes.create(content, deliveries[first : first + step], plan.moment, remember)


async def _deliveries(
    call: Call, project: Project, identities: Sequence[Identity], recipients: Sequence[Mapping[str, Any]]
) -> list[Delivery]:
    try:
        resolved = await call.services.directory.resolve_many(project.id, identities)
    except IdentityConflictError as conflict:
        raise invalid(
            *(
                f"Param 'notification.recipients[{index}]' has the external_id of one user and the email of another"
                for index in conflict.indexes
            )
        ) from None
    deliveries: dict[str, Delivery] = {}
    for (user, fresh), recipient in zip(resolved, recipients, strict=True):
        profile = {name: recipient[name] for name in ATTRIBUTES if recipient[name] is not None}
        delivery = Delivery(user, profile, fresh)
        # A user named twice is one recipient: all mentions' attributes count, and the names not from the cache.
        if earlier := deliveries.get(user.id):
            newer = earlier if earlier.fresh and not fresh else delivery
            delivery = Delivery(newer.user, {**earlier.profile, **profile}, newer.fresh)
        deliveries[user.id] = delivery
    return list(deliveries.values())


def _identity(recipient: Mapping[str, Any]) -> Identity:
    for kind in _UNBUILT_RECIPIENTS:
        if recipient[kind] is not None:
            raise api_error(ErrorCode.NOT_BUILT, f"Recipients by '{kind}' are not built yet")
    email = recipient["email"]
    return Identity(recipient["external_id"] or None, normalize_email(email) if email else None)


# ---- reading


async def list_notifications(call: Call) -> Response:
    """Give a page of the user's notifications, newest first, with the counts of all that match."""
    query = call.query()
    page, per_page = query["page"], query["per_page"]
    found = await call.services.inboxes.list_page(call.user, _filter(query), page, per_page, call.guard)
    head = encode(
        {
            "project_id": call.project.id,
            "total": found.total,
            "total_pages": -(-found.total // per_page),
            "per_page": per_page,
            "current_page": page,
            "unread_count": found.unread,
            "unseen_count": found.unseen,
        }
    )
    body = b"".join((head[:-1], b',"notifications":[', b",".join(found.items), b"]}"))
    return raw_json_response(body, headers={"X-Inbox-Position": str(found.position)} if found.position else None)


async def get(call: Call) -> Response:
    """Give one notification of the user's."""
    item = await call.services.inboxes.get(call.user, call.notification_id, call.guard)
    if item is None:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return raw_json_response(b'{"notification":' + item + b"}")


# ---- changing


def change(command: Command) -> Handler:
    """Make the handler that applies a command to one notification."""

    async def handler(call: Call) -> Response:
        found = await call.services.inboxes.change(
            call.user, call.notification_id, command, call.client_id, call.services.moment(), call.guard
        )
        return _done(found)

    return handler


async def delete(call: Call) -> Response:
    """Delete one notification of the user's."""
    return _done(
        await call.services.inboxes.delete(
            call.user, call.notification_id, call.client_id, call.services.moment(), call.guard
        )
    )


def change_all(command: BulkCommand) -> Handler:
    """Make the handler that applies a command to every notification that the query's filter matches."""

    async def handler(call: Call) -> Response:
        await call.services.inboxes.change_all(
            call.user, _filter(call.query()), command, call.client_id, call.services.moment(), call.guard
        )
        return no_content()

    return handler


def _done(found: bool) -> Response:
    if not found:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return no_content()


def _filter(query: Mapping[str, Any]) -> Filter:
    return Filter(
        read=query["read"],
        seen=query["seen"],
        archived=query["archived"],
        categories=stored_categories(query["categories"]),
        topics=query["topics"],
    )
