"""Faults in which Redis replies with errors: it refuses commands, is full, or has values of a wrong type.

Each of them restores Redis at its end, so that the same promises apply as for any other fault: an acknowledged write is
stored, once and in order. Writes are repeated until they are acknowledged. They fail while a user's record is broken.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator

import httpx
import redis

from gateway.store import keys
from loadtest.check.redis_proxy import Choose, Command, When
from loadtest.check.topologies import HEALED_SECONDS, SingleTopology
from loadtest.servers.gateway import ADMIN, Gateway

_EMPTY_DATABASE = 9

_ERRORS = (
    *(b"-NOAUTH Authentication required.", b"-WRONGPASS invalid username-password pair or user is disabled."),
    *(b"-NOPERM this user has no permissions", b"-WRONGTYPE Operation against a key holding the wrong kind of value"),
    *(b"-MISCONF Errors writing to the AOF file", b"-OOM command not allowed when used memory > 'maxmemory'."),
    *(b"-READONLY You can't write against a read only replica.", b"-BUSY Redis is busy running a script."),
    *(b"-CROSSSLOT Keys in request don't hash to the same slot", b"-LOADING Redis is loading the dataset in memory"),
    *(b"-MASTERDOWN Link with MASTER is down", b"-CLUSTERDOWN The cluster is down", b"-TRYAGAIN later"),
    *(b"-MOVED 1 127.0.0.1:1", b"-ASK 1 127.0.0.1:1", b"-NOREPLICAS Not enough good replicas to write."),
    *(b"-ERR Function not found", b"-NOSCRIPT none", b"-UNKILLABLE busy", b"-EXECABORT", b"-NOTHING that is known"),
    *(b"-ERR upstream failure", b"-", b"-no word of its own", b"-ERR max number of clients reached"),
    b"-BROKEN a record",
)
"""Errors of Redis, or of a proxy in front of it."""

_BROKEN = ("", *(keys.USER_SUFFIXES[name] for name in ("LOG", "STATES", "ITEMS")), f"{keys.USER_SUFFIXES['INBOX']}*")
"""The suffixes of a user's keys that are broken. Nearly every write needs them."""


