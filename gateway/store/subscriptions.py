"""Users' subscriptions: what each said about the categories of a topic, and who may be subscribed to it."""

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.preferences import Status, Subscription
from gateway.domain.principal import ProjectId, User
from gateway.store import keys
from gateway.store.categories import MAX_CATEGORIES
from gateway.store.directory import decode_user
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
"""The most topics of one user."""

MAX_TOPIC_BYTES = 100_000
"""The most bytes of one topic of a user, with its categories and reasons: MAX_CATEGORIES of them with the longest names
and reasons in ASCII. Every notification of the topic reads it."""

BYTES_IN_ALL = "bytes of topics, categories and reasons"
MAX_SUBSCRIPTION_BYTES = 1_000_000
"""The most bytes of all topics of a user: MAX_TOPICS of 200 bytes each."""

CLAIMS = 2**48
"""How many claims there are: a sorted set's score holds these exactly."""


class SubscriptionPage(NamedTuple):
    """How many topics there are in all, and those of a page, each to be decoded by `decode_subscriptions`."""

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

    A user's word lies in the user's slot; the project's slot has an index of who may be subscribed to a topic. Nobody
    who is subscribed is ever missing there: a subscriber is added before the word is said, and once more after it, in
    case a deletion went on meanwhile; and a deletion takes nobody out if somebody was added since it began.
    """

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def list_page(self, user: User, page: int, per_page: int, guard: Guard = UNGUARDED) -> SubscriptionPage:
        """Read a page of the topics that a user said something about, by name; `page` counts from 1."""
        found = sorted(_pairs(await self._functions.read(user, guard, READ_SUBSCRIPTIONS([]))))
        first = (page - 1) * per_page
        return SubscriptionPage(len(found), found[first : first + per_page])

    async def of_topic(self, user: User, topic: str, guard: Guard = UNGUARDED) -> dict[str, Subscription]:
        """Give what a user said about one topic: nothing, or something about some categories."""
        found = await self._functions.read(user, guard, READ_SUBSCRIPTIONS([topic]))
        return decode_subscriptions(found[1]) if found else {}

    async def set(
        self, user: User, topic: str, status: Status, reasons: Mapping[str, str], guard: Guard = UNGUARDED
    ) -> dict[str, Subscription]:
        """Subscribe to categories of a topic, or unsubscribe; give all that is known of it then.

        Raises TooManyError.
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
        """Forget what a user said about a topic; False when that is nothing."""
        claim = await self._client.call(SUBSCRIBERS_CLAIM(keys.directory(user.project_id), topic))
        deleted = await self._functions.call(user, guard, DELETE_SUBSCRIPTIONS(topic))
        if claim is not None:
            await self._remove(user, topic, claim)
        return deleted

    async def read_subscribers(
        self, project_id: ProjectId, topic: str, after: int | None, count: int
    ) -> tuple[list[User], int | None]:
        """Give the next users who may be subscribed to some category of a topic, and where to go on; None at the end.

        `after` is None for the first ones, then what the call before gave. Each is given once, however many come and
        go meanwhile; there may be fewer than `count` before the end. Whether they are subscribed is to be asked in
        their own slot, as `InboxStore.create` with `subscribers_only` does.
        """
        start = -1 if after is None else after
        last, *rows = await self._client.call(READ_SUBSCRIBERS(keys.directory(project_id), topic, start, count))
        return [decode_user(project_id, row) for row in rows], last if last >= 0 else None

    async def _set(
        self, user: User, topic: str, status: Status, reasons: Mapping[str, str], guard: Guard
    ) -> dict[str, Subscription]:
        words = [part for word in reasons.items() for part in word]
        call = SET_SUBSCRIPTIONS(topic=topic, status=status.code, categories=words)
        answer = await self._functions.call(user, guard, call)
        if answer == -1:
            raise TooManyError("topics", MAX_TOPICS)
        if answer == -2:
            raise TooManyError("categories", MAX_CATEGORIES)
        if answer == -3:
            raise TooManyError("bytes of categories and reasons in the topic", MAX_TOPIC_BYTES)
        if answer == -4:
            raise TooManyError(BYTES_IN_ALL, MAX_SUBSCRIPTION_BYTES)
        return decode_subscriptions(answer)

    async def _add(self, user: User, topic: str) -> tuple[int, bool]:
        """Put a user into the topic's index; give the claim, and whether the user was not there."""
        claim = -secrets.randbelow(CLAIMS) - 1
        added = await self._client.call(ADD_SUBSCRIBER(keys.directory(user.project_id), topic, user.id, claim))
        return claim, added

    async def _remove(self, user: User, topic: str, claim: int | bytes) -> None:
        """Take a user out of the topic's index, if nobody was added since the claim."""
        await self._client.call(REMOVE_SUBSCRIBER(keys.directory(user.project_id), user.id, claim, [topic]))


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def decode_subscriptions(packed: bytes) -> dict[str, Subscription]:
    """Read what the store holds of a topic."""
    with decoding("a subscription"):
        words = msgspec.json.decode(packed, type=dict[str, tuple[str, str]])
    return {category: Subscription(Status.decode(status), reason) for category, (status, reason) in words.items()}
