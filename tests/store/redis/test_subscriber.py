"""The worker's pub/sub link on a real server: confirmed subscriptions, and starting over without silence."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from gateway.settings import Settings
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.redis.subscriber import CHANNELS_PER_COMMAND, Subscriber
from tests.logs import captured_log
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient, new_user


@dataclass
class Ears:
    """A running link and everything it reported."""

    link: Subscriber
    heard: list[tuple[bytes, bytes]] = field(default_factory=list)
    resubscribed: Counter[bytes] = field(default_factory=Counter)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def ears(redis_server: RedisServer, client: InspectedClient) -> AsyncIterator[Ears]:
    link = Subscriber(Settings(redis_url=redis_server.url), client, new_user().id)
    ears = Ears(link)
    link.on_messages = lambda channel, messages: ears.heard.extend((channel, data) for data in messages)
    link.on_resubscribed = lambda channel: ears.resubscribed.update([channel])
    running = asyncio.create_task(link.run())
    await until(lambda: ears.link.healthy)
    yield ears
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def channel() -> bytes:
    return f"{{{new_user().id}}}".encode()


async def cut(client: InspectedClient) -> None:
    await client.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def test_what_is_published_after_subscribing_is_heard(ears: Ears, client: InspectedClient) -> None:
    name = channel()
    await ears.link.subscribe(name)
    await client.publish(name.decode(), b"hello")
    await until(lambda: ears.heard)
    assert ears.heard == [(name, b"hello")]


async def test_nothing_is_heard_after_unsubscribing(ears: Ears, client: InspectedClient) -> None:
    gone, kept = channel(), channel()
    await ears.link.subscribe(gone)
    ears.link.unsubscribe(gone)
    await ears.link.subscribe(kept)  # commands keep their order, so the other one is gone by now
    await client.publish(gone.decode(), b"no")
    await client.publish(kept.decode(), b"yes")
    await until(lambda: ears.heard)
    assert ears.heard == [(kept, b"yes")]


async def test_thousands_of_channels_are_subscribed_together(ears: Ears, client: InspectedClient) -> None:
    names = [channel() for _ in range(2 * CHANNELS_PER_COMMAND + 10)]
    await asyncio.gather(*map(ears.link.subscribe, names))
    await client.publish(names[-1].decode(), b"last")
    await until(lambda: ears.heard)


async def test_after_a_cut_every_channel_is_reported_and_heard_again(ears: Ears, client: InspectedClient) -> None:
    names = [channel() for _ in range(3)]
    for name in names:
        await ears.link.subscribe(name)
    assert not ears.resubscribed
    await cut(client)
    await until(lambda: len(ears.resubscribed) == 3)
    assert ears.resubscribed == Counter(names)
    await client.publish(names[0].decode(), b"again")
    await until(lambda: ears.heard)


async def test_a_channel_that_was_left_is_not_taken_up_again(ears: Ears, client: InspectedClient) -> None:
    left, kept = channel(), channel()
    await ears.link.subscribe(left)
    await ears.link.subscribe(kept)
    ears.link.unsubscribe(left)
    await cut(client)
    await until(lambda: ears.resubscribed)
    assert ears.resubscribed == Counter([kept])


async def test_subscribing_fails_clearly_while_the_link_is_down(
    redis_server: RedisServer, client: InspectedClient
) -> None:
    link = Subscriber(Settings(redis_url=redis_server.url), client, "never-started")
    with pytest.raises(StoreUnavailableError):
        await link.subscribe(b"x")
    assert not link.healthy


async def test_a_link_that_hears_its_canary_is_healthy_and_says_how_long_it_took(ears: Ears) -> None:
    heard_at = ears.link.heard_at
    await until(lambda: ears.link.heard_at > heard_at)
    assert ears.link.healthy


async def _denied(client: InspectedClient, *rules: str) -> None:
    await client.redis.execute_command("ACL", "SETUSER", "default", *rules)


async def test_a_refused_canary_leaves_no_worker_deaf(ears: Ears, client: InspectedClient) -> None:
    name = channel()
    await ears.link.subscribe(name)
    await _denied(client, "-spublish")
    try:
        await until(lambda: not ears.link.healthy)
    finally:
        await _denied(client, "+spublish")
    await until(lambda: ears.link.healthy)
    await client.publish(name.decode(), b"again")
    await until(lambda: ears.heard)


async def test_a_refusal_of_some_moments_starts_nothing_over(ears: Ears, client: InspectedClient) -> None:
    name = channel()
    await ears.link.subscribe(name)
    heard_at = ears.link.heard_at
    await client.redis.execute_command("ACL", "LOG", "RESET")
    await _denied(client, "-spublish")
    while not await client.redis.execute_command("ACL", "LOG"):  # until a canary is refused
        await asyncio.sleep(0.01)
    await _denied(client, "+spublish")
    await until(lambda: ears.link.heard_at > heard_at + 1)
    assert not ears.resubscribed


async def test_refused_subscriptions_and_connections_come_back(ears: Ears, client: InspectedClient) -> None:
    name = channel()
    await ears.link.subscribe(name)
    for rules, mended in ((("-ssubscribe",), ("+ssubscribe",)), (("resetpass", ">other"), ("nopass",))):
        ears.resubscribed.clear()
        with captured_log() as lines:
            await _denied(client, *rules)
            try:
                await cut(client)
                await until(lambda: not ears.link.healthy)
                await until(lambda lines=lines: "pubsub_lost" in [line["event"] for line in lines])  # type: ignore[misc] # bound now
                with pytest.raises(StoreUnavailableError):
                    await ears.link.subscribe(channel())
            finally:
                await _denied(client, *mended)
            await until(lambda: ears.link.healthy and ears.resubscribed[name])
            await client.publish(name.decode(), b"again")
            await until(lambda: ears.heard)
        events = [line["event"] for line in lines]
        assert (events.count("pubsub_lost"), events.count("pubsub_recovered")) == (1, 1)
