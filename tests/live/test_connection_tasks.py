"""Tasks that connections wait for, with connections of a real worker."""

import asyncio

import pytest

from gateway.live.connection_tasks import ConnectionTasks
from tests.live.clients import open_inbox
from tests.live.node import Node
from tests.logs import captured_log


async def fail() -> None:
    """Raise what no task should raise."""
    raise KeyError("a fault of the gateway")


async def test_a_task_that_fails_closes_the_connections_that_wait_for_it_and_no_others(node: Node, user: str) -> None:
    async with (
        open_inbox("websocket", node.gateway, user) as first,
        open_inbox("websocket", node.gateway, "another user") as second,
    ):
        by_id = {connection.session.connection_id: connection for connection in node.connections}
        with captured_log() as lines:
            await node.hub._tasks.guard(fail(), [by_id[first.ready["connection_id"]]])
        goodbye = await first.next()
        assert (goodbye["reason"], goodbye["code"] < 4500) == ("internal_error", True)
        assert [(line["event"], line["problem"]) for line in lines] == [("live_task_failed", "KeyError")]
        assert "a fault" not in str(lines)
        assert not by_id[second.ready["connection_id"]].session.closed


async def test_a_task_that_fails_does_not_end_the_others() -> None:
    tasks, done = ConnectionTasks(), asyncio.Event()

    async def succeed() -> None:
        done.set()

    async with tasks.running():
        with captured_log():
            tasks.spawn(fail(), [])
            await asyncio.sleep(0)
            tasks.spawn(succeed(), [])
            await done.wait()


async def test_outside_of_the_block_no_task_starts() -> None:
    tasks = ConnectionTasks()
    with pytest.raises(RuntimeError, match="not running"):
        tasks.spawn(fail(), [])
    async with tasks.running():
        pass
    with pytest.raises(RuntimeError, match="not running"):
        tasks.spawn(fail(), [])


async def test_the_end_of_the_block_cancels_its_tasks() -> None:
    tasks, ended = ConnectionTasks(), asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with tasks.running():
        tasks.spawn(wait(), [])
        await asyncio.sleep(0)
    assert ended.is_set()
