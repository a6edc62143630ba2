"""The hub of a real worker."""

import pytest

from tests.live.clients import Ended, open_inbox, open_websocket, send
from tests.live.node import Node


async def test_connection_ids_contain_the_worker_id_and_are_unique(node: Node) -> None:
    ids = {node.hub.new_session(None).connection_id for _ in range(100)}
    assert len(ids) == 100
    assert len({name.partition("-")[0] for name in ids}) == 1


async def test_the_time_limit_for_credentials_counts_from_accepting_the_socket(node: Node) -> None:
    assert node.hub.new_session(1234.5).active_at == 1234.5
    assert node.hub.new_session(None).active_at > 0


async def test_users_lists_the_users_who_are_connected(node: Node, user: str) -> None:
    assert list(node.hub.users()) == []
    async with open_inbox("websocket", node.gateway, user):
        (connected,) = node.hub.users()
        assert connected.external_id == user
    await node.until_empty()
    assert list(node.hub.users()) == []


async def test_a_published_event_reaches_its_user_and_no_other(node: Node, user: str) -> None:
    async with (
        open_inbox("websocket", node.gateway, user) as client,
        open_inbox("websocket", node.gateway, "another user") as other,
    ):
        await send(node.http, user, title="first")
        await send(node.http, "another user", title="second")
        assert (await client.event())["data"]["notification"]["title"] == "first"
        assert (await other.event())["data"]["notification"]["title"] == "second"


@pytest.mark.parametrize("with_credentials", [True, False])
async def test_a_draining_hub_refuses_new_connections(node: Node, user: str, with_credentials: bool) -> None:
    await node.hub.drain(0.1)
    assert node.hub.draining
    async with open_websocket(node.gateway, user if with_credentials else None) as client:
        assert (await client.next())["reason"] == "draining"
        with pytest.raises(Ended):
            await client.next()
