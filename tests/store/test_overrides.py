"""The overrides of notifications for channels and providers."""

from uuid import uuid4

import pytest

from gateway.store import keys
from gateway.store.overrides import KEPT_SECONDS, OverrideStore
from gateway.store.redis.problems import StoreFormatError
from tests.store.conftest import InspectedClient, new_user


async def test_overrides_are_kept_for_a_month(client: InspectedClient) -> None:
    store, project, notification = OverrideStore(client), new_user().project_id, str(uuid4())
    assert await store.read(project, notification) is None
    for overrides in (b"{}", b'{"providers":{}}'):
        await store.put(project, notification, overrides)
        assert await store.read(project, notification) == overrides
    assert await client.redis.ttl(keys.overrides(project, notification)) == pytest.approx(KEPT_SECONDS, abs=120)


async def test_overrides_of_another_format_are_left_alone(client: InspectedClient) -> None:
    key = keys.overrides(project := new_user().project_id, notification := str(uuid4()))
    await client.redis.set(key, b"9{}")
    with pytest.raises(StoreFormatError):
        await OverrideStore(client).read(project, notification)
