"""Deferred publications: events that a function wrote but could not publish, because the server refused that.

The function's other writes are kept, and its reply reports the refusal. The user is recorded here. Once publishing
works again, a message makes every node read the log of that user.
"""

import asyncio
import contextlib
from itertools import islice

from gateway.store.event_log import RESYNC_MESSAGE
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient, StoreUnavailableError
from gateway.telemetry.logs import log

RETRY_SECONDS = 0.25


class DeferredPublications:
    """The users with an unpublished event, whose open inboxes must read the log. `run` must be running."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._waiting: dict[str, None] = {}
        self._noted = asyncio.Event()

    def note(self, key: str) -> None:
        """Record that an event of a user was not published. `key` is the user's key."""
        if not self._waiting:
            log.warning("publish_refused")
        self._waiting[key] = None
        self._noted.set()

    async def run(self) -> None:
        """Publish a resync message for each recorded user, until cancelled."""
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
