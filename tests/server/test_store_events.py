"""What a worker does when its store was emptied or replaced."""

from typing import Any, cast

import pytest

from gateway.server import store_events
from gateway.server.control_messages import ControlMessages
from gateway.server.store_events import StoreEvents
from gateway.store.projects import ProjectStore
from tests.live.clients import open_inbox
from tests.live.node import Node
from tests.logs import captured_log


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore without a random pause."""
    monkeypatch.setattr(store_events, "RESTORE_SPREAD_SECONDS", 0.0)


class Control:
    """Counts how often the caches are cleared."""

    def __init__(self) -> None:
        self.cleared = 0

    def clear_caches(self) -> None:
        self.cleared += 1


async def test_projects_are_restored_into_an_emptied_store(node: Node) -> None:
    control, restored = Control(), list[ProjectStore]()

    async def restore(projects: ProjectStore) -> None:
        assert control.cleared == 1
        restored.append(projects)

    events = StoreEvents(cast(ControlMessages, control), node.hub, node.worker.projects, restore)
    await events.emptied()
    assert restored == [node.worker.projects]


async def test_a_worker_without_projects_in_its_settings_restores_none(node: Node) -> None:
    control: Any = Control()
    await StoreEvents(control, node.hub, node.worker.projects, None).emptied()
    assert control.cleared == 1


async def test_open_inboxes_fetch_and_reconnect_when_the_store_was_replaced(node: Node, user: str) -> None:
    control: Any = Control()
    events = StoreEvents(control, node.hub, node.worker.projects, None)
    async with open_inbox("websocket", node.gateway, user) as inbox:
        with captured_log() as lines:
            await events.replaced("another")
        assert (lines[0]["event"], lines[0]["store"]) == ("store_replaced", "another")
        assert control.cleared == 1
        goodbye = await inbox.next()
        assert (goodbye["type"], goodbye["reason"]) == ("goodbye", "try_again_later")
