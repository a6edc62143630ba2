"""The sign-in of admins, while somebody changes the password."""

import msgspec
import pytest

from gateway.auth.admins import AdminAuthenticator, Client
from gateway.auth.passwords import PasswordHasher
from gateway.domain.admin import EVERY_WORKSPACE, Role
from gateway.domain.errors import ApiError
from gateway.store.admin_sessions import AdminSessionStore
from gateway.store.admin_tries import AdminTries
from gateway.store.admins import AdminStore
from gateway.store.redis.client import FunctionClient


class SlowHasher(PasswordHasher):
    """Finds that a password matches, but so late that it is another one's by then."""

    def __init__(self, admins: AdminStore):
        super().__init__()
        self._admins = admins

    async def matches(self, password: str, stored: str, *, is_known: bool = False) -> bool:
        """Change the password of the admin after it has matched."""
        (record,) = [each for each in await self._admins.all() if each.password == stored]
        await self._admins.change(record.id, lambda before: msgspec.structs.replace(before, password="another"))
        return True


async def test_a_password_that_is_changed_during_a_sign_in_begins_no_session(client: FunctionClient) -> None:
    admins, sessions = AdminStore(client), AdminSessionStore(client)
    authenticator = AdminAuthenticator(admins, sessions, AdminTries(client), SlowHasher(admins))
    record = await admins.create("late@example.com", "", {EVERY_WORKSPACE: Role.VIEWER}, password="one")
    with pytest.raises(ApiError) as refused:
        await authenticator.login("late@example.com", "any", Client("192.0.2.77", "Firefox"))
    assert refused.value.status == 401
    assert await sessions.of_admin(record.id) == []
    await admins.remove(record.id)
