"""The overrides of notifications, with a cache: all recipients of a broadcast share them."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from uuid import UUID

import msgspec

from gateway.delivery.compose import read_overrides
from gateway.domain.delivery import Lane
from gateway.domain.notification import ItemId
from gateway.sending.command import Overrides
from gateway.store.overrides import OverrideStore
from gateway.telemetry.logs import log

MAX_CACHED = 1000
MAX_CACHED_BYTES = 16 * 1024 * 1024
"""How many notifications are remembered, and how much of their overrides. Most have none, some have megabytes."""


class OverrideCache:
    """Reads overrides. They never change, so the cache has no expiry. Methods raise StoreUnavailableError."""

    def __init__(self, store: OverrideStore):
        self._store = store
        self._cache: OrderedDict[ItemId, tuple[Overrides | None, int]] = OrderedDict()
        self._bytes = 0

    async def of_entries(self, lane: Lane, ids: Iterable[ItemId]) -> Mapping[ItemId, Overrides | None]:
        """Return the overrides of notifications by id."""
        wanted = set(ids)
        found = {each: self._cache[each][0] for each in wanted if each in self._cache}
        if missing := list(wanted - found.keys()):
            texts = [str(UUID(bytes=each)) for each in missing]
            for each, raw in zip(missing, await self._store.read_many(lane.project_id, texts), strict=True):
                found[each] = _decoded(each, raw)
                self._remember(each, found[each], len(raw or b""))
        return found

    def _remember(self, notification_id: ItemId, overrides: Overrides | None, size: int) -> None:
        _, former = self._cache.pop(notification_id, (None, 0))
        self._cache[notification_id] = (overrides, size)
        self._bytes += size - former
        while len(self._cache) > MAX_CACHED or self._bytes > MAX_CACHED_BYTES:
            self._bytes -= self._cache.popitem(last=False)[1][1]


def _decoded(notification_id: ItemId, raw: bytes | None) -> Overrides | None:
    try:
        return read_overrides(raw)
    except msgspec.MsgspecError as problem:
        log.error("overrides_broken", notification=notification_id.hex(), problem=str(problem))
        return None
