"""The cache of overrides: bounded by what it holds."""

from uuid import UUID, uuid4

import pytest

from gateway.delivery import overrides as module
from gateway.delivery.overrides import OverrideCache
from gateway.domain.delivery import Lane, Route
from gateway.domain.notification import ItemId
from gateway.store import keys
from gateway.store.overrides import OverrideStore
from gateway.store.redis.client import FunctionClient
from tests.store.conftest import new_user

LARGE = b'{"channels": {"email": {"title": "%s"}}}' % (b"x" * 600)


async def test_only_so_many_bytes_of_overrides_are_remembered(
    client: FunctionClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CACHED_BYTES", 1000)
    lane = Lane(new_user().project_id, Route.EMAIL)
    store = OverrideStore(client)
    cache = OverrideCache(store)
    ids = [ItemId(uuid4().bytes) for _ in range(3)]
    for each in ids:
        await store.put(lane.project_id, str(UUID(bytes=each)), LARGE)
        assert (await cache.of_entries(lane, [each]))[each] is not None
    for each in ids:
        await client.command("DEL", keys.overrides(lane.project_id, str(UUID(bytes=each))))
    found = await cache.of_entries(lane, ids)
    assert [found[each] is not None for each in ids] == [False, False, True]
