"""Users' subscriptions to the categories of topics, and the users who may be subscribed to a topic."""

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.ids import ProjectId
from gateway.domain.preferences import Status, Subscription
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.directory import decode_users
from gateway.store.errors import TooManyError
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    list_of_bytes,
    nothing,
    optional_bytes,
    reading_function,
    untouched,
    user_function,
    user_reading_function,
    writing_function,
)
from gateway.store.redis.problems import decoding

MAX_TOPICS = 5_000
"""The maximum number of topics of a user."""

MAX_TOPIC_BYTES = 100_000
"""The maximum size of one topic of a user with its categories and reasons: MAX_CATEGORIES with the longest names and
reasons in ASCII. Every notification of the topic reads it."""

BYTES_IN_ALL = "bytes of topics, categories and reasons"
MAX_SUBSCRIPTION_BYTES = 1_000_000
"""The maximum size of all topics of a user: MAX_TOPICS of 200 bytes each."""

CLAIMS = 2**48
"""The number of possible claims. The score of a sorted set represents each of them exactly."""


class SubscriptionPage(NamedTuple):
    """How many topics a user has subscriptions to, and a page of them: name, and data for `decode_subscriptions`."""

    total: int
    topics: Sequence[tuple[bytes, bytes]]


def _read(topics: Sequence[str]) -> Arguments:
    return tuple(topics)


def _set(topic: str, status: str, categories: Sequence[str]) -> Arguments:
    return (topic, status, MAX_TOPICS, MAX_CATEGORIES, MAX_TOPIC_BYTES, MAX_SUBSCRIPTION_BYTES, *categories)


def _topic(topic: str) -> Arguments:
    return (topic,)


def _add_subscriber(topic: str, user_id: str, claim: int) -> Arguments:
    return (topic, user_id, claim)


def _remove_subscriber(user_id: str, claim: int | str | bytes, topics: Sequence[str | bytes]) -> Arguments:
    return (user_id, claim, *topics)


def _read_subscribers(topic: str, after: int, count: int) -> Arguments:
    return (topic, after, count)


READ_SUBSCRIPTIONS = user_reading_function("read_subscriptions", _read, list_of_bytes)
SET_SUBSCRIPTIONS = user_function("set_subscriptions", _set, untouched)
DELETE_SUBSCRIPTIONS = user_function("delete_subscriptions", _topic, bool, frees_memory=True, repeatable=False)
ADD_SUBSCRIBER = writing_function("add_subscriber", "directory", _add_subscriber, bool)
REMOVE_SUBSCRIBER = writing_function("remove_subscriber", "directory", _remove_subscriber, nothing, frees_memory=True)
SUBSCRIBERS_CLAIM = reading_function("subscribers_claim", "directory", _topic, optional_bytes)
READ_SUBSCRIBERS = writing_function(
    "read_subscribers", "directory", _read_subscribers, untouched, frees_memory=True, durable=False
)


