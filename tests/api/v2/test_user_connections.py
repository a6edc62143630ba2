"""The live connections of a user: those of all workers, as they are at this moment."""

import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from gateway.live.presence import network_of
from gateway.store import keys
from gateway.store.presence import PresenceQuestions, read_question
from gateway.store.redis.subscriber import Subscriber
from tests.api.inbox import ORIGIN, notification
from tests.api.live import open_inbox
from tests.api.v2.stored import PROJECT, Stored, running_stored
from tests.servers import ADMIN, user_headers


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """A gateway with two workers."""
    with running_stored(tmp_path_factory.mktemp("presence"), INBOX_WORKERS="2") as started:
        yield started


@pytest.fixture
async def http(two_workers: Stored) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=two_workers.gateway.url, timeout=10) as client:
        yield client


async def test_the_connections_of_all_workers_are_found(http: httpx.AsyncClient, two_workers: Stored) -> None:
    user = two_workers.user("ada")
    path = f"/v2/users/{user.id}/connections"
    assert (await http.get(path, headers=ADMIN)).raise_for_status().json() == {
        "data": [],
        "total": 0,
        "silent_nodes": 0,
    }
    sockets = [
        await connect(
            two_workers.gateway.websocket_url,
            subprotocols=[Subprotocol("inbox.v1")],
            additional_headers=user_headers("ada"),
            origin=ORIGIN,  # type: ignore[arg-type] # a NewType of the library
        )
        for _ in range(8)
    ]
    for socket in sockets:
        assert json.loads(await socket.recv())["type"] == "ready"
    (await http.post("/notifications", headers=ADMIN, json=notification("ada"))).raise_for_status()
    await sockets[0].recv()
    found = (await http.get(path, headers=ADMIN)).raise_for_status().json()
    assert (found["total"], found["silent_nodes"], len(found["data"])) == (8, 0, 8)
    assert len({each["id"] for each in found["data"]}) == 8
    one = found["data"][0]
    assert one["id"].startswith(one["node_id"])
    assert one["opened_at"].startswith("20")
    assert one.items() >= {"transport": "websocket", "state": "live", "origin": ORIGIN, "proof": "key"}.items()
    assert one["network"] in ("127.0.0.0/24", None)
    assert {each["events_behind"] for each in found["data"]} <= {0, 1}
    for socket in sockets:
        await socket.close()


async def test_a_worker_that_does_not_answer_is_counted(http: httpx.AsyncClient, two_workers: Stored) -> None:
    user = two_workers.user("eve")
    silent: Redis = Redis.from_url(two_workers.redis_url)
    async with silent.pubsub() as subscribed, open_inbox(two_workers.gateway, "eve"):
        await subscribed.execute_command("SSUBSCRIBE", keys.user(PROJECT, user.id))
        await subscribed.parse_response()
        found = (await http.get(f"/v2/users/{user.id}/connections", headers=ADMIN)).raise_for_status().json()
    await silent.aclose()
    assert (found["total"], found["silent_nodes"]) == (1, 1)


async def test_answers_of_others_change_nothing(two_workers: Stored) -> None:
    async with two_workers.client() as client:
        questions = PresenceQuestions(client, Subscriber(client, "w"), "w")
        questions.on_messages([b"7 {}", b"not an answer"])
    with pytest.raises(ValueError, match="unpack"):
        read_question(b"!presence ")


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"), ("/tmp/a.sock", "")],
)
def test_of_an_address_only_the_network_is_shown(address: str, network: str) -> None:
    assert network_of(address) == network
