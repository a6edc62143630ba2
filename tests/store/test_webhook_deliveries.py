"""Which deliveries of providers were processed."""

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.webhook_deliveries import KEPT_SECONDS, WebhookDeliveries, digest_of
from tests.store.conftest import InspectedClient, new_user


async def test_a_delivery_is_done_once_it_is_recorded_for_its_project_and_integration(client: InspectedClient) -> None:
    deliveries, project = WebhookDeliveries(client), new_user().project_id
    assert not await deliveries.is_done(project, "github", "1")
    await deliveries.record(project, "github", "1")
    assert await deliveries.is_done(project, "github", "1")
    assert not await deliveries.is_done(project, "github", "2")
    assert not await deliveries.is_done(project, "stripe", "1")
    assert not await deliveries.is_done(ProjectId(f"{project}x"), "github", "1")
    key = keys.webhook_delivery(project, digest_of("github", "1"))
    assert 0 < await client.redis.ttl(key) <= KEPT_SECONDS
