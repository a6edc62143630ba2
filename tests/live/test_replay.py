"""Log reads for the sessions of a real worker. The tests wrap the reads of the store to count them or to fail one."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.domain.event import LogPage
from gateway.domain.guard import UserDeletedError
from gateway.live import replay
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from tests.live.clients import LiveClient, auth_message, offset, open_inbox, open_websocket, send
from tests.live.node import Node

Read = Callable[..., Awaitable[LogPage]]


def wrap_reads(node: Node, wrapper: Callable[[Read], Read]) -> None:
    """Replace the log reads of a worker's hub."""
    inboxes = node.hub.replay._inboxes
    inboxes.read_log = wrapper(inboxes.read_log)  # type: ignore[assignment, method-assign] # which is the purpose


def fail_once(node: Node, problem: Exception) -> None:
    """Make the next log read fail."""
    problems = [problem]

    def failing(read: Read) -> Read:
        async def read_log(*arguments: Any, **options: Any) -> LogPage:
            if problems:
                raise problems.pop()
            return await read(*arguments, **options)

        return read_log

    wrap_reads(node, failing)


def miss_events(node: Node) -> None:
    """Drop every published message from now on."""
    node.worker.subscriber.on_messages = lambda channel, messages: None


async def test_sessions_at_the_same_position_share_a_read(node: Node, user: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        clients: list[LiveClient] = [
            await stack.enter_async_context(open_inbox("websocket", node.gateway, user)) for _ in range(4)
        ]
        reads = []

        def counting(read: Read) -> Read:
            async def read_log(*arguments: Any, **options: Any) -> LogPage:
                reads.append(arguments)
                return await read(*arguments, **options)

            return read_log

        wrap_reads(node, counting)
        miss_events(node)
        await send(node.http, user)
        node.hub.replay.subscription_interrupted(node.subscription().channel)
        assert len({(await client.event())["position"] for client in clients}) == 1
        assert len(reads) == 1


async def test_a_failed_read_of_an_open_session_is_repeated(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "READ_RETRY_SECONDS", 0.01)
    async with open_inbox("sse", node.gateway, user) as client:
        miss_events(node)
        await send(node.http, user)
        fail_once(node, StoreUnavailableError(detail="no reply"))
        node.hub.replay.subscription_interrupted(node.subscription().channel)
        assert offset((await client.event())["position"]) == offset(client.position) + 1


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (StoreUnavailableError(detail="no reply"), "try_again_later"),
        (StoreDataError(detail="a broken record"), "internal_error"),
    ],
)
async def test_a_failed_read_refuses_a_session_that_is_not_open(
    node: Node, user: str, problem: StoreUnavailableError, reason: str
) -> None:
    fail_once(node, problem)
    async with open_websocket(node.gateway, user) as client:
        goodbye = await client.next()
        assert (goodbye["type"], goodbye["reason"]) == ("goodbye", reason)
        assert goodbye["retry_after_ms"] is not None


async def test_an_unexpected_failure_closes_the_connections_that_wait_for_the_read(node: Node, user: str) -> None:
    fail_once(node, ValueError("a fault of the gateway"))
    async with open_websocket(node.gateway, user) as client:
        assert (await client.next())["reason"] == "internal_error"
    async with open_inbox("websocket", node.gateway, user):
        pass


async def test_a_session_of_a_deleted_user_that_is_not_open_closes_with_try_again_later(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user):
        known = node.subscription().user
    await node.until_empty()
    fail_once(node, UserDeletedError(known))
    async with open_websocket(node.gateway, user) as client:
        goodbye = await client.next()
        assert (goodbye["reason"], goodbye["code"] < 4500) == ("try_again_later", True)


async def test_no_more_reads_run_at_once_than_are_allowed(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0

    def counting(read: Read) -> Read:
        async def read_log(*arguments: Any, **options: Any) -> LogPage:
            nonlocal running, most
            running += 1
            most = max(most, running)
            try:
                return await read(*arguments, **options)
            finally:
                running -= 1

        return read_log

    wrap_reads(node, counting)
    node.hub.replay._slots = asyncio.Semaphore(2)
    async with contextlib.AsyncExitStack() as stack:
        opening = (
            stack.enter_async_context(open_inbox("sse", node.gateway, f"{number}-{user}"[:200])) for number in range(8)
        )
        await asyncio.gather(*opening)
    assert most == 2


async def test_collected_reads_start_no_task(node: Node, user: str) -> None:
    async with open_websocket(node.gateway) as client:
        async with asyncio.timeout(10):
            while not node.connections:
                await asyncio.sleep(0.01)
        (connection,) = node.connections
        assert node.hub.replay.collect(lambda: node.hub.read_log(connection, None)) == [], "no user, nothing to read"
        await client.send(auth_message(user))
        assert (await client.next())["type"] == "ready"
        (read,) = node.hub.replay.collect(lambda: connection.perform(connection.session.resync()))
        assert node.hub.replay.pending == 1
        await read
        assert node.hub.replay.pending == 0


async def test_the_interruption_of_a_channel_without_connections_is_ignored(node: Node) -> None:
    node.hub.replay.subscription_interrupted(b"a channel without connections")
    assert node.hub.replay.pending == 0
