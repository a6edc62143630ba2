"""The worker's pub/sub subscriber on a real server: confirmed subscriptions, and reports after reconnections."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from gateway.store.redis import probe
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.redis.shard_subscriber import CHANNELS_PER_COMMAND
from gateway.store.redis.subscriber import Subscriber
from tests.logs import captured_log
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient, new_user


@dataclass
class Received:
    """A running subscriber and everything it reported."""

    subscriber: Subscriber
    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    resubscribed: Counter[bytes] = field(default_factory=Counter)


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def received(redis_server: RedisServer, client: InspectedClient) -> AsyncIterator[Received]:
    subscriber = Subscriber(client, new_user().id)
    received = Received(subscriber)
    subscriber.on_messages = lambda channel, messages: received.messages.extend((channel, data) for data in messages)
    subscriber.on_resubscribed = lambda channel: received.resubscribed.update([channel])
    running = asyncio.create_task(subscriber.run())
    await until(lambda: received.subscriber.healthy)
    yield received
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def channel() -> bytes:
    return f"{{{new_user().id}}}".encode()


async def cut(client: InspectedClient) -> None:
    await client.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


async def test_what_is_published_after_subscribing_is_received(received: Received, client: InspectedClient) -> None:
    name = channel()
    await received.subscriber.subscribe(name)
    await client.publish(name.decode(), b"hello")
    await until(lambda: received.messages)
    assert received.messages == [(name, b"hello")]


async def test_nothing_is_received_after_unsubscribing(received: Received, client: InspectedClient) -> None:
    gone, kept = channel(), channel()
    await received.subscriber.subscribe(gone)
    received.subscriber.unsubscribe(gone)
    await received.subscriber.subscribe(kept)  # commands are run in order, so the other channel is unsubscribed now
    await client.publish(gone.decode(), b"no")
    await client.publish(kept.decode(), b"yes")
    await until(lambda: received.messages)
    assert received.messages == [(kept, b"yes")]


async def test_thousands_of_channels_are_subscribed_together(
    received: Received, client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_SECONDS", 60)  # on a busy machine, asyncio's debug mode takes seconds
    names = [channel() for _ in range(2 * CHANNELS_PER_COMMAND + 10)]
    await asyncio.gather(*map(received.subscriber.subscribe, names))
    await client.publish(names[-1].decode(), b"last")
    await until(lambda: received.messages)


async def test_after_a_cut_every_channel_is_reported_and_received_again(
    received: Received, client: InspectedClient
) -> None:
    names = [channel() for _ in range(3)]
    for name in names:
        await received.subscriber.subscribe(name)
    assert not received.resubscribed
    await cut(client)
    await until(lambda: len(received.resubscribed) == 3)
    assert received.resubscribed == Counter(names)
    await client.publish(names[0].decode(), b"again")
    await until(lambda: received.messages)


async def test_a_channel_that_was_unsubscribed_is_not_subscribed_again(
    received: Received, client: InspectedClient
) -> None:
    left, kept = channel(), channel()
    await received.subscriber.subscribe(left)
    await received.subscriber.subscribe(kept)
    received.subscriber.unsubscribe(left)
    await cut(client)
    await until(lambda: received.resubscribed)
    assert received.resubscribed == Counter([kept])


async def test_subscribing_fails_clearly_while_the_connection_is_down(
    redis_server: RedisServer, client: InspectedClient
) -> None:
    subscriber = Subscriber(client, "never-started")
    with pytest.raises(StoreUnavailableError):
        await subscriber.subscribe(b"x")
    assert not subscriber.healthy


async def test_a_subscriber_whose_probe_receives_messages_is_healthy(received: Received) -> None:
    last_activity_at = received.subscriber.last_activity_at
    await until(lambda: received.subscriber.last_activity_at > last_activity_at)
    assert received.subscriber.healthy


async def _denied(client: InspectedClient, *rules: str) -> None:
    await client.redis.execute_command("ACL", "SETUSER", "default", *rules)


async def test_a_refused_probe_leaves_no_worker_without_messages(received: Received, client: InspectedClient) -> None:
    name = channel()
    await received.subscriber.subscribe(name)
    await _denied(client, "-spublish")
    try:
        await until(lambda: not received.subscriber.healthy)
    finally:
        await _denied(client, "+spublish")
    await until(lambda: received.subscriber.healthy)
    await client.publish(name.decode(), b"again")
    await until(lambda: received.messages)


async def test_a_refusal_of_some_moments_starts_nothing_over(received: Received, client: InspectedClient) -> None:
    name = channel()
    await received.subscriber.subscribe(name)
    last_activity_at = received.subscriber.last_activity_at
    await client.redis.execute_command("ACL", "LOG", "RESET")
    await _denied(client, "-spublish")
    while not await client.redis.execute_command("ACL", "LOG"):  # until a probe is refused
        await asyncio.sleep(0.01)
    await _denied(client, "+spublish")
    await until(lambda: received.subscriber.last_activity_at > last_activity_at + 1)
    assert not received.resubscribed


async def test_subscriptions_and_connections_recover_from_a_refusal(
    received: Received, client: InspectedClient
) -> None:
    name = channel()
    await received.subscriber.subscribe(name)
    for rules, mended in ((("-ssubscribe",), ("+ssubscribe",)), (("resetpass", ">other"), ("nopass",))):
        received.resubscribed.clear()
        with captured_log() as lines:
            await _denied(client, *rules)
            try:
                await cut(client)
                await until(lambda: not received.subscriber.healthy)
                await until(lambda lines=lines: "pubsub_lost" in [line["event"] for line in lines])  # type: ignore[misc] # bound now
                with pytest.raises(StoreUnavailableError):
                    await received.subscriber.subscribe(channel())
            finally:
                await _denied(client, *mended)
            await until(lambda: received.subscriber.healthy and received.resubscribed[name])
            await client.publish(name.decode(), b"again")
            await until(lambda: received.messages)
        events = [line["event"] for line in lines]
        assert (events.count("pubsub_lost"), events.count("pubsub_recovered")) == (1, 1)
