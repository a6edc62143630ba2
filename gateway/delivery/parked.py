"""Parked lanes are tried again from time to time, because the fault may have been the provider's.

A lane is parked because a provider refuses the configuration. Saving the integration serves it again at once. A fault
that passes without that, such as an account that was suspended for a day, is found here.
"""

import asyncio
import random
import time

from gateway.store.lanes import LaneStore
from gateway.store.redis.problems import StoreUnavailableError
from gateway.telemetry.logs import log

CHECK_SECONDS = 60.0
TRY_AGAIN_SECONDS = 1800.0
"""How long a lane is parked before its next message shows whether the fault is still there."""

MAX_LANES = 1000


class ParkedLanes:
    """Serves lanes again that were parked for long. `run` must be running."""

    def __init__(self, lanes: LaneStore):
        self._lanes = lanes

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.5, 1.5))
            await self.check(time.time())

    async def check(self, now: float) -> None:
        """Check once."""
        try:
            for status in await self._lanes.all(MAX_LANES):
                if status.parked and now - status.parked_ms / 1000 > TRY_AGAIN_SECONDS:
                    log.info("parked_lane_tried", project=status.lane.project_id, route=status.lane.route.name.lower())
                    await self._lanes.unpark(status.lane)
        except StoreUnavailableError:
            return
