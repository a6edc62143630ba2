"""Findings about the Redis servers of a gateway, which `doctor` prints.

`examine` reads what each server reports (`INFO`, its clock, its cluster), and pure functions judge the reports.
"""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.store.redis.client import FunctionClient
from gateway.store.redis.connection import RedisConnection, ReplyTimeoutError
from gateway.store.redis.library import Library
from gateway.store.redis.permissions import missing_cleaning_permissions, missing_permissions
from gateway.store.redis.problems import StoreRefusedError, store_error
from gateway.store.redis.protocol import ConnectionLostError, ReplyError, pack
from gateway.store.redis.router import unavailable
from gateway.store.redis.topology import Node, Topology

MIN_REDIS = (7, 0)
MIN_VALKEY = (8, 0)

MAX_CLOCK_SECONDS = 2.0
"""The greatest tolerable difference of clocks. Tokens and rate limits expire by the clocks of both machines."""

NEARLY_FULL = 0.9
FULL = 0.97
"""The share from which large writes are refused, because the server's own count leaves out some buffers."""

Info = Mapping[str, str]
"""The fields of a server's INFO reply by name."""


class Severity(Enum):
    """How serious a finding is."""

    FINE = "ok"
    WARNING = "WARNING"
    """The gateway works, but may fail later."""
    PROBLEM = "PROBLEM"
    """The gateway does not work, or will lose acknowledged data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    topic: str
    text: str
    severity: Severity = Severity.FINE


def _warning(topic: str, text: str) -> Finding:
    return Finding(topic, text, Severity.WARNING)


def _problem(topic: str, text: str) -> Finding:
    return Finding(topic, text, Severity.PROBLEM)


async def examine(client: FunctionClient) -> AsyncIterator[Finding]:
    """Yield the findings about every server of a client. Raises StoreUnavailableError."""
    try:
        async for finding in _examine(client.topology, client.library):
            yield finding
    except (ConnectionLostError, ReplyTimeoutError) as problem:
        raise unavailable(problem) from problem


async def _examine(topology: Topology, library: Library) -> AsyncIterator[Finding]:
    async for finding in _examine_sentinels(topology):
        yield finding
    if not topology.nodes:
        await topology.refresh()
    for node in topology.nodes:
        (reply,) = await node.connection.request(pack(("INFO",)))
        if isinstance(reply, ReplyError):
            problem = store_error(str(reply))
            if isinstance(problem, StoreRefusedError) and not str(reply).startswith("NOPERM"):
                raise problem
        else:
            lines = [line.partition(":") for line in reply.decode(errors="replace").splitlines()]
            info = {name: value for name, colon, value in lines if colon}
            for finding in judge(info, node.name, clustered=topology.clustered, replicated=topology.replicated):
                yield finding
        yield await _examine_clock(topology, node)
        missing = await missing_permissions(topology, node, library)
        if missing:
            yield _problem(
                "permissions", f"the user lacks {' '.join(missing)}: an administrator can add them with ACL SETUSER"
            )
        cleaning = await missing_cleaning_permissions(node)
        if cleaning:
            yield _warning(
                "libraries", f"those of old versions are not deleted, because the user lacks {' '.join(cleaning)}"
            )
        if topology.clustered:
            yield await _examine_cluster(node)


def judge(info: Info, name: str, *, clustered: bool, replicated: bool) -> Iterator[Finding]:
    """Yield the findings about one server, from its INFO reply."""
    yield _version(info, name)
    yield from _role(info, clustered=clustered, replicated=replicated)
    yield from _memory(info)
    yield _persistence(info)


def _version(info: Info, name: str) -> Finding:
    if "valkey_version" in info:
        kind, version, least = "valkey", info["valkey_version"], MIN_VALKEY
    else:
        kind, version, least = info.get("server_name", "redis"), info.get("redis_version", "0"), MIN_REDIS
    text = f"{kind} {version} {name}".rstrip()
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < least:
        return _problem("server", f"{text} is too old: {kind} {least[0]}.{least[1]} or newer is needed")
    return Finding("server", text)


def _role(info: Info, *, clustered: bool, replicated: bool) -> Iterator[Finding]:
    if info.get("role") == "slave":
        yield _problem("role", "a replica, which accepts no writes: name the primary, or use redis+sentinel://")
    if info.get("loading") == "1":
        yield _problem("role", "it is still loading its data")
    if info.get("cluster_enabled") == "1" and not clustered:
        yield _problem("role", "a node of a cluster: write redis+cluster://host:port in INBOX_REDIS_URL")
    if replicated and info.get("connected_slaves", "0") == "0":
        yield _problem("replicas", "none, and INBOX_DURABILITY=replica refuses every write without one")


def _memory(info: Info) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    shown = f"{_megabytes(used)} used of {_megabytes(most) if most else 'unlimited'}, {policy}"
    if policy != "noeviction":
        consequence = "it deletes inboxes when it is full" if most else "it deletes inboxes once maxmemory is set"
        yield (_problem if most else _warning)(
            "memory", f"{shown}: {consequence}: `CONFIG SET maxmemory-policy noeviction`"
        )
    elif most and used >= FULL * most:
        yield _problem("memory", f"{shown}: full, so writes are refused; raise maxmemory, or set a retention of items")
    elif most and used >= NEARLY_FULL * most:
        yield _warning("memory", f"{shown}: nearly full; raise maxmemory, or set a retention of items")
    else:
        yield Finding("memory", shown)


def _persistence(info: Info) -> Finding:
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return _problem("durability", "the append-only file cannot be written: is the disk full?")
        if info.get("aof_last_bgrewrite_status", "ok") != "ok":
            return _warning("durability", "the append-only file could not be rewritten lately: is the disk full?")
        return Finding("durability", "append-only file")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return _problem("durability", "the last snapshot failed, and there is no append-only file")
    return _problem("durability", "NO append-only file: a restart loses data; `CONFIG SET appendonly yes`")


async def _examine_clock(topology: Topology, node: Node) -> Finding:
    before = time.time()
    (reply,) = await node.connection.request(pack(("TIME",)))
    middle = (before + time.time()) / 2
    if isinstance(reply, ReplyError):
        return _warning("clock", "not known: the server does not allow TIME")
    return judge_clock(int(reply[0]) + int(reply[1]) / 1_000_000 - middle)


def judge_clock(ahead_seconds: float) -> Finding:
    """Return the finding about a server whose clock is ahead of this machine's by some seconds."""
    if abs(ahead_seconds) <= MAX_CLOCK_SECONDS:
        return Finding("clock", "in step with the server's")
    way = "ahead of" if ahead_seconds > 0 else "behind"
    return _problem("clock", f"the server's is {abs(ahead_seconds):.1f} s {way} this machine's: synchronise both")


