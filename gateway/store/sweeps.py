"""Records of sweeps: when the last complete sweep of each project started, and which bounds it applied.

The text of a record is `started_ms items seconds`, which is version 1. A later version begins with a word that is not a
number. A record of a version that this gateway does not know counts as no record, so the project is swept once more.
"""

import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.ids import ProjectId
from gateway.domain.retention import ItemRetention
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreFullError

RECORDED_SECONDS = 24 * 3600
"""How long the record of a sweep is kept. A project is swept at least once a day, in case anything was missed."""


class SweepRecord(NamedTuple):
    """A complete sweep: the unix milliseconds of its start, and the retention that it applied."""

    started_ms: int
    keep: ItemRetention


class SweepStore:
    """Records of sweeps. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def claim_check(self, seconds: float) -> bool:
        """Return whether this worker must check for due projects, because no other did in about the last `seconds`.

        While the server is out of memory, every worker checks, because a sweep frees memory.
        """
        try:
            return bool(await self._client.command("SET", keys.SWEEP_CHECK, "1", "NX", "PX", int(900 * seconds)))
        except StoreFullError:
            return True

    async def record(self, project_id: ProjectId, sweep: SweepRecord) -> None:
        """Record that a sweep is complete. A server that is out of memory records nothing: the sweep is repeated."""
        value = f"{sweep.started_ms} {sweep.keep.items} {sweep.keep.seconds}"
        with contextlib.suppress(StoreFullError):
            await self._client.command("SET", keys.swept(project_id), value, "EX", RECORDED_SECONDS)

    async def last(self, project_ids: Sequence[ProjectId]) -> dict[ProjectId, SweepRecord | None]:
        """Return the last complete sweep of each project, None if none is recorded."""
        if not project_ids:
            return {}
        found = await self._client.commands(*(("GET", keys.swept(project_id)) for project_id in project_ids))
        return dict(zip(project_ids, map(_decode, found), strict=True))


def _decode(value: bytes | None) -> SweepRecord | None:
    try:
        started_ms, items, seconds = map(int, (value or b"").split())
    except ValueError:
        return None
    return SweepRecord(started_ms, ItemRetention(items, seconds))
