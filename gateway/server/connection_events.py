"""Publishes the events of this worker's connections to those who watch them. It does nothing while nobody does."""

import asyncio

from gateway.live.figures import LiveFigures
from gateway.store import connection_tails
from gateway.store.connection_tails import ConnectionBatch
from gateway.store.redis.client import FunctionClient, StoreUnavailableError

PUBLISH_SECONDS = 0.1
"""How long an event waits for others, which are published with it."""


class ConnectionEventPublisher:
    """Publishes events. `run` must be running."""

    def __init__(self, client: FunctionClient, figures: LiveFigures):
        self._client = client
        self._figures = figures

    async def run(self) -> None:
        """Publish what is noted, until cancelled."""
        while True:
            await self._figures.noted.wait()
            await asyncio.sleep(PUBLISH_SECONDS)
            await self.publish()

    async def publish(self) -> None:
        """Publish what was noted. What cannot be published counts as dropped."""
        for project_id, (events, dropped) in self._figures.take_events().items():
            try:
                await connection_tails.publish(self._client, project_id, ConnectionBatch(events, dropped))
            except StoreUnavailableError:
                self._figures.drop(project_id, len(events) + dropped)
