"""The installations of users: what a user set up at a provider, with secrets encrypted as those of integrations."""

import secrets
from collections.abc import Mapping
from typing import Any

from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.configurations import Configuration, ConfigurationCodec
from gateway.store.errors import TooManyError
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import Arguments, optional_bytes, user_function, user_reading_function

MAX_INSTALLATIONS = 100
"""The maximum number of installations of a user, of all kinds together: more than a person sets up."""


def _replace(name: str, before: bytes, record: bytes) -> Arguments:
    return (name, before, record, MAX_INSTALLATIONS)


def _read(name: str) -> Arguments:
    return (name,)


REPLACE_INSTALLATION = user_function("replace_installation", _replace, int)
READ_INSTALLATION = user_reading_function("read_installation", _read, optional_bytes)


def _place(user: User, name: str) -> str:
    return f"{user.project_id} {user.id} {name}"


class InstallationStore:
    """The installations of users by name: a kind, perhaps with the name of what was installed where.

    Methods raise StoreUnavailableError, and the exceptions of UserFunctions.
    """

    def __init__(self, client: FunctionClient, secret_key: str):
        self._client = client
        self._functions = UserFunctions(client)
        self._codec = ConfigurationCodec(secret_key)

    async def read(self, user: User, name: str, guard: Guard = UNGUARDED) -> Configuration | None:
        """Return an installation, None if there is none."""
        raw = await self._functions.read(user, guard, READ_INSTALLATION(name))
        return None if raw is None else self._codec.decode(raw, _place(user, name))

    async def read_all(self, user: User) -> dict[str, Configuration]:
        """Return all installations of a user by name: MAX_INSTALLATIONS at most."""
        key = keys.user(user.project_id, user.id) + keys.USER_SUFFIXES["INSTALLATIONS"]
        flat = await self._client.command("HGETALL", key)
        names = [name.decode(errors="replace") for name in flat[::2]]
        return {name: self._codec.decode(raw, _place(user, name)) for name, raw in zip(names, flat[1::2], strict=True)}

    async def replace(
        self,
        user: User,
        name: str,
        values: Mapping[str, Any],
        secret_paths: tuple[str, ...],
        before: Configuration | None,
        guard: Guard = UNGUARDED,
    ) -> Configuration | None:
        """Save an installation in place of the one that was read before, and return it.

        Return None if the saved one has changed since. Raises TooManyError.
        """
        config_id = before.id if before is not None else secrets.token_hex(8)
        record = self._codec.encode(config_id, values, secret_paths, _place(user, name))
        call = REPLACE_INSTALLATION(name, before=before.raw if before is not None else b"", record=record)
        written = await self._functions.call(user, guard, call)
        if written < 0:
            raise TooManyError("installations", MAX_INSTALLATIONS)
        return self._codec.decode(record, _place(user, name)) if written else None
