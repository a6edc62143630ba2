"""What the event log of a user tells of an item that is gone."""

from gateway.domain.guard import UNGUARDED
from gateway.domain.notification import ItemId
from gateway.domain.principal import User
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, optional_bytes, user_reading_function


def _find(item_id: bytes) -> Arguments:
    return (item_id,)


FIND_DELETION = user_reading_function("find_deletion", _find, optional_bytes)


class ItemHistory:
    """The event logs of all users, searched for one item. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._functions = UserFunctions(client)

    async def deleted_ms(self, user: User, item_id: ItemId) -> int | None:
        """Return the unix ms at which an item was deleted, None if the log does not tell it, or not any more.

        What retention removes is deleted, too. Raises UserDeletedError.
        """
        head = await self._functions.read(user, UNGUARDED, FIND_DELETION(item_id))
        return int(head.split(b" ")[1]) if head is not None else None