class SubscriptionStore:
    """Users' subscriptions, by topic. Methods raise StoreUnavailableError.

    The subscriptions of a user lie in the user's slot. The project's slot has an index of the users who may be
    subscribed to a topic. Every subscribed user is in the index: a user is added before the subscription is written,
    and again after it in case the user was removed meanwhile, and a removal does nothing if any user was added since it
    began.
    """

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def list_page(self, user: User, page: int, per_page: int, guard: Guard = UNGUARDED) -> SubscriptionPage:
        """Return a page of the topics to which a user has subscriptions, sorted by name. `page` counts from 1."""
        found = sorted(_pairs(await self._functions.read(user, guard, READ_SUBSCRIPTIONS([]))))
        first = (page - 1) * per_page
        return SubscriptionPage(len(found), found[first : first + per_page])

    async def of_topic(self, user: User, topic: str, guard: Guard = UNGUARDED) -> dict[str, Subscription]:
        """Return the subscriptions of a user to one topic, by category; empty if there are none."""
        found = await self._functions.read(user, guard, READ_SUBSCRIPTIONS([topic]))
        return decode_subscriptions(found[1]) if found else {}

    async def set(
        self, user: User, topic: str, status: Status, reasons: Mapping[str, str], guard: Guard = UNGUARDED
    ) -> dict[str, Subscription]:
        """Subscribe to categories of a topic or unsubscribe from them, and return all subscriptions to the topic.

        `reasons` has the categories, each with a reason; "" keeps the present reason. Raises TooManyError.
        """
        if status is Status.UNSUBSCRIBED:
            return await self._set(user, topic, status, reasons, guard)
        claim, added = await self._add(user, topic)
        try:
            found = await self._set(user, topic, status, reasons, guard)
        except (TooManyError, RateLimitedError, TokenRevokedError, UserDeletedError):
            if added:
                await self._remove(user, topic, claim)
            raise
        await self._add(user, topic)
        return found

    async def delete(self, user: User, topic: str, guard: Guard = UNGUARDED) -> bool:
        """Delete the subscriptions of a user to a topic; return whether there were any."""
        claim = await self._client.call(SUBSCRIBERS_CLAIM(keys.directory(user.project_id), topic))
        deleted = await self._functions.call(user, guard, DELETE_SUBSCRIPTIONS(topic))
        if claim is not None:
            await self._remove(user, topic, claim)
        return deleted

    async def read_subscribers(
        self, project_id: ProjectId, topic: str, after: int | None, count: int
    ) -> tuple[list[User], int | None]:
        """Return the next users who may be subscribed to a category of a topic, and the next `after`, None at the end.

        `after` is None for the first call, and otherwise the value that the previous call returned. Each user is
        returned once, even if users are added or removed meanwhile. A page before the last may have fewer than `count`
        users. Whether a user is subscribed is decided in the user's slot, as in `InboxStore.create` with
        `subscribers_only`.
        """
        start = -1 if after is None else after
        last, *records = await self._client.call(READ_SUBSCRIBERS(keys.directory(project_id), topic, start, count))
        return decode_users(project_id, records), last if last >= 0 else None

    async def _set(
        self, user: User, topic: str, status: Status, reasons: Mapping[str, str], guard: Guard
    ) -> dict[str, Subscription]:
        pairs = [part for pair in reasons.items() for part in pair]
        call = SET_SUBSCRIPTIONS(topic=topic, status=status.code, categories=pairs)
        reply = await self._functions.call(user, guard, call)
        if reply == -1:
            raise TooManyError("topics", MAX_TOPICS)
        if reply == -2:
            raise TooManyError("categories", MAX_CATEGORIES)
        if reply == -3:
            raise TooManyError("bytes of categories and reasons in the topic", MAX_TOPIC_BYTES)
        if reply == -4:
            raise TooManyError(BYTES_IN_ALL, MAX_SUBSCRIPTION_BYTES)
        return decode_subscriptions(reply)

    async def _add(self, user: User, topic: str) -> tuple[int, bool]:
        """Add a user to the topic's index. Return the claim, and whether the user is new in the index."""
        claim = -secrets.randbelow(CLAIMS) - 1
        added = await self._client.call(ADD_SUBSCRIBER(keys.directory(user.project_id), topic, user.id, claim))
        return claim, added

    async def _remove(self, user: User, topic: str, claim: int | bytes) -> None:
        """Remove a user from the topic's index, unless any user was added after the claim."""
        await self._client.call(REMOVE_SUBSCRIBER(keys.directory(user.project_id), user.id, claim, [topic]))


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def decode_subscriptions(packed: bytes) -> dict[str, Subscription]:
    """Return the subscriptions to one topic, by category. Raises StoreDataError."""
    with decoding("a subscription"):
        decoded = msgspec.json.decode(packed, type=dict[str, tuple[str, str]])
    return {category: Subscription(Status.decode(status), reason) for category, (status, reason) in decoded.items()}
