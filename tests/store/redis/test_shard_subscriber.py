"""The subscriptions at one server: confirmations, messages, released channels, and reports after a loss."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.shard_subscriber import CONTROL_CHANNEL, Confirmations, ShardSubscriber
from gateway.store.redis.topology import Node
from tests.store.conftest import InspectedClient, new_user


class RecordingOwner:
    """Records what a shard subscriber reports."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, list[bytes]]] = []
        self.control: list[bytes] = []
        self.reported: list[bytes] = []
        self.on_messages: Callable[[bytes, list[bytes]], None] = lambda channel, some: self.messages.append(
            (channel, some)
        )
        self.on_control: Callable[[bytes], None] = self.control.append

    def resubscribed(self, channel: bytes) -> None:
        self.reported.append(channel)

    def orphaned(self, channels: Mapping[bytes, Confirmations], redirection: str, node: Node) -> None:
        self.reported.extend(channels)

    async def refresh_topology(self) -> None:
        pass


@pytest.fixture
def owner() -> RecordingOwner:
    return RecordingOwner()


@pytest.fixture
async def shard(owner: RecordingOwner, client: InspectedClient) -> AsyncIterator[ShardSubscriber]:
    """A shard subscriber whose probe receives its messages."""
    (node,) = client.topology.nodes
    shard = ShardSubscriber(owner, node, client, new_user().id)
    running = asyncio.create_task(shard.run())
    await until(lambda: shard.healthy)
    yield shard
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def channel() -> bytes:
    return f"{{{new_user().id}}}".encode()


async def test_messages_of_a_channel_that_arrive_together_are_passed_on_together(
    shard: ShardSubscriber, owner: RecordingOwner, client: InspectedClient
) -> None:
    name = channel()
    await shard.subscribe(name)
    async with client.redis.pipeline(transaction=True) as pipe:
        for number in range(3):
            pipe.execute_command("SPUBLISH", name, str(number))
        await pipe.execute()
    await until(lambda: sum(len(some) for _, some in owner.messages) == 3)
    assert owner.messages == [(name, [b"0", b"1", b"2"])]


async def test_control_messages_are_passed_on_apart(
    shard: ShardSubscriber, owner: RecordingOwner, client: InspectedClient
) -> None:
    await shard.subscribe(CONTROL_CHANNEL)
    await client.publish(CONTROL_CHANNEL.decode(), b"forget it")
    await until(lambda: owner.control)
    assert (owner.control, owner.messages) == ([b"forget it"], [])


async def test_an_assigned_channel_is_reported_and_its_awaited_confirmations_complete(
    shard: ShardSubscriber, owner: RecordingOwner
) -> None:
    name, awaited = channel(), asyncio.get_running_loop().create_future()
    shard.assign(name, deque([awaited]))
    await awaited
    assert owner.reported == [name]
    assert name in shard.channels


async def test_a_released_channel_is_returned_with_its_awaited_confirmations(shard: ShardSubscriber) -> None:
    name = channel()
    subscribing = asyncio.create_task(shard.subscribe(name))
    await asyncio.sleep(0)  # the task has begun
    released = shard.release([name])
    assert [len(awaited) for awaited in released.values()] == [1]
    assert name not in shard.channels
    released[name][0].set_result(None)  # type: ignore[union-attr] # a caller's
    await subscribing


async def test_a_lost_connection_fails_what_is_awaited_and_resubscribes_what_was_confirmed(
    shard: ShardSubscriber, owner: RecordingOwner, client: InspectedClient
) -> None:
    name = channel()
    await shard.subscribe(name)
    await client.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await until(lambda: owner.reported == [name])
    await until(lambda: shard.healthy)


async def test_a_shard_subscriber_that_does_not_run_refuses(owner: RecordingOwner, client: InspectedClient) -> None:
    (node,) = client.topology.nodes
    stopped = ShardSubscriber(owner, node, client, "worker")
    with pytest.raises(StoreUnavailableError):
        await stopped.subscribe(channel())
    awaited = asyncio.get_running_loop().create_future()
    stopped.assign(channel(), deque([awaited]))
    with pytest.raises(StoreUnavailableError):
        await awaited
    assert not stopped.healthy
