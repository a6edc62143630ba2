"""How often someone has lately tried a password, by network and by account.

Anybody can use up the tries of an account. So an admin has tries apart from all others in the networks from which this
admin has signed in before: no stranger can lock the admin out of them.
"""

import hashlib
from typing import NamedTuple

from gateway.store import keys
from gateway.store.redis.client import FunctionClient


class TryLimit(NamedTuple):
    """How many failed tries a subject has in some seconds. The subjects are of a kind, such as "address"."""

    kind: str
    most: int
    seconds: int


BY_ADDRESS = TryLimit("address", 5, 60)
BY_ACCOUNT = TryLimit("account", 10, 3600)
BY_KNOWN_NETWORK = TryLimit("known", 10, 3600)

KNOWN_SECONDS = 90 * 24 * 3600
"""For how long a network is known to be an admin's after a sign-in."""

ENTRIES_OF_UNKNOWN = TryLimit("entries", 20, 60)
"""How many tries for accounts that do not exist are in the audit log, so that they do not drive all others out."""


class Count(NamedTuple):
    """How many tries there were, this one included, and in how many seconds they are forgotten."""

    tries: int
    seconds_left: int


class AdminTries:
    """Counts tries. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient):
        self._client = client

    async def count(self, limit: TryLimit, subject: str) -> Count:
        """Count a try. Tries at the same time are counted too, so it is counted before its outcome is known."""
        key = _key(limit, subject)
        _, tries, left = await self._client.commands(
            ("SET", key, 0, "NX", "EX", limit.seconds), ("INCR", key), ("TTL", key)
        )
        if left < 0 or left > limit.seconds:
            left = limit.seconds
            await self._client.command("EXPIRE", key, left)
        return Count(tries, max(1, left))

    async def forgive(self, limit: TryLimit, subject: str) -> None:
        """Take back a counted try that succeeded."""
        key = _key(limit, subject)
        if await self._client.command("DECR", key) <= 0:
            await self._client.command("UNLINK", key)

    async def remember(self, account: str, network: str) -> None:
        """Record that the admin of an account has signed in from a network."""
        await self._client.command("SET", _network_key(account, network), 1, "EX", KNOWN_SECONDS)

    async def knows(self, account: str, network: str) -> bool:
        """Return whether the admin of an account has lately signed in from a network."""
        return bool(await self._client.command("EXISTS", _network_key(account, network)))


def _key(limit: TryLimit, subject: str) -> str:
    return keys.admin_tries(f"{limit.kind}:{_digest(subject)}")


def _network_key(account: str, network: str) -> str:
    return keys.admin_network(_digest(f"{account} {network}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
