"""Notifications: sending them, listing them, and moving them between states."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from gateway.api.operation import Call, Handler, encode, no_content, raw_json_response
from gateway.api.params import Anything, Array, Hash, Object, Query, Text, read_body
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.notification import BulkCommand, Command, Filter, stored_categories
from gateway.domain.principal import Identity, Project, normalize_email
from gateway.store.client import StoreUnavailableError
from gateway.store.directory import Busy, IdentityConflictError, Replay, Reused
from gateway.store.inbox import Content, Delivery, Moment

MAX_RECIPIENTS = 1000
MAX_FILTER_ITEMS = 50
"""Categories or topics in one query: each costs the store a few index look-ups."""

MAX_IDEMPOTENCY_KEY_LENGTH = 255

PIPELINE_BYTES = 4 * 1024 * 1024
PIPELINE_CALLS = 200
"""How much of one request goes to Redis in one go, so that other requests get their turn."""

_ATTRIBUTES = {
    "first_name": Text(max_length=50),
    "last_name": Text(max_length=50),
    "custom_attributes": Hash(max_bytes=6000),
    "phone_numbers": Array(item=Text(max_length=50), max_items=50),
}

_UNBUILT_RECIPIENTS = ("matches", "topic")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipient(Object):
    """A recipient says who it is in one of its ways."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        fields = Object.check(self, value, path, problems)
        if fields and not any(fields[name] for name in ("email", "external_id", *_UNBUILT_RECIPIENTS)):
            problems.append(f"Param '{path}' must have an email or an external_id")
        return fields


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
        "title": Text(required=True, max_length=255),
        "content": Text(max_length=4 * 1024 * 1024),
        "action_url": Text(max_length=2048),
        "category": Text(max_length=100),
        "topic": Text(max_length=100),
        "custom_attributes": Hash(max_bytes=6000),
        "recipients": Array(
            required=True,
            min_items=1,
            max_items=MAX_RECIPIENTS,
            item=_Recipient(
                required=True,
                fields={
                    "email": Text(max_length=255, email=True),
                    "external_id": Text(max_length=255),
                    **_ATTRIBUTES,
                    **dict.fromkeys(_UNBUILT_RECIPIENTS, Anything()),
                },
            ),
        ),
        # Other channels' overrides are for channels that this gateway does not deliver to.
        "overrides": Object(fields={"channels": Object(fields={"in_app": _IN_APP})}),
    },
)
"""The body of `POST /notifications`, with the contract's limits."""


# ---- sending


async def create(call: Call) -> Response:
    """Send a notification to 1 to 1000 users, who are created where they are unknown."""
    body = await call.body()
    key = _idempotency_key(call)
    values = read_body(body, "notification", NOTIFICATION)
    identities = [_identity(recipient) for recipient in values["recipients"]]
    plan = encode({"id": str(uuid4()), "moment": call.services.moment()})
    if key is None:
        return raw_json_response(await _send(call, values, identities, plan, remember=False), 201)

    fingerprint = hashlib.sha256(b"POST /notifications\0" + body).hexdigest()
    store, project_id = call.services.idempotency, call.project.id
    claim = await store.begin(project_id, key, fingerprint, plan, call.services.moment().now_ms)
    if isinstance(claim, Replay):
        return raw_json_response(claim.body, claim.status)
    if isinstance(claim, Busy):
        raise api_error(ErrorCode.IDEMPOTENCY_KEY_IN_USE, retry_after_seconds=1)
    if isinstance(claim, Reused):
        raise api_error(ErrorCode.IDEMPOTENCY_KEY_REUSED)
    try:
        answer = await _send(call, values, identities, claim.plan, remember=True)
    except StoreUnavailableError:
        raise  # some may have it by now: the claim stays, and a repetition completes the rest by the same plan
    except Exception:
        await store.abandon(project_id, key)
        raise
    await store.finish(project_id, key, 201, answer)
    return raw_json_response(answer, 201)


class _Plan(msgspec.Struct, frozen=True):
    """What a repeated request must do alike."""

    id: str
    moment: Moment


async def _send(
    call: Call, values: Mapping[str, Any], identities: Sequence[Identity], encoded_plan: bytes, remember: bool
) -> bytes:
    plan = msgspec.json.decode(encoded_plan, type=_Plan)
    deliveries = await _deliveries(call, call.project, identities, values["recipients"])
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
    step = max(1, min(PIPELINE_CALLS, PIPELINE_BYTES // len(content.encoded)))
    for first in range(0, len(deliveries), step):
        await call.services.inboxes.create(content, deliveries[first : first + step], plan.moment, remember)
    return encode({"notification": {"id": plan.id, **fields, "sent_at": plan.moment.now_ms // 1000}})


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
        profile = {name: recipient[name] for name in _ATTRIBUTES if recipient[name] is not None}
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


def _idempotency_key(call: Call) -> str | None:
    key = call.request.headers.get("idempotency-key")
    if key and len(key) > MAX_IDEMPOTENCY_KEY_LENGTH:
        raise invalid(f"Header 'Idempotency-Key' must have at most {MAX_IDEMPOTENCY_KEY_LENGTH} characters")
    return key or None


# ---- reading


async def list_notifications(call: Call) -> Response:
    """Give a page of the user's notifications, newest first, with the counts of all that match."""
    query = call.query()
    per_page = query.integer("per_page", 15, least=1, most=100)
    page = query.integer("page", 1, least=1, most=1_000_000_000)
    matching = _filter(query)
    query.finish()
    found = await call.services.inboxes.list_page(call.user, matching, page, per_page)
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
    item = await call.services.inboxes.get(call.user, call.notification_id)
    if item is None:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return raw_json_response(b'{"notification":' + item + b"}")


# ---- changing


def change(command: Command) -> Handler:
    """Make the handler that applies a command to one notification."""

    async def handler(call: Call) -> Response:
        found = await call.services.inboxes.change(
            call.user, call.notification_id, command, call.client_id, call.services.moment()
        )
        return _done(found)

    return handler


async def delete(call: Call) -> Response:
    """Delete one notification of the user's."""
    return _done(
        await call.services.inboxes.delete(call.user, call.notification_id, call.client_id, call.services.moment())
    )


def change_all(command: BulkCommand) -> Handler:
    """Make the handler that applies a command to every notification that the query's filter matches."""

    async def handler(call: Call) -> Response:
        query = call.query()
        matching = _filter(query)
        query.finish()
        await call.services.inboxes.change_all(call.user, matching, command, call.client_id, call.services.moment())
        return no_content()

    return handler


def _done(found: bool) -> Response:
    if not found:
        raise api_error(ErrorCode.NOT_FOUND, "Notification not found")
    return no_content()


def _filter(query: Query) -> Filter:
    return Filter(
        read=query.boolean("read"),
        seen=query.boolean("seen"),
        archived=query.boolean("archived"),
        categories=stored_categories(query.texts("categories", MAX_FILTER_ITEMS, max_length=100)),
        topics=query.texts("topics", MAX_FILTER_ITEMS, max_length=100),
    )
