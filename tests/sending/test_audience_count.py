"""Counting an audience before a broadcast: exact in a small project, an estimate with a true margin in a large one."""

import random

import pytest

from gateway.domain.preferences import Status
from gateway.domain.principal import Identity, User
from gateway.sending import audience_count
from gateway.sending.audience_count import AudienceCount, AudienceCounter, estimate
from gateway.sending.command import Recipient, SendCommand, TopicRecipients
from gateway.store.audience import AudienceStore
from gateway.store.deletion import UserDeletion
from gateway.store.directory import Directory
from gateway.store.profiles import ProfileStore
from gateway.store.subscriptions import SubscriptionStore
from tests.store.conftest import InspectedClient, new_user

EVERYONE, SUBSCRIBERS = Recipient(matches="*"), Recipient(topic=TopicRecipients(True))
PRO = Recipient(matches='custom_attributes.plan = "pro"')


class Town:
    """A project of 40 users: every fourth has the plan `pro`, and the first ten are subscribed to `news`."""

    def __init__(self, client: InspectedClient):
        self.client = client
        self.project_id = new_user().project_id
        self.directory, self.subscriptions = Directory(client, lambda: 0.0), SubscriptionStore(client)
        self.counter = AudienceCounter(self.directory, AudienceStore(client), ProfileStore(client), self.subscriptions)
        self.users: list[User] = []

    async def found(self) -> "Town":
        identities = [Identity(f"u{number}", f"u{number}@example.com") for number in range(40)]
        self.users = [each.user for each in await self.directory.resolve_many(self.project_id, identities)]
        profiles = [(user, {"custom_attributes": {"plan": "pro"}}) for user in self.users[::4]]
        await ProfileStore(self.client).set_many(profiles)
        for user in self.users[:10]:
            await self.subscriptions.set(user, "news", Status.SUBSCRIBED, {"sport": ""})
        return self

    async def count(
        self, *recipients: Recipient, topic: str | None = None, category: str | None = None
    ) -> AudienceCount:
        return await self.counter.count(
            self.project_id, SendCommand(title="", recipients=recipients, topic=topic, category=category)
        )


@pytest.fixture
async def town(client: InspectedClient) -> Town:
    return await Town(client).found()


async def test_named_users_are_counted_once_by_whatever_name(town: Town) -> None:
    named = [Recipient(external_id="u1"), Recipient(email="U1@example.com"), Recipient(external_id="u2")]
    assert await town.count(*named) == AudienceCount(2, True)
    new = [
        Recipient(external_id="n", email="n@example.com"),
        Recipient(email="n@example.com"),
        Recipient(email="m@x.y"),
    ]
    assert await town.count(*named, *new) == AudienceCount(4, True)
    conflict = Recipient(external_id="u1", email="u2@example.com")
    assert await town.count(conflict) == AudienceCount(0, True)
    assert await town.directory.user_index_size(town.project_id) == 40, "nobody was created"


async def test_everyone_is_every_user_and_those_who_will_be_created(town: Town) -> None:
    await town.directory.forget(town.users[5])
    assert await town.count(EVERYONE) == AudienceCount(39, True)
    assert await town.count(EVERYONE, PRO, Recipient(external_id="u1")) == AudienceCount(39, True)
    assert await town.count(EVERYONE, Recipient(external_id="new")) == AudienceCount(40, True)


async def test_conditions_and_subscribers_are_counted_once_and_without_those_who_are_named(town: Town) -> None:
    assert await town.count(PRO) == AudienceCount(10, True, 0, 40)
    assert await town.count(PRO, Recipient(external_id="u4")) == AudienceCount(10, True, 0, 40)
    assert await town.count(PRO, Recipient(external_id="u5")) == AudienceCount(11, True, 0, 40)
    both = await town.count(PRO, SUBSCRIBERS, topic="news", category="sport")
    assert both == AudienceCount(17, True, 0, 40), "3 of 10 subscribers match as well"


async def test_subscribers_are_those_of_the_category(town: Town) -> None:
    assert (await town.count(SUBSCRIBERS, topic="news", category="sport")).count == 10
    assert (await town.count(SUBSCRIBERS, topic="news", category="other")).count == 0
    await town.subscriptions.set(town.users[0], "news", Status.UNSUBSCRIBED, {"sport": ""})
    await UserDeletion(town.client).delete(town.users[1])
    named = Recipient(external_id="u2")
    counted = await town.count(SUBSCRIBERS, named, topic="news", category="sport")
    assert counted.count == 8
    assert (await town.count(SUBSCRIBERS, topic="nothing")).count == 0


async def test_a_large_project_is_sampled_and_says_so(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_count, "SAMPLED", 20)
    monkeypatch.setattr(audience_count, "EXACT_EVERYONE", 30)
    for recipients, true, total in (((PRO,), 10, 40), ((EVERYONE,), 40, 40), ((SUBSCRIBERS,), 10, 10)):
        found = await town.count(*recipients, topic="news", category="sport")
        assert found.is_exact == (total <= 20)
        assert found.examined == min(total, 20)
        assert abs(found.count - true) <= max(12, found.margin)


def test_an_estimate_is_unbiased_and_its_margin_holds() -> None:
    draw = random.Random(1)
    for total, share in ((5_000, 0.5), (1_000_000, 0.03), (2_000, 0.97)):
        true, inside, estimates = round(total * share), 0, []
        for _ in range(300):
            found = sum(place < true for place in draw.sample(range(total), 1_000))
            counted = estimate(found, 1_000, total)
            estimates.append(counted.count)
            inside += abs(counted.count - true) <= counted.margin
        assert inside >= 275, "the margin holds for 95 of 100"
        assert abs(sum(estimates) / 300 - true) < 0.005 * total


def test_a_sample_without_any_hit_has_a_margin_nevertheless() -> None:
    nothing = estimate(0, 1_000, 1_000_000)
    assert (nothing.count, nothing.is_exact) == (0, False)
    assert 3_000 < nothing.margin < 5_000
    assert estimate(3, 3, 3) == AudienceCount(3, True, 0, 3)
    assert estimate(0, 0, 0) == AudienceCount(0, True, 0, 0)
