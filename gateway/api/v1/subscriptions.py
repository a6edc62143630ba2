"""Topic subscriptions: which categories of a topic the user wants to be told about.

The category `*` means all of a topic's categories: those named before, and those never named. A later word about one
category is an exception from it; a later word about `*` ends all exceptions.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope, encode, json_response, no_content, raw_json_response
from gateway.api.core.params import LISTS_BODY_BYTES, Array, Body, Object, Text
from gateway.api.core.query import Number, total_pages
from gateway.api.core.schema import Answer
from gateway.domain import preferences
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.notification import stored_categories
from gateway.domain.preferences import Status, slug_of
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.errors import TooManyError
from gateway.store.redis.problems import StoreDataError
from gateway.store.subscriptions import BYTES_IN_ALL, MAX_TOPICS, decode_subscriptions

MAX_TOPIC_LENGTH = 100

BYTES_IN_ONE_GO = 200_000
TOPIC_BYTES = 1_300
"""How much of a list is built before others get their turn: 2 ms. A topic costs as much as so many bytes of it."""

LISTING = (
    Number("per_page", "Topics on a page; without it and `page`, all are listed.", MAX_TOPICS, 1, MAX_TOPICS),
    Number("page", "Number of the page, from 1.", 1, 1, 1_000_000_000),
)

_SLUG = Text(required=True, max_length=100)


def _categories(fields: Mapping[str, Text]) -> Array:
    return Array(
        required=True,
        min_items=1,
        max_items=MAX_CATEGORIES,
        item=Object(required=True, fields={"slug": _SLUG, **fields}),
    )


ON = Body(
    "subscription",
    Object(
        required=True,
        name="NewSubscription",
        fields={
            "topic": Text(required=True, max_length=MAX_TOPIC_LENGTH),
            "categories": _categories({"reason": Text(max_length=255)}),
        },
    ),
    example={"topic": "acme-inc", "categories": [{"slug": "comments", "reason": "watching"}]},
    max_bytes=LISTS_BODY_BYTES,
)
"""What `POST /subscriptions` takes."""

OFF = Body(
    "subscription",
    Object(required=True, name="Unsubscription", fields={"categories": _categories({})}),
    example={"categories": [{"slug": "*"}]},
    max_bytes=LISTS_BODY_BYTES,
)
"""What `POST /subscriptions/{topic}/unsubscribe` takes."""


class SubscribedCategory(msgspec.Struct):
    """What the user said about one category of a topic; `*` is all of them."""

    slug: str
    reason: str | None
    status: Literal["subscribed", "unsubscribed"]


class Subscription(msgspec.Struct):
    """What the user said about a topic."""

    topic: str
    categories: list[SubscribedCategory]


class SubscriptionAnswer(msgspec.Struct):
    """One topic."""

    subscription: Subscription


class SubscriptionList(msgspec.Struct, omit_defaults=True):
    """What the user said about topics. The numbers come where a page was asked for."""

    subscriptions: list[Subscription]
    total: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    per_page: int | UnsetType = UNSET
    current_page: int | UnsetType = UNSET


SUBSCRIPTION = Answer(200, "The topic", SubscriptionAnswer)
SUBSCRIPTIONS = Answer(200, "All topics", SubscriptionList)


async def list_subscriptions(call: Call) -> Response:
    """Return the user's topic subscriptions, by name: a page and the number of all, or everything."""
    query = call.query()
    page, per_page = query["page"], query["per_page"]
    found = await call.services.subscriptions.list_page(call.user, page, per_page, call.guard)
    answer: dict[str, Any] = {"subscriptions": []}
    if call.request.query_params.keys() & {"page", "per_page"}:
        pages = total_pages(found.total, per_page)
        answer = {"total": found.total, "total_pages": pages, "per_page": per_page, "current_page": page, **answer}
    head = encode(answer)
    parts: list[bytes] = []
    size = 0
    for topic, packed in found.topics:
        with contextlib.suppress(StoreDataError):  # it is in the log, and must not hide the others
            parts.append(encode(_topic(topic.decode(errors="replace"), decode_subscriptions(packed))))
        size += TOPIC_BYTES + len(packed)
        if size >= BYTES_IN_ONE_GO:
            size = 0
            await asyncio.sleep(0)
    return raw_json_response(b"".join((head[:-2], b",".join(parts), b"]}")))


async def get(call: Call) -> Response:
    """Return the user's subscription of one topic."""
    topic = call.text("topic")
    found = await call.services.subscriptions.of_topic(call.user, topic, call.guard)
    if not found:
        raise _unknown_topic()
    return _answer(topic, found)


async def subscribe(call: Call) -> Response:
    """Subscribe to categories of a topic, also after an unsubscription."""
    values = call.fields(await call.body())
    return await _set(call, values["topic"], Status.SUBSCRIBED, values["categories"])


async def unsubscribe(call: Call) -> Response:
    """Unsubscribe from categories of a topic, whether subscribed before or not: they send nothing more."""
    topic = call.text("topic")
    values = call.fields(await call.body())
    if len(topic) > MAX_TOPIC_LENGTH:
        raise invalid(f"Param 'topic' must have at most {MAX_TOPIC_LENGTH} characters")
    return await _set(call, topic, Status.UNSUBSCRIBED, values["categories"])


async def delete(call: Call) -> Response:
    """Delete the user's subscription of a topic, or unsubscription."""
    if not await call.services.subscriptions.delete(call.user, call.text("topic"), call.guard):
        raise _unknown_topic()
    return no_content()


async def _set(call: Call, topic: str, status: Status, categories: list[dict[str, Any]]) -> Response:
    reasons: dict[str, str] = {}
    for category in categories:
        (name,) = stored_categories([category["slug"]])
        reasons[name] = category.get("reason") or reasons.get(name, "")
    try:
        found = await call.services.subscriptions.set(call.user, topic, status, reasons, call.guard)
    except TooManyError as problem:
        name = "topic" if problem.what in ("topics", BYTES_IN_ALL) else "categories"
        raise invalid(f"Param 'subscription.{name}' would leave the user with {problem}") from None
    return _answer(topic, found)


def _unknown_topic() -> Exception:
    return api_error(ErrorCode.NOT_FOUND, "Topic not found")


def _answer(topic: str, found: Mapping[str, preferences.Subscription]) -> Response:
    return json_response({"subscription": _topic(topic, found)})


def _topic(topic: str, found: Mapping[str, preferences.Subscription]) -> dict[str, Any]:
    categories = [
        {"slug": slug_of(category), "reason": word.reason or None, "status": word.status.value}
        for category, word in sorted(found.items())
    ]
    return {"topic": topic, "categories": categories}


OPERATIONS = [
    Operation(
        "GET",
        "/subscriptions",
        Scope.USER,
        list_subscriptions,
        "List topic subscriptions",
        SUBSCRIPTIONS,
        query=LISTING,
    ),
    Operation("POST", "/subscriptions", Scope.USER, subscribe, "Subscribe to a topic", SUBSCRIPTION, ON),
    # Before the topic itself, which may hold slashes.
    Operation(
        "POST",
        "/subscriptions/{topic}/unsubscribe",
        Scope.USER,
        unsubscribe,
        "Unsubscribe from a topic",
        SUBSCRIPTION,
        OFF,
    ),
    Operation("GET", "/subscriptions/{topic}", Scope.USER, get, "Fetch a topic subscription", SUBSCRIPTION),
    Operation("DELETE", "/subscriptions/{topic}", Scope.USER, delete, "Delete a topic subscription"),
]
