"""Reacts when the store of a worker was emptied or replaced by another one."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from gateway.live.hub import Hub
from gateway.server.control_messages import ControlMessages
from gateway.store.projects import ProjectStore
from gateway.telemetry.logs import log

RESTORE_SPREAD_SECONDS = 0.5
"""Workers restore at random moments within this time, so that usually only one of them does the work."""

Restore = Callable[[ProjectStore], Awaitable[None]]
"""Creates the projects that the settings name. It is called when the store has lost all of its projects."""


class StoreEvents:
    """Reacts to the changes of the store that `StoreWatch` reports."""

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
        """Clear the caches, and make the client of every open inbox fetch the inbox and reconnect."""
        log.warning("store_replaced", store=store_name)
        self._control.clear_caches()
        await self._hub.start_over()
