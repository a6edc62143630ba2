"""What the gateway has recorded of deliveries, read as its own operations read it."""

from collections.abc import Sequence
from uuid import UUID

from gateway.domain.delivery import DeliveryState, Known, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.settings import Settings
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.contents import ContentStore
from gateway.store.library import LIBRARY
from gateway.store.outbox import OutboxStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from loadtest.check.deliveries.projects import CheckedProject
from loadtest.check.deliveries.verdict import Expected, has_ended
from loadtest.providers import replies

_ROUTES = {
    replies.FCM.name: Route.FCM,
    replies.SENDGRID.name: Route.EMAIL,
    replies.TWILIO.name: Route.SMS,
    replies.SLACK.name: Route.SLACK,
}


class DeliveryStates:
    """Reads the records of deliveries from a Redis. Close it at the end."""

    def __init__(self, redis_url: str):
        self._client = FunctionClient(Topology(Settings(redis_url=redis_url, redis_timeout_seconds=10)), LIBRARY)
        self._outbox = OutboxStore(self._client, ContentStore(self._client), ChannelTokenStore(self._client))

    async def read(
        self, project: CheckedProject, user: str, notification_id: str, expected: Sequence[Expected]
    ) -> dict[str, DeliveryState]:
        """Return the states of deliveries of a notification by destination, without those that have no entry.

        The state of an entry is that of its working token. A dead token ends with the entry.
        """
        recipient = User(ProjectId(project.id), UserId(project.users[user]), user, None)
        found = await self._outbox.read(recipient, ItemId(UUID(notification_id).bytes))
        entries = {} if found is None else {known.route: known for known in found.entries}
        states = {}
        for each in expected:
            known = entries.get(_ROUTES[each.key.provider])
            if known is not None:
                state = _state(known)
                states[each.key.destination] = DeliveryState.DEAD if each.is_dead and has_ended(state) else state
        return states

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _state(known: Known) -> DeliveryState:
    return DeliveryState.SCHEDULED if known.record is None else known.record.state
