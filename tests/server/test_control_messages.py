"""Control messages: what each of them clears, observed by recording parts, and one of another node in a real worker."""

import asyncio
from typing import Any

import pytest

from gateway.server.control_messages import ControlMessages
from gateway.store import keys
from tests.live.node import Node
from tests.servers import API_KEY


class Recorder:
    """Every part that control messages act on; it records the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.cache = self

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def recorder() -> Recorder:
    """A recorder without calls."""
    return Recorder()


@pytest.fixture
def control(recorder: Recorder) -> ControlMessages:
    """Control messages that act on the recorder."""
    parts: Any = recorder
    return ControlMessages(parts, parts, parts, parts, parts, parts, parts, parts, parts.wake, parts)


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        (b"jobs", [("wake",)]),
        (b"content p1 c1", [("prefetch", "p1", "c1")]),
        (b"user p1 u1", [("forget_cached", "p1", "u1")]),
        (b"delivery_config p1", [("forget", "p1")]),
        (b"integration p1 inbox", [("forget", "p1", "inbox"), ("forget", "p1")]),
        (b"webhook_endpoints p1", [("forget", "p1")]),
        (b"project key", [("forget", "key"), ("project_changed", "key")]),
        (
            b"project_deleted key p1",
            [("forget_deleted", "key"), ("project_changed", "key"), ("forget", "p1"), ("forget", "p1")],
        ),
    ],
)
def test_a_message_clears_what_it_names(
    control: ControlMessages, recorder: Recorder, message: bytes, calls: list[tuple[str, ...]]
) -> None:
    control.apply(message)
    assert recorder.calls == calls


@pytest.mark.parametrize("message", [b"", b"project", b"user p1", b"of a later version", b"\xff\xfe"])
def test_an_unknown_message_clears_everything(control: ControlMessages, recorder: Recorder, message: bytes) -> None:
    control.apply(message)
    assert recorder.calls == [*[("forget_all",)] * 5, ("all_projects_changed",), ("forget_reached",), ("wake",)]


async def test_a_worker_receives_the_messages_of_other_nodes(node: Node) -> None:
    cache = node.worker.projects.cache
    await node.worker.projects.by_api_key(API_KEY)
    assert cache.get(API_KEY) is not None
    await node.worker.client.publish(keys.CONTROL, f"project {API_KEY}".encode())
    async with asyncio.timeout(10):
        while cache.get(API_KEY) is not None:
            await asyncio.sleep(0.01)
