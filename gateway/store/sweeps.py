"""What is remembered of sweeps: when each project's last complete one began, and by which bounds."""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.principal import ProjectId
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreFullError

RECORDED_SECONDS = 24 * 3600
"""How long a sweep is remembered: a project is swept once a day at least, should something have been missed."""


class SweepRecord(NamedTuple):
    """A sweep that is complete."""

    started_ms: int
    keep: ItemRetention


class SweepStore:
    """Records of sweeps. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def claim_look(self, seconds: float) -> bool:
        """Return whether this worker is to look for what is due: no other has in the last `seconds`, more or less.

        Where the server is out of memory every worker looks, because a sweep makes room.
        """
        try:
            return bool(await self._client.command("SET", keys.SWEEP_LOOK, "1", "NX", "PX", int(900 * seconds)))
        except StoreFullError:
            return True

    async def record(self, project_id: ProjectId, sweep: SweepRecord) -> None:
        """Record that a sweep is complete. What a server out of memory cannot record is done again."""
        value = f"{sweep.started_ms} {sweep.keep.items} {sweep.keep.seconds}"
        with contextlib.suppress(StoreFullError):
            await self._client.command("SET", keys.swept(project_id), value, "EX", RECORDED_SECONDS)

    async def last(self, project_ids: Sequence[ProjectId]) -> dict[ProjectId, SweepRecord | None]:
        """Return the last complete sweep of each project, None where none is known."""
        if not project_ids:
            return {}
        found = await self._client.commands(*(("GET", keys.swept(project_id)) for project_id in project_ids))
        return dict(zip(project_ids, map(_decode, found), strict=True))


def _decode(value: bytes | None) -> SweepRecord | None:
    if value is None:
        return None
    started_ms, items, seconds = map(int, value.split())
    return SweepRecord(started_ms, ItemRetention(items, seconds))
