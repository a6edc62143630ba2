"""The deletion of users: their data in their own slots, and their subscriptions and tokens in the project's slot."""

from collections.abc import Sequence

from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.channel_tokens import ANY_CLAIM, RELEASE_TOKEN
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, untouched, writing_function
from gateway.store.subscriptions import REMOVE_SUBSCRIBER

TOMBSTONE_SECONDS = 24 * 3600
"""How long the record that a user was deleted is kept: far longer than any cache entry."""

DELETED_MESSAGE = b"!deleted"
"""The message that is published instead of an event when a user is deleted. No position begins with `!`."""


def _delete_user(tombstone_seconds: int) -> Arguments:
    return (tombstone_seconds,)


DELETE_USER = writing_function("delete_user", "user", _delete_user, untouched, frees_memory=True)


class UserDeletion:
    """Deletes users. Methods raise StoreUnavailableError; repeating the call then completes the deletion."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def delete(self, user: User) -> None:
        """Delete a user's data, close its open inboxes on every node, and release its channel tokens and topics.

        The directory still has the user's names: call `Directory.forget` afterwards.
        """
        await self._forget_owner(user)
        topics, tokens = await self._client.call(DELETE_USER(keys.user(user.project_id, user.id), TOMBSTONE_SECONDS))
        if topics:
            await self._client.call(REMOVE_SUBSCRIBER(keys.directory(user.project_id), user.id, "", topics))
        holders = keys.token_holders(user.project_id)
        await self._client.call_many([RELEASE_TOKEN(holders, token, user.id, ANY_CLAIM) for token in tokens])

    async def _forget_owner(self, user: User) -> None:
        """Delete the records by which ids of tokens lead to the user. Otherwise they would expire with the tokens."""
        issued = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["TOKENS"]
        ids = [each.decode() for each in await self._client.command("ZRANGE", issued, 0, -1)]
        if ids:
            await self._client.commands(*(("UNLINK", keys.token_owner(user.project_id, each)) for each in ids))

    async def delete_many(self, users: Sequence[User]) -> None:
        """Delete the data in several users' slots and close their open inboxes, in one round trip.

        Their data in the project's slot stays, because this is for projects that are deleted as a whole.
        """
        await self._client.call_many(
            [DELETE_USER(keys.user(user.project_id, user.id), TOMBSTONE_SECONDS) for user in users]
        )
