"""Publishing later what the server did not let a function publish.

A function whose publishing is refused has done its work all the same, and reports that in its reply. The user is noted
here. Once publishing works again, a message makes every node read the log of that user.
"""

import asyncio
import contextlib
from itertools import islice

from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient, StoreUnavailableError
from gateway.telemetry.logs import log

RETRY_SECONDS = 0.25


class DeferredPublications:
    """Users whose open inboxes have yet to read the log for an unpublished event. `run` must be running."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._waiting: dict[str, None] = {}
        self._noted = asyncio.Event()

    def note(self, key: str) -> None:
        """Note that an event of a user was not published; `key` is the user's."""
        if not self._waiting:
            log.warning("publish_refused")
        self._waiting[key] = None
        self._noted.set()

    async def run(self) -> None:
        """Publish what is noted, until cancelled."""
        while True:
            await self._noted.wait()
            self._noted.clear()
            while self._waiting:
                with contextlib.suppress(StoreUnavailableError):
                    await self._publish_some()
                    continue
                await asyncio.sleep(RETRY_SECONDS)

    async def _publish_some(self) -> None:
        some = list(islice(self._waiting, CALLS_AT_ONCE))
        await self._client.commands(*(("SPUBLISH", key, RESYNC_MESSAGE) for key in some))
        for key in some:
            del self._waiting[key]
