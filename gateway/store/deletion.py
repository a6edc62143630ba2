"""Deleting users: everything in a user's slot, and the subscriptions and devices in the project's slot."""

from collections.abc import Sequence

from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.devices import RELEASE_DEVICE
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, untouched, writing_function
from gateway.store.subscriptions import REMOVE_SUBSCRIBER

TOMBSTONE_SECONDS = 24 * 3600
"""How long a deleted user's id is known as such: far longer than any cache remembers it."""

DELETED_MESSAGE = b"!deleted"
"""What is published in place of an event when a user is deleted: `!` begins no position."""

ANY_CLAIM = 2**53
"""Later than any claim of a device."""


def _delete_user(tombstone_seconds: int) -> Arguments:
    return (tombstone_seconds,)


DELETE_USER = writing_function("delete_user", "user", _delete_user, untouched, frees_memory=True)


class UserDeletion:
    """Deletes users. Methods raise StoreUnavailableError; repeating a call completes what was begun."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def delete(self, user: User) -> None:
        """Delete everything in a user's slot, close its open inboxes on every node, and release its devices and topics.

        The directory still knows the user's names: call `Directory.forget` afterwards.
        """
        topics, devices = await self._client.call(DELETE_USER(keys.user(user.project_id, user.id), TOMBSTONE_SECONDS))
        if topics:
            await self._client.call(REMOVE_SUBSCRIBER(keys.directory(user.project_id), user.id, "", topics))
        holders = keys.device_holders(user.project_id)
        await self._client.call_many([RELEASE_DEVICE(holders, token, user.id, ANY_CLAIM) for token in devices])

    async def delete_many(self, users: Sequence[User]) -> None:
        """Delete everything in several users' slots and close their open inboxes, in one round trip.

        What the project's slot holds of them stays: this is for a project that is deleted as a whole.
        """
        await self._client.call_many(
            [DELETE_USER(keys.user(user.project_id, user.id), TOMBSTONE_SECONDS) for user in users]
        )
