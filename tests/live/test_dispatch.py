"""Delivery of published messages to clients of a real worker. They are passed to the dispatcher directly."""

import time

import pytest

from gateway.domain.event import Position
from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.traced_client import SPAN_MESSAGE
from gateway.telemetry.metrics import DELIVERED, GAPS
from tests.live.clients import TRANSPORTS, LiveClient, open_inbox, send
from tests.live.node import Node
from tests.logs import captured_log


def message(client: LiveClient, number: int) -> bytes:
    """Return a published event that is the `number`th one after a client's `ready`."""
    start = Position.parse(client.position)
    assert start is not None
    position = Position(start.epoch, start.offset + number)
    body = f'{{"type":"event","position":"{position}","name":"test"}}'
    return f"{position} {int(time.time() * 1000)} test\n{body}".encode()


def dispatch(node: Node, *messages: bytes) -> None:
    """Dispatch messages to the only user who is connected."""
    node.hub.dispatcher.dispatch(node.subscription().channel, messages)


def position_after(client: LiveClient, number: int) -> str:
    """Return the position of the `number`th event after a client's `ready`."""
    return message(client, number).split(b" ")[0].decode()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_events_that_arrive_together_reach_the_client_in_order(node: Node, user: str, transport: str) -> None:
    async with open_inbox(transport, node.gateway, user) as client:
        before = DELIVERED._value.get()
        dispatch(node, message(client, 1), message(client, 2), message(client, 3))
        expected = [position_after(client, number) for number in (1, 2, 3)]
        assert [event["position"] for event in await client.events(3)] == expected
        assert DELIVERED._value.get() == before + 3


async def test_every_connection_of_the_user_receives_an_event(node: Node, user: str) -> None:
    async with (
        open_inbox("websocket", node.gateway, user) as first,
        open_inbox("websocket", node.gateway, user) as second,
        open_inbox("sse", node.gateway, user) as third,
    ):
        dispatch(node, message(first, 1))
        events = [await client.event() for client in (first, second, third)]
        assert events[0] == events[1] == events[2]


async def test_a_duplicate_is_not_delivered(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        for number in (1, 1, 2):
            dispatch(node, message(client, number))
        expected = [position_after(client, number) for number in (1, 2)]
        assert [event["position"] for event in await client.events(2)] == expected


async def test_after_a_gap_the_client_receives_the_events_of_the_log(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        gaps = GAPS._value.get()
        dispatch(node, message(client, 7))  # an event that is not in the log
        assert GAPS._value.get() == gaps + 1
        await send(node.http, user)
        assert (await client.event())["position"] == position_after(client, 1)


async def test_a_foreign_message_is_logged_and_the_others_are_delivered(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        with captured_log() as lines:
            dispatch(node, b"something", message(client, 1), b"!something", message(client, 2))
        expected = [position_after(client, number) for number in (1, 2)]
        assert [event["position"] for event in await client.events(2)] == expected
        assert [line["event"] for line in lines if line["level"] == "error"] == ["foreign_message"] * 2


async def test_a_message_about_a_span_means_nothing_to_a_worker_without_traces(node: Node, user: str) -> None:
    # To an older worker as well: it is the revocation of a token that nobody has.
    async with open_inbox("websocket", node.gateway, user) as client:
        with captured_log() as lines:
            dispatch(node, SPAN_MESSAGE + b"1700000000000 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            dispatch(node, message(client, 1))
        assert (await client.event())["position"] == position_after(client, 1)
        assert not [line for line in lines if line["level"] != "info"]


async def test_a_request_to_resync_reads_the_log(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        channel = node.subscription().channel
        on_messages = node.worker.subscriber.on_messages
        node.worker.subscriber.on_messages = lambda channel, messages: None  # the worker misses the event
        await send(node.http, user)
        node.worker.subscriber.on_messages = on_messages
        node.hub.dispatcher.dispatch(channel, [RESYNC_MESSAGE])
        assert (await client.event())["position"] == position_after(client, 1)


async def test_an_event_whose_content_is_not_cached_is_read_from_the_log(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        incomplete = message(client, 1) + b"\0"
        on_messages = node.worker.subscriber.on_messages
        node.worker.subscriber.on_messages = lambda channel, messages: None  # only the log has the event
        sent = await send(node.http, user)
        node.worker.subscriber.on_messages = on_messages
        node.hub.dispatcher._inboxes.expand_cached = lambda message: None  # type: ignore[method-assign] # the purpose
        dispatch(node, incomplete)
        event = await client.event()
        assert (event["data"]["id"], event["position"]) == (sent, position_after(client, 1))


async def test_messages_of_a_user_without_connections_are_ignored(node: Node) -> None:
    node.hub.dispatcher.dispatch(b"a channel without connections", [b"!deleted", b"e.1 5 n\n{}"])