async def redis_errors(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis replies with errors of all kinds, to some commands or to all, executed or not."""
    end = asyncio.get_running_loop().time() + seconds
    try:
        while asyncio.get_running_loop().time() < end:
            topology.back.choose = _some_fail(choice)
            await asyncio.sleep(choice.uniform(0.1, seconds / 4))
            if choice.random() < 0.3:
                topology.back.cut()
    finally:
        topology.back.choose = lambda command: None


def _some_fail(choice: random.Random) -> Choose:
    names = choice.choice(((b"FCALL",), (b"SPUBLISH",), (b"SSUBSCRIBE", b"SUNSUBSCRIBE"), (b"FUNCTION",), ()))
    share, when = choice.choice((0.02, 0.3, 1.0)), choice.choice(tuple(When))
    # An error with a code of Redis means that the command was not executed.
    error = b"-ERR upstream failure" if when is When.AFTERWARDS else choice.choice(_ERRORS)

    def choose(command: Command) -> tuple[When, bytes] | None:
        if (names and command[0] not in names) or choice.random() > share:
            return None
        return (When.INSTEAD if command[0].endswith(b"SUBSCRIBE") else when), error

    return choose


@contextlib.contextmanager
def _admin(topology: SingleTopology) -> Iterator[redis.Redis]:
    """Open a connection that works while others are refused, and restore everything afterwards."""
    with redis.Redis(port=topology.redis.port, socket_timeout=HEALED_SECONDS, single_connection_client=True) as admin:
        admin.execute_command("ACL", "SETUSER", "checker", "on", "nopass", "+@all", "~*", "&*")
        admin.execute_command("AUTH", "checker", "")
        try:
            yield admin
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*", "&*")
            admin.config_set("maxmemory", "0")
            admin.config_set("min-replicas-to-write", "0")


async def permission_lost(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """The access list of Redis forbids a command or keys that the gateway needs, one after the other."""
    rules = [("-fcall",), ("-spublish",), ("-ssubscribe",), ("resetkeys",), ("-xadd",), ("nocommands",)]
    with _admin(topology) as admin:
        for rule in choice.sample(rules, 3):
            await asyncio.to_thread(admin.execute_command, "ACL", "SETUSER", "default", *rule)
            if choice.random() < 0.5:
                await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(seconds / 3)
            await asyncio.to_thread(
                admin.execute_command, "ACL", "SETUSER", "default", "on", "nopass", "+@all", "~*", "&*"
            )


async def password_changed(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis requires another password than the gateway has, and closes every connection."""
    with _admin(topology) as admin:
        await asyncio.to_thread(admin.execute_command, "ACL", "SETUSER", "default", "resetpass", ">another")
        await asyncio.to_thread(admin.execute_command, "CLIENT", "KILL", "SKIPME", "yes")
        await asyncio.sleep(seconds)


async def redis_full(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis has reached its maxmemory. Deleting and marking succeed, and sending is repeated."""
    with _admin(topology) as admin:
        await asyncio.to_thread(admin.config_set, "maxmemory", "1")
        await asyncio.sleep(seconds)


async def replicas_lost(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis refuses writes, because it has fewer replicas than required."""
    with _admin(topology) as admin:
        await asyncio.to_thread(admin.config_set, "min-replicas-to-write", "1")
        await asyncio.sleep(seconds)


async def redis_busy(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A script keeps Redis busy, so that it replies with BUSY to everything."""
    with _admin(topology) as admin, redis.Redis(port=topology.redis.port, socket_timeout=HEALED_SECONDS) as other:
        await asyncio.to_thread(admin.config_set, "busy-reply-threshold", "50")
        script = asyncio.create_task(asyncio.to_thread(other.eval, "while true do end", 0))
        await asyncio.sleep(seconds)
        await asyncio.to_thread(admin.execute_command, "SCRIPT", "KILL")
        with contextlib.suppress(redis.RedisError):
            await script


async def record_broken(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """A key of a user has a value of a wrong type for a while, then a key of another user, three in all."""
    with _admin(topology) as admin:
        for _ in range(3):
            pattern = f"{keys.PREFIX}{{*:*}}{choice.choice(_BROKEN)}"
            found = await asyncio.to_thread(_keys_like, admin, pattern)
            async with _aside(admin, choice.choice(found)):
                await asyncio.sleep(seconds / 3)


def _keys_like(admin: redis.Redis, pattern: str) -> list[bytes]:
    return sorted(admin.scan_iter(pattern, count=1000))


@contextlib.asynccontextmanager
async def _aside(admin: redis.Redis, key: bytes) -> AsyncIterator[None]:
    # The name has the same hash tag, for a cluster, and the gateway does not use it.
    aside, other = key + b":aside", "string" if admin.type(key) != b"string" else "list"

    def swap() -> None:
        with admin.pipeline() as steps:
            steps.rename(key, aside)
            steps.set(key, "garbage") if other == "string" else steps.lpush(key, "garbage")
            steps.execute()

    def swap_back() -> None:
        with admin.pipeline() as steps:
            steps.delete(key)
            steps.rename(aside, key)
            steps.execute()

    await asyncio.to_thread(swap)
    try:
        yield
    finally:
        await asyncio.to_thread(swap_back)


async def store_emptied(topology: SingleTopology, choice: random.Random, seconds: float) -> None:
    """Redis is empty for a while, as after FLUSHALL, until its data is restored, as from a backup.

    Writes to the empty store would be lost, so no client may reach a gateway meanwhile. The fault sends requests to the
    gateways directly. None may be refused with a final error.
    """
    topology.front.refusing = True
    topology.front.cut()
    try:
        with _admin(topology) as admin:
            await asyncio.to_thread(admin.execute_command, "SWAPDB", 0, _EMPTY_DATABASE)
            try:
                end = asyncio.get_running_loop().time() + seconds
                while asyncio.get_running_loop().time() < end:
                    await asyncio.gather(*(_assert_no_final_refusal(gateway) for gateway in topology.gateways))
                    await asyncio.sleep(0.05)
            finally:
                await asyncio.to_thread(admin.execute_command, "SWAPDB", 0, _EMPTY_DATABASE)
                await asyncio.to_thread(admin.execute_command, "SELECT", _EMPTY_DATABASE)
                await asyncio.to_thread(admin.flushdb)
                await asyncio.to_thread(admin.execute_command, "SELECT", 0)
            # Until they detect the restored store, their caches are those of the empty one.
            await asyncio.gather(*(_until_ready(gateway) for gateway in topology.gateways))
            await asyncio.sleep(2)
    finally:
        topology.front.refusing = False


async def _assert_no_final_refusal(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.url, timeout=5) as http:
        response = await http.get("/broadcasts", headers=ADMIN)
        assert response.status_code not in (401, 403, 500), f"an empty store: {response.status_code} {response.text}"


async def _until_ready(gateway: Gateway) -> None:
    async with asyncio.timeout(HEALED_SECONDS):
        while not await asyncio.to_thread(gateway.ready):
            await asyncio.sleep(0.05)
