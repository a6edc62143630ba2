"""Telling open inboxes of events that the store has kept but did not let us publish.

A function whose publishing is refused has done its work all the same, and says so. The user is noted here, and when
publishing works again every node is told to read the log of that user.
"""

import asyncio
import contextlib
from itertools import islice

from gateway.store.inbox import RESYNC_MESSAGE
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient, StoreUnavailableError
from gateway.telemetry.logs import log

RETRY_SECONDS = 0.25


class Reminders:
    """Users whose open inboxes have to be told to read. `run` must be running."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._waiting: dict[str, None] = {}
        self._noted = asyncio.Event()

    def note(self, key: str) -> None:
        """Note that an event of a user was not published."""
        if not self._waiting:
            log.warning("publish_refused")
        self._waiting[key] = None
        self._noted.set()

    async def run(self) -> None:
        """Tell who is noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            while self._waiting:
                with contextlib.suppress(StoreUnavailableError):
                    await self._tell_some()
                    continue
                await asyncio.sleep(RETRY_SECONDS)

    async def _tell_some(self) -> None:
        some = list(islice(self._waiting, CALLS_AT_ONCE))
        await self._client.commands(*(("SPUBLISH", key, RESYNC_MESSAGE) for key in some))
        for key in some:
            del self._waiting[key]
