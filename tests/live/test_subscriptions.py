"""The registry of users with open connections, and their subscriptions on a real Redis."""

import asyncio
import contextlib

import pytest
import redis.asyncio

from gateway.store.redis.problems import StoreUnavailableError
from tests.live.clients import TRANSPORTS, Ended, WebSocketClient, auth_message, open_inbox, open_websocket
from tests.live.node import Node


async def subscribers(node: Node, channel: bytes) -> int:
    """Return how many connections to Redis have subscribed a channel."""
    async with redis.asyncio.Redis(port=node.store.port) as admin:
        _, count = await admin.execute_command("PUBSUB", "SHARDNUMSUB", channel)
    return int(count)


async def subscribe_commands(node: Node) -> int:
    """Return how many SSUBSCRIBE commands Redis has executed."""
    async with redis.asyncio.Redis(port=node.store.port) as admin:
        statistics = await admin.info("commandstats")
    return int(statistics["cmdstat_ssubscribe"]["calls"])


async def test_the_connections_of_a_user_share_one_subscription(node: Node, user: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for transport in TRANSPORTS:
            await stack.enter_async_context(open_inbox(transport, node.gateway, user))
        subscription = node.subscription()
        assert len(subscription.connections) == 2
        assert subscription.user.external_id == user
        assert await subscribers(node, subscription.channel) == 1


async def test_connections_that_arrive_together_wait_for_the_same_confirmation(node: Node, user: str) -> None:
    async with open_inbox("sse", node.gateway, "someone else"):
        before = await subscribe_commands(node)
        async with contextlib.AsyncExitStack() as stack:
            opening = (stack.enter_async_context(open_inbox("websocket", node.gateway, user)) for _ in range(5))
            await asyncio.gather(*opening)
            assert await subscribe_commands(node) == before + 1


async def test_the_last_connection_to_leave_unsubscribes_the_channel(node: Node, user: str) -> None:
    async with open_inbox("sse", node.gateway, user):
        channel = node.subscription().channel
        async with open_inbox("sse", node.gateway, user):
            pass
        assert await subscribers(node, channel) == 1
    await node.until_empty()
    async with asyncio.timeout(10):
        while await subscribers(node, channel):
            await asyncio.sleep(0.01)
    assert list(node.hub.users()) == []


async def test_a_subscription_that_fails_refuses_every_connection_that_waited(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    async def subscribe(channel: bytes) -> None:
        await waiting.wait()
        raise StoreUnavailableError(detail="the connection is down")

    monkeypatch.setattr(node.worker.subscriber, "subscribe", subscribe)
    async with contextlib.AsyncExitStack() as stack:
        clients: list[WebSocketClient] = []
        for _ in range(3):
            clients.append(await stack.enter_async_context(open_websocket(node.gateway)))
            await clients[-1].send(auth_message(user))
        async with asyncio.timeout(10):
            while not len(node.hub.subscriptions) or len(node.subscription().connections) < 3:
                await asyncio.sleep(0.01)
        waiting.set()
        for client in clients:
            goodbye = await client.next()
            assert (goodbye["type"], goodbye["reason"]) == ("goodbye", "try_again_later")
            with pytest.raises(Ended):
                await client.next()
    await node.until_empty()


async def test_a_user_may_have_only_so_many_connections(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user):
        node.hub.subscriptions._max_connections_per_user = 1
        async with open_websocket(node.gateway, user) as second:
            assert (await second.next())["reason"] == "too_many_connections"
        assert len(node.subscription().connections) == 1
