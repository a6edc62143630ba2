"""The check of the store: the problems that it finds, and its callbacks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.domain.errors import ErrorCode
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.library import LIBRARY
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.watch import StoreWatch
from gateway.telemetry.metrics import STORE_PROBLEM
from tests.logs import captured_log
from tests.servers import RedisServer, free_port, running_redis
from tests.store.conftest import InspectedClient


class Watched:
    """A watch over a store of its own, and what it has reported."""

    def __init__(self, client: InspectedClient):
        self.client = client
        self.projects = ProjectStore(client, "secret")
        self.watch = StoreWatch(client)
        self.reported: list[str] = []
        self.watch.on_empty = self._empty
        self.watch.on_known_store = self._known
        self.watch.on_other_store = self._other

    async def _empty(self) -> None:
        self.reported.append("empty")

    async def _known(self, name: str) -> None:
        self.reported.append("known")

    async def _other(self, name: str) -> None:
        self.reported.append("other")

    @property
    def code(self) -> ErrorCode | None:
        """Return the code of the problem that was found last."""
        return self.watch.problem.code if self.watch.problem is not None else None


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("watched")) as server:
        yield server


@pytest.fixture
async def watched(own_server: RedisServer) -> AsyncIterator[Watched]:
    client = InspectedClient(own_server.url)
    await client.redis.flushall()
    watched = Watched(client)
    await watched.projects.prepare()
    yield watched
    await client.aclose()


async def test_a_store_in_order_has_no_problem_and_is_known_once(watched: Watched) -> None:
    await watched.watch.check()
    await watched.watch.check()
    assert (watched.code, watched.reported) == (None, ["known"])


async def test_refused_writes_are_found_though_reads_work(watched: Watched) -> None:
    await watched.client.redis.config_set("maxmemory", "1")
    try:
        with captured_log() as lines:
            await watched.watch.check()
            await watched.watch.check()
        assert watched.code is ErrorCode.STORE_FULL
        assert [line["event"] for line in lines] == ["store_failed"]
        assert STORE_PROBLEM.labels(ErrorCode.STORE_FULL.kind.code)._value.get() == 1
    finally:
        await watched.client.redis.config_set("maxmemory", "0")
    with captured_log() as lines:
        await watched.watch.check()
    assert watched.watch.problem is None
    assert [line["event"] for line in lines] == ["store_recovered"]
    assert STORE_PROBLEM.labels(ErrorCode.STORE_FULL.kind.code)._value.get() == 0


async def test_an_emptied_store_is_found_every_time_until_it_is_prepared_anew(watched: Watched) -> None:
    await watched.watch.check()
    await watched.client.redis.flushall()
    with captured_log() as lines:
        await watched.watch.check()
        await watched.watch.check()
    (line,) = lines
    assert line["problem"] == "the store is empty: `serve` has not prepared it yet, or its data is lost"
    assert watched.code is ErrorCode.STORE_EMPTY
    assert watched.reported == ["known", "empty", "empty"]
    await watched.projects.prepare()
    await watched.watch.check()
    assert watched.code is None
    assert watched.reported == ["known", "empty", "empty", "known", "other"]


async def test_a_store_that_lost_its_projects_is_empty_though_it_has_its_name(watched: Watched) -> None:
    await watched.projects.create("A project", hmac_enabled=True)
    await watched.client.redis.delete(keys.PROJECTS)
    await watched.watch.check()
    assert watched.code is ErrorCode.STORE_EMPTY


async def test_another_store_in_place_of_the_known_one_is_reported(watched: Watched) -> None:
    await watched.watch.check()
    await watched.client.redis.set(keys.PROJECTS + keys.PROJECT_SUFFIXES["STORE_NAME"], "another")
    await watched.watch.check()
    assert watched.reported == ["known", "known", "other"]
    assert watched.watch.store_name == "another"


async def test_a_store_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    client = FunctionClient(Topology(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")), LIBRARY)
    watch = StoreWatch(client)
    await watch.check()
    assert watch.problem is not None
    assert watch.problem.code is ErrorCode.REDIS_UNAVAILABLE
    client.close()


async def test_running_checks_again_and_again(watched: Watched) -> None:
    running = asyncio.create_task(watched.watch.run())
    async with asyncio.timeout(10):
        while "known" not in watched.reported:
            await asyncio.sleep(0.01)
        await watched.client.redis.flushall()
        while "empty" not in watched.reported:
            await asyncio.sleep(0.01)
    running.cancel()
