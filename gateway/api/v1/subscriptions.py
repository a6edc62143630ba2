"""Topic subscriptions: which categories of a topic the user subscribes to.

The category `*` stands for all categories of a topic, including those that no request has named. A later change of one
category is an exception to it. A later change of `*` removes all exceptions.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import LISTS_BODY_BYTES, Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.operation import Operation
from gateway.api.core.problems import not_found
from gateway.api.core.query import Number, total_pages
from gateway.api.core.responses import encode, json_response, no_content, raw_json_response
from gateway.api.core.schema import ResponseSpec
from gateway.domain import preferences
from gateway.domain.errors import invalid
from gateway.domain.notification import stored_categories
from gateway.domain.objects import Array, Object
from gateway.domain.params import Text
from gateway.domain.preferences import Status, slug_of
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.errors import TooManyError
from gateway.store.redis.problems import StoreDataError
from gateway.store.subscriptions import BYTES_IN_ALL, MAX_TOPICS, SubscriptionStore, decode_subscriptions

MAX_TOPIC_LENGTH = 100

BYTES_IN_ONE_GO = 200_000
TOPIC_BYTES = 1_300
"""The part of a list that is built before other requests run: 2 ms of work (measured). Each topic adds TOPIC_BYTES to
the size of its packed subscriptions, for the work that does not depend on that size."""

LISTING = (
    Number("per_page", "Topics on a page. Without this and `page`, all topics are listed.", MAX_TOPICS, 1, MAX_TOPICS),
    Number("page", "Number of the page, from 1.", 1, 1, 1_000_000_000),
)

_SLUG = Text(required=True, max_length=100, description="A category, or `*` for all categories of the topic.")


def _categories(fields: Mapping[str, Text]) -> Array:
    return Array(
        required=True,
        min_items=1,
        max_items=MAX_CATEGORIES,
        item=Object(required=True, fields={"slug": _SLUG, **fields}),
    )


SUBSCRIBING = Body(
    "subscription",
    Object(
        required=True,
        name="NewSubscription",
        fields={
            "topic": Text(required=True, max_length=MAX_TOPIC_LENGTH),
            "categories": _categories(
                {"reason": Text(max_length=255, description="Why the user subscribes, in a word of your own.")}
            ),
        },
    ),
    example={"topic": "acme-inc", "categories": [{"slug": "comments", "reason": "watching"}]},
    max_bytes=LISTS_BODY_BYTES,
)

UNSUBSCRIBING = Body(
    "subscription",
    Object(required=True, name="Unsubscription", fields={"categories": _categories({})}),
    example={"categories": [{"slug": "*"}]},
    max_bytes=LISTS_BODY_BYTES,
)


class SubscribedCategory(msgspec.Struct):
    """Whether the user subscribes to a category of a topic; `*` stands for all categories."""

    slug: str
    reason: str | None
    status: Literal["subscribed", "unsubscribed"]


class Subscription(msgspec.Struct):
    """A topic with the categories that the user has subscribed to or unsubscribed from."""

    topic: str
    categories: list[SubscribedCategory]


class SubscriptionAnswer(msgspec.Struct):
    """One topic."""

    subscription: Subscription


class SubscriptionList(msgspec.Struct, omit_defaults=True):
    """The user's topics. The numbers are present if the request has `page` or `per_page`."""

    subscriptions: list[Subscription]
    total: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    per_page: int | UnsetType = UNSET
    current_page: int | UnsetType = UNSET


SUBSCRIPTION = ResponseSpec(200, "The topic", SubscriptionAnswer)
SUBSCRIPTIONS = ResponseSpec(200, "All topics", SubscriptionList)


