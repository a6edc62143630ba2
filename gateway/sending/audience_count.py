"""Counts the audience of a broadcast before it is sent: exactly where that is cheap, otherwise from a random sample."""

import asyncio
import math
import random
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import msgspec

from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import ALL_CATEGORIES, Status, Subscription
from gateway.domain.principal import User
from gateway.sending.command import SendCommand
from gateway.sending.recipients import Audience, find_named
from gateway.store.audience import AudienceStore
from gateway.store.directory import Directory
from gateway.store.profiles import ProfileStore
from gateway.store.subscriptions import SubscriptionStore

EXACT_EVERYONE = 1 << 20
"""The most users of whom a project's audience "everyone" is counted: 16 reads of a megabyte."""

SAMPLED = 1_000
"""How many users are examined at most. In a project with no more, the count is exact. They take Redis some 5 ms, in
pieces, and estimate a half of the users within 3 %."""

_AT_ONCE = 250

_CONFIDENCE = 1.96
"""Standard deviations of a margin: it holds for 95 of 100 samples."""


class AudienceCount(msgspec.Struct, frozen=True):
    """How many users an audience has. An estimate is wrong by more than `margin` for one sample in 20.

    `examined` is how many users were examined for it, 0 where their number was known.
    """

    count: int
    is_exact: bool
    margin: int = 0
    examined: int = 0


@dataclass(frozen=True, slots=True)
class AudienceCounter:
    """Counts audiences. Methods raise StoreUnavailableError."""

    directory: Directory
    users: AudienceStore
    profiles: ProfileStore
    subscriptions: SubscriptionStore

    async def count(self, project_id: ProjectId, command: SendCommand) -> AudienceCount:
        """Return how many users a broadcast of this command is for. Its rules and their preferences are not applied."""
        known, unknown = await find_named(self.users, project_id, command.recipients)
        audience = Audience.of(command.recipients)
        if audience.is_everyone:
            others = await self._everyone(project_id)
            return msgspec.structs.replace(others, count=others.count + unknown)  # the known ones are among everyone
        named = len(known) + unknown
        if audience.conditions:
            others = await self._matching(project_id, command, audience, known)
        elif audience.subscribers:
            others = await self._subscribed(project_id, command, known)
        else:
            return AudienceCount(named, True)
        return msgspec.structs.replace(others, count=others.count + named)

    async def _everyone(self, project_id: ProjectId) -> AudienceCount:
        places = await self.directory.user_index_size(project_id)
        if places <= EXACT_EVERYONE:
            return AudienceCount(await self.users.count_users(project_id, places), True)
        found = len(await self._users_at(project_id, random.sample(range(places), SAMPLED)))
        return estimate(found, SAMPLED, places)

    async def _matching(
        self, project_id: ProjectId, command: SendCommand, audience: Audience, named: Set[UserId]
    ) -> AudienceCount:
        """Count the users who match a condition, or are subscribed if subscribers are meant too, without named ones."""
        places = await self.directory.user_index_size(project_id)
        examined = min(places, SAMPLED)
        chosen = range(places) if places <= SAMPLED else random.sample(range(places), SAMPLED)
        found = 0
        for first in range(0, examined, _AT_ONCE):
            users = await self.users.users_at(project_id, chosen[first : first + _AT_ONCE])
            users = [user for user in users if user.id not in named]
            profiles = await self.profiles.read_many(users)
            others = [user for user, each in zip(users, profiles, strict=True) if not audience.matches(each)]
            found += len(users) - len(others)
            if audience.subscribers:
                found += await self._count_subscribed(command, others)
        return estimate(found, examined, places)

    async def _subscribed(self, project_id: ProjectId, command: SendCommand, named: Set[UserId]) -> AudienceCount:
        topic = command.topic or ""
        indexed = await self.users.count_subscribers(project_id, topic)
        examined, found = min(indexed, SAMPLED), 0
        users = await self.users.sample_subscribers(project_id, topic, examined)
        users = [user for user in users if user.id not in named]
        for first in range(0, len(users), _AT_ONCE):
            found += await self._count_subscribed(command, users[first : first + _AT_ONCE])
        return estimate(found, examined, indexed)

    async def _count_subscribed(self, command: SendCommand, users: Sequence[User]) -> int:
        """Return how many users are subscribed to the command's category in its topic."""
        category = command.shown.stored_category
        found = await asyncio.gather(*(self._of_topic(user, command.topic or "") for user in users))
        subscribed = 0
        for each in found:
            one = each.get(category) or each.get(ALL_CATEGORIES)
            subscribed += one is not None and one.status is Status.SUBSCRIBED
        return subscribed

    async def _of_topic(self, user: User, topic: str) -> Mapping[str, Subscription]:
        try:
            return await self.subscriptions.of_topic(user, topic)
        except UserDeletedError:
            return {}

    async def _users_at(self, project_id: ProjectId, places: Sequence[int]) -> list[User]:
        found: list[User] = []
        for first in range(0, len(places), _AT_ONCE):
            found += await self.users.users_at(project_id, places[first : first + _AT_ONCE])
        return found


def estimate(found: int, examined: int, total: int) -> AudienceCount:
    """Return the number of `total` users who are meant, of whom `found` among `examined` random ones are.

    The margin reaches to the farther end of the Wilson score interval, corrected for a sample without replacement. So
    it is not 0 where the sample contains none, or nobody else.
    """
    if examined >= total:
        return AudienceCount(found, True, 0, examined)
    share, z = found / examined, _CONFIDENCE * math.sqrt((total - examined) / (total - 1))
    middle = (share + z * z / (2 * examined)) / (1 + z * z / examined)
    half = z / (1 + z * z / examined) * math.sqrt(share * (1 - share) / examined + z * z / (4 * examined * examined))
    count = round(share * total)
    margin = max(abs(middle - half - share), abs(middle + half - share)) * total
    return AudienceCount(count, False, math.ceil(margin), examined)