async def _examine_cluster(node: Node) -> Finding:
    (reply,) = await node.connection.request(pack(("CLUSTER", "INFO")))
    if isinstance(reply, ReplyError):
        return _warning("cluster", f"{node.name} does not allow CLUSTER INFO")
    state = dict(line.split(":", 1) for line in reply.decode().split() if ":" in line)
    missing = 16384 - int(state.get("cluster_slots_ok", 0))
    if state.get("cluster_state") != "ok" or missing:
        return _problem("cluster", f"{node.name} reports {state.get('cluster_state')}; {missing} slots are not served")
    return Finding("cluster", f"{state.get('cluster_size')} primaries serve every slot, as {node.name} reports")


async def _examine_sentinels(topology: Topology) -> AsyncIterator[Finding]:
    for name, make_connection in topology.sentinels:
        connection = RedisConnection(make_connection, topology.timeout_seconds)
        try:
            (reply,) = await connection.request(pack(("SENTINEL", "CKQUORUM", topology.service)))
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            yield _warning("sentinel", f"{name} cannot be reached: {problem}")
            continue
        finally:
            connection.close()
        if isinstance(reply, ReplyError):
            yield _warning("sentinel", f"{name}: {reply}")
        else:
            yield Finding("sentinel", f"{name}: {reply.decode(errors='replace')}")


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MB"
