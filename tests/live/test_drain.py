"""Closing all connections of a real worker."""

import asyncio
import time

import pytest

from gateway.live import drain
from tests.live.clients import TRANSPORTS, open_inbox, send
from tests.live.node import Node


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_clients_of_a_draining_worker_receive_a_goodbye_with_a_time_to_reconnect(
    node: Node, user: str, transport: str
) -> None:
    async with open_inbox(transport, node.gateway, user) as client:
        await node.hub.drain(0.5)
        (goodbye,) = await client.read_to_end()
        assert (goodbye["reason"], goodbye["code"]) == ("draining", 4001)
        assert 100 <= goodbye["retry_after_ms"] <= 500
    assert len(node.hub.deadlines) == 0


async def test_a_drain_is_spread_over_its_time(node: Node, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "DRAIN_BATCH", 1)
    async with (
        open_inbox("websocket", node.gateway, user) as first,
        open_inbox("websocket", node.gateway, user) as second,
    ):
        closed: list[float] = []

        async def record_close(client: object) -> None:
            assert (await client.next())["type"] == "goodbye"  # type: ignore[attr-defined] # a client
            closed.append(time.monotonic())
            await client.connection.close()  # type: ignore[attr-defined] # a WebSocket client

        await asyncio.gather(record_close(first), record_close(second), drain.drain(node.hub.deadlines, 0.6))
        assert closed[1] - closed[0] > 0.15, "0.24 seconds apart"


async def test_a_client_that_does_not_close_is_aborted_when_the_time_is_over(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        client.connection.transport.pause_reading()  # type: ignore[attr-defined] # a WebSocket client
        started = time.monotonic()
        await node.hub.drain(0.3)
        assert 0.25 < time.monotonic() - started < 30
    await node.until_empty()


async def test_draining_nothing_returns_at_once(node: Node) -> None:
    started = time.monotonic()
    await drain.drain(node.hub.deadlines, 30)
    assert time.monotonic() - started < 20


async def test_after_the_store_was_replaced_clients_receive_their_log_and_then_a_goodbye(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "RESYNC_SECONDS", 0.3)
    async with open_inbox("sse", node.gateway, user) as client:
        node.worker.subscriber.on_messages = lambda channel, messages: None
        await send(node.http, user)
        await node.hub.start_over()
        event, goodbye = await client.read_to_end()
        assert (event["type"], goodbye["reason"]) == ("event", "try_again_later")
