"""What a worker does when the store that it uses was emptied or replaced by another one."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from gateway.live.hub import Hub
from gateway.server.control_messages import ControlMessages
from gateway.store.projects import ProjectStore
from gateway.telemetry.logs import log

RESTORE_SPREAD_SECONDS = 0.5
"""Workers restore at random moments within this time, so that mostly one of them does the work."""

Restore = Callable[[ProjectStore], Awaitable[None]]
"""Creates the projects that the settings name. It is called when the store has lost all of its projects."""


class StoreEvents:
    """Reacts to what `StoreWatch` finds."""

    def __init__(self, control: ControlMessages, hub: Hub, projects: ProjectStore, restore: Restore | None):
        self._control = control
        self._hub = hub
        self._projects = projects
        self._restore = restore

    async def emptied(self) -> None:
        """Clear the caches, and restore the projects that the settings name."""
        self._control.clear_caches()
        if self._restore is not None:
            await asyncio.sleep(random.uniform(0, RESTORE_SPREAD_SECONDS))
            await self._restore(self._projects)

    async def replaced(self, store_name: str) -> None:
        """Clear the caches, and make every open inbox fetch again and reconnect."""
        log.warning("store_replaced", store=store_name)
        self._control.clear_caches()
        await self._hub.start_over()