@dataclass(frozen=True, slots=True)
class SubscriptionsResource:
    """The operations on the calling user's topic subscriptions."""

    subscriptions: SubscriptionStore

    async def list_page(self, call: UserCall) -> Response:
        """Return the user's topics, ordered by name: all of them, or a page with the number of all."""
        query = call.query()
        page, per_page = query["page"], query["per_page"]
        found = await self.subscriptions.list_page(call.user, page, per_page, call.guard)
        listed: dict[str, Any] = {"subscriptions": []}
        if call.request.query_params.keys() & {"page", "per_page"}:
            pages = total_pages(found.total, per_page)
            listed = {"total": found.total, "total_pages": pages, "per_page": per_page, "current_page": page, **listed}
        topics = await _encoded_topics(found.topics)
        return raw_json_response(b"".join((encode(listed)[:-2], b",".join(topics), b"]}")))

    async def get(self, call: UserCall) -> Response:
        """Return the user's subscription to a topic."""
        topic = call.text("topic")
        found = await self.subscriptions.of_topic(call.user, topic, call.guard)
        if not found:
            raise not_found("Topic")
        return _response(topic, found)

    async def subscribe(self, call: UserCall) -> Response:
        """Subscribe to categories of a topic.

        The category `*` stands for all categories of the topic. Categories that the body does not name are unchanged.
        """
        values = call.fields(await call.body())
        return await self._set(call, values["topic"], Status.SUBSCRIBED, values["categories"])

    async def unsubscribe(self, call: UserCall) -> Response:
        """Unsubscribe from categories of a topic, whether the user subscribed to them or not.

        The category `*` stands for all categories of the topic. Categories that the body does not name are unchanged.
        """
        topic = call.text("topic")
        values = call.fields(await call.body())
        if len(topic) > MAX_TOPIC_LENGTH:
            raise invalid(f"Param 'topic' must have at most {MAX_TOPIC_LENGTH} characters")
        return await self._set(call, topic, Status.UNSUBSCRIBED, values["categories"])

    async def delete(self, call: UserCall) -> Response:
        """Delete all of the user's subscriptions to a topic, and all unsubscriptions from it."""
        if not await self.subscriptions.delete(call.user, call.text("topic"), call.guard):
            raise not_found("Topic")
        return no_content()

    async def _set(self, call: UserCall, topic: str, status: Status, categories: list[dict[str, Any]]) -> Response:
        reasons: dict[str, str] = {}
        for category in categories:
            (name,) = stored_categories([category["slug"]])
            reasons[name] = category.get("reason") or reasons.get(name, "")
        try:
            found = await self.subscriptions.set(call.user, topic, status, reasons, call.guard)
        except TooManyError as problem:
            name = "topic" if problem.what in ("topics", BYTES_IN_ALL) else "categories"
            raise invalid(f"Param 'subscription.{name}' would leave the user with {problem}") from None
        return _response(topic, found)


async def _encoded_topics(topics: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return topics as JSON, given their names and their packed subscriptions. Other requests run in between."""
    encoded: list[bytes] = []
    size = 0
    for topic, packed in topics:
        with contextlib.suppress(StoreDataError):  # it is logged, and must not hide the other topics
            encoded.append(encode(_topic(topic.decode(errors="replace"), decode_subscriptions(packed))))
        size += TOPIC_BYTES + len(packed)
        if size >= BYTES_IN_ONE_GO:
            size = 0
            await asyncio.sleep(0)
    return encoded


def _response(topic: str, found: Mapping[str, preferences.Subscription]) -> Response:
    return json_response({"subscription": _topic(topic, found)})


def _topic(topic: str, found: Mapping[str, preferences.Subscription]) -> dict[str, Any]:
    categories = [
        {"slug": slug_of(category), "reason": stored.reason or None, "status": stored.status.value}
        for category, stored in sorted(found.items())
    ]
    return {"topic": topic, "categories": categories}


_R = SubscriptionsResource

OPERATIONS = [
    Operation("GET", "/subscriptions", USER, _R.list_page, "List topic subscriptions", SUBSCRIPTIONS, query=LISTING),
    Operation("POST", "/subscriptions", USER, _R.subscribe, "Subscribe to a topic", SUBSCRIPTION, SUBSCRIBING),
    # Before the routes of the topic itself: a topic may contain slashes.
    Operation(
        "POST",
        "/subscriptions/{topic}/unsubscribe",
        USER,
        _R.unsubscribe,
        "Unsubscribe from a topic",
        SUBSCRIPTION,
        UNSUBSCRIBING,
    ),
    Operation("GET", "/subscriptions/{topic}", USER, _R.get, "Fetch a topic subscription", SUBSCRIPTION),
    Operation("DELETE", "/subscriptions/{topic}", USER, _R.delete, "Delete a topic subscription"),
]
