"""The deliveries of providers that were processed, so that a repeated one does nothing twice.

An idempotency record makes a delivery happen once while it is processed, even if the process dies in between. It lasts
a day. What this module records lasts longer, because a captured request of a provider without timestamps could be sent
again at any time.
"""

import hashlib

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient

KEPT_SECONDS = 30 * 24 * 3600


class WebhookDeliveries:
    """The processed deliveries of all projects. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def is_done(self, project_id: ProjectId, integration: str, delivery_id: str) -> bool:
        """Return whether a delivery was processed."""
        return await self._client.command("GET", _key(project_id, integration, delivery_id)) is not None

    async def record(self, project_id: ProjectId, integration: str, delivery_id: str) -> None:
        """Record that a delivery was processed."""
        await self._client.command("SET", _key(project_id, integration, delivery_id), "1", "EX", KEPT_SECONDS)


def _key(project_id: ProjectId, integration: str, delivery_id: str) -> str:
    return keys.webhook_delivery(project_id, digest_of(integration, delivery_id))


def digest_of(integration: str, delivery_id: str) -> str:
    """Return a short name for a delivery, whatever the provider's id is."""
    return hashlib.sha256(f"{integration} {delivery_id}".encode()).hexdigest()[:32]
