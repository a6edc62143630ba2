"""What users want to be told: their preferences and subscriptions, and the categories that a project sends."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from gateway.domain.guard import UNGUARDED, Guard, RateLimitedError, TokenRevokedError, UserDeletedError
from gateway.domain.preferences import (
    UPDATE_EVENT,
    Channel,
    Preference,
    Status,
    Subscription,
    label_of,
    slug_of,
    switches_code,
)
from gateway.domain.principal import ProjectId, User
from gateway.store import keys
from gateway.store.directory import decode_user
from gateway.store.guarded import UserFunctions
from gateway.store.inbox import Moment, Retention
from gateway.store.redis.client import Argument, FunctionClient
from gateway.store.redis.problems import decoding

MAX_CATEGORIES = 250
"""Categories of a project, of one user's preferences, and of one user's topic. An event with all of them has 135 KB
(measured, with the longest names in ASCII), about half the write buffer of a connection."""

MAX_TOPICS = 5_000
"""Topics of one user."""

MAX_TOPIC_BYTES = 100_000
"""Of one topic of a user, with its categories and reasons: MAX_CATEGORIES of them with the longest names and reasons in
ASCII. Every notification of the topic reads it."""

BYTES_IN_ALL = "bytes of topics, categories and reasons"
MAX_SUBSCRIPTION_BYTES = 1_000_000
"""Of all topics of a user: MAX_TOPICS of 200 bytes each."""

RECORDED_SECONDS = 300.0
RECORDED_CATEGORIES = 10_000
"""How long a worker remembers that a category is recorded, and how many of them."""

CLAIMS = 2**48
"""A sorted set's score holds these exactly."""

_encode = msgspec.json.encode


class TooManyError(Exception):
    """A user would have more of something than fits. Nothing was written. `what` says of what, in the plural."""

    def __init__(self, what: str, most: int):
        super().__init__(f"more than {most} {what}")
        self.what = what
        self.most = most


class SubscriptionPage(NamedTuple):
    """How many topics there are in all, and those of a page, each to be decoded by `decode_subscriptions`."""

    total: int
    topics: Sequence[tuple[bytes, bytes]]


class CategoryStore:
    """The categories that projects send. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float]):
        self._client = client
        self._monotonic = monotonic
        self._recorded: dict[tuple[ProjectId, str], float] = {}

    async def record(self, project_id: ProjectId, category: str) -> None:
        """Remember that a project sends a category; beyond MAX_CATEGORIES, new ones are not remembered."""
        now = self._monotonic()
        if self._recorded.get((project_id, category), now) > now:
            return
        await self._client.call("record_category", keys.categories(project_id), category, MAX_CATEGORIES)
        if len(self._recorded) >= RECORDED_CATEGORIES:
            self._recorded.clear()  # rare, and cheaper than keeping an order on every hit
        self._recorded[(project_id, category)] = now + RECORDED_SECONDS

    async def all(self, project_id: ProjectId) -> list[str]:
        """Give every category that a project has sent."""
        names = await self._client.call("read_categories", keys.categories(project_id))
        return [name.decode(errors="replace") for name in names]


class PreferenceStore:
    """Users' preferences, by category. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, retention: Retention):
        self._functions = UserFunctions(client)
        self._retention = retention

    async def read(self, user: User, guard: Guard = UNGUARDED) -> dict[str, Preference]:
        """Give the preferences of a user."""
        return _preferences(await self._functions.read(user, guard, "read_preferences"))

    async def update(
        self,
        user: User,
        switches: Mapping[str, Mapping[Channel, bool]],
        client_id: str | None,
        moment: Moment,
        guard: Guard = UNGUARDED,
    ) -> dict[str, Preference]:
        """Switch channels of some categories, which is one event if it makes a difference; give all preferences.

        Raises TooManyError.
        """
        arguments: list[Argument] = [
            *(moment.now_ms, moment.new_epoch, self._retention.events, self._retention.seconds),
            *(MAX_CATEGORIES, UPDATE_EVENT, _encode(client_id) if client_id else b""),
            len(Channel),
            *map(_channel_head, Channel),
        ]
        for category, changes in switches.items():
            arguments += (category, switches_code(changes), _category_head(category))
        answer = await self._functions.call(user, guard, "set_preferences", *arguments)
        if answer == -1:
            raise TooManyError("categories", MAX_CATEGORIES)
        return _preferences(answer)


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
        found = sorted(_pairs(await self._functions.read(user, guard, "read_subscriptions")))
        first = (page - 1) * per_page
        return SubscriptionPage(len(found), found[first : first + per_page])

    async def of_topic(self, user: User, topic: str, guard: Guard = UNGUARDED) -> dict[str, Subscription]:
        """Give what a user said about one topic: nothing, or something about some categories."""
        found = await self._functions.read(user, guard, "read_subscriptions", topic)
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
        claim = await self._client.call("subscribers_claim", keys.directory(user.project_id), topic)
        deleted = bool(await self._functions.call(user, guard, "delete_subscriptions", topic))
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
        last, *rows = await self._client.call("read_subscribers", keys.directory(project_id), topic, start, count)
        return [decode_user(project_id, row) for row in rows], last if last >= 0 else None

    async def _set(
        self, user: User, topic: str, status: Status, reasons: Mapping[str, str], guard: Guard
    ) -> dict[str, Subscription]:
        words = [part for word in reasons.items() for part in word]
        limits = (MAX_TOPICS, MAX_CATEGORIES, MAX_TOPIC_BYTES, MAX_SUBSCRIPTION_BYTES)
        arguments: tuple[Argument, ...] = (topic, status.code, *limits, *words)
        answer = await self._functions.call(user, guard, "set_subscriptions", *arguments)
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
        added = await self._client.call("add_subscriber", keys.directory(user.project_id), topic, user.id, claim)
        return claim, bool(added)

    async def _remove(self, user: User, topic: str, claim: int | bytes) -> None:
        """Take a user out of the topic's index, if nobody was added since the claim."""
        await self._client.call("remove_subscriber", keys.directory(user.project_id), user.id, claim, topic)


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _preferences(flat: Sequence[bytes]) -> dict[str, Preference]:
    return {
        category.decode(errors="replace"): Preference.decode(code.decode(errors="replace"))
        for category, code in _pairs(flat)
    }


def decode_subscriptions(packed: bytes) -> dict[str, Subscription]:
    """Read what the store holds of a topic."""
    with decoding("a subscription"):
        words = msgspec.json.decode(packed, type=dict[str, tuple[str, str]])
    return {category: Subscription(Status.decode(status), reason) for category, (status, reason) in words.items()}


def _channel_head(channel: Channel) -> bytes:
    return _encode({"slug": channel.value, "label": channel.label})[:-1] + b',"enabled":'


def _category_head(category: str) -> bytes:
    slug = slug_of(category)
    return _encode({"slug": slug, "label": label_of(slug)})[:-1] + b',"channels":'
