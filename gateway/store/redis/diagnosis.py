"""Findings about the Redis servers of a gateway, which `doctor` prints.

`examine` reads what each server reports (`INFO`, its clock, its cluster), and pure functions judge the reports.
"""

import time
from collections.abc import AsyncIterator, Iterator, Mapping

from gateway.domain.finding import Finding, advice, problem, warning
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

NEARLY_FULL = 0.8
FULL = 0.97
"""The share from which large writes are refused, because the server's own count leaves out some buffers."""

MAX_CLIENTS_SHARE = 0.8
MAX_REPLICA_LAG_SECONDS = 10
"""A replica acknowledges every second."""

_NOEVICTION = "`CONFIG SET maxmemory-policy noeviction`, and the same in its configuration file"
_ROOM = "raise maxmemory, or keep fewer notifications (`project set --item-retention-…`)"

Info = Mapping[str, str]
"""The fields of a server's INFO reply by name."""


async def examine(client: FunctionClient) -> AsyncIterator[Finding]:
    """Yield the findings about every server of a client. Raises StoreUnavailableError."""
    try:
        async for finding in _examine(client.topology, client.library):
            yield finding
    except (ConnectionLostError, ReplyTimeoutError) as lost:
        raise unavailable(lost) from lost


async def _examine(topology: Topology, library: Library) -> AsyncIterator[Finding]:
    async for finding in _examine_sentinels(topology):
        yield finding
    if not topology.nodes:
        await topology.refresh()
    for node in topology.nodes:
        async for finding in _examine_reports(topology, node):
            yield finding
        yield await _examine_clock(topology, node)
        missing = await missing_permissions(topology, node, library)
        if missing:
            yield problem(
                "permissions", f"the user lacks {' '.join(missing)}", "an administrator adds them: ACL SETUSER"
            )
        cleaning = await missing_cleaning_permissions(node)
        if cleaning:
            yield warning(
                "libraries",
                f"those of old versions are not deleted, because the user lacks {' '.join(cleaning)}",
                "an administrator adds them: ACL SETUSER",
            )
        if topology.clustered:
            yield await _examine_cluster(node)


async def _examine_reports(topology: Topology, node: Node) -> AsyncIterator[Finding]:
    """Yield what a server's INFO and its configuration of the append-only file say."""
    (reply,) = await node.connection.request(pack(("INFO",)))
    if isinstance(reply, ReplyError):
        refusal = store_error(str(reply))
        if isinstance(refusal, StoreRefusedError) and not str(reply).startswith("NOPERM"):
            raise refusal
        text = f"{node.name} does not allow INFO: its version, memory, durability and replicas are not checked"
        yield warning("server", text, "allow it with ACL SETUSER (`+info`), or check them yourself")
        return
    lines = [line.partition(":") for line in reply.decode(errors="replace").splitlines()]
    info = {name: value for name, colon, value in lines if colon}
    for finding in judge(info, node.name, clustered=topology.clustered, replicated=topology.replicated):
        yield finding
    if info.get("aof_enabled") == "1":
        (reply,) = await node.connection.request(pack(("CONFIG", "GET", "appendfsync")))
        known = not isinstance(reply, ReplyError) and len(reply) > 1
        if (finding_of_sync := judge_sync(reply[1].decode(errors="replace") if known else "")) is not None:
            yield finding_of_sync


def judge(info: Info, name: str, *, clustered: bool, replicated: bool) -> Iterator[Finding]:
    """Yield the findings about one server, from its INFO reply."""
    yield _version(info, name)
    yield from _role(info, clustered=clustered, replicated=replicated)
    yield from _memory(info)
    yield _persistence(info)
    yield from _replicas(info, replicated=replicated)
    yield from _clients(info)


def judge_sync(policy: str) -> Finding | None:
    """Return the finding about `appendfsync`, "" if it is not known. None if it is in order."""
    if policy == "no":
        text = "appendfsync no: a crash of its machine loses what was written in the last half minute"
        return problem("durability", text, "`CONFIG SET appendfsync everysec`, and the same in its configuration file")
    if not policy:
        text = "appendfsync is not known: the server does not allow CONFIG GET"
        return advice("durability", text, "make sure that it is everysec or always")
    return None


def _version(info: Info, name: str) -> Finding:
    if "valkey_version" in info:
        kind, version, least = "valkey", info["valkey_version"], MIN_VALKEY
    else:
        kind, version, least = info.get("server_name", "redis"), info.get("redis_version", "0"), MIN_REDIS
    text = f"{kind} {version} {name}".rstrip()
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < least:
        return problem("server", f"{text} is too old", f"{kind} {least[0]}.{least[1]} or newer is needed")
    return Finding("server", text)


def _role(info: Info, *, clustered: bool, replicated: bool) -> Iterator[Finding]:
    if info.get("role") == "slave":
        yield problem("role", "a replica, which accepts no writes", "name the primary, or use redis+sentinel://")
        if info.get("master_link_status", "up") != "up":
            yield problem("replicas", "this replica has lost its primary", "look at the log of both servers")
    if info.get("loading") == "1":
        yield problem("role", "it is still loading its data", "wait, and run `doctor` again")
    if info.get("cluster_enabled") == "1" and not clustered:
        yield problem("role", "a node of a cluster", "write redis+cluster://host:port in INBOX_REDIS_URL")
    if replicated and info.get("connected_slaves", "0") == "0":
        text = "none, and INBOX_DURABILITY=replica refuses every write without one"
        yield problem("replicas", text, "connect a replica")


def _memory(info: Info) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = info.get("maxmemory_policy", "noeviction")
    shown = f"{_megabytes(used)} used of {_megabytes(most) if most else 'unlimited'}, {policy}"
    evicted = int(info.get("evicted_keys", 0))
    if evicted:
        text = f"{evicted:,} keys were evicted since the server started: parts of inboxes are lost"
        yield problem("memory", text, f"{_NOEVICTION}, and restore a backup if these were yours")
    if policy != "noeviction":
        consequence = "it deletes inboxes when it is full" if most else "it deletes inboxes once maxmemory is set"
        yield (problem if most else warning)("memory", f"{shown}: {consequence}", _NOEVICTION)
    elif most and used >= FULL * most:
        yield problem("memory", f"{shown}: full, so writes are refused", _ROOM)
    elif most and used >= NEARLY_FULL * most:
        yield warning("memory", f"{shown}: nearly full", _ROOM)
    elif not most:
        text = f"{shown}: without maxmemory, the system kills the server when the machine is full"
        yield advice("memory", text, "set maxmemory to at most 70 % of what the machine or container has")
    else:
        yield Finding("memory", shown)


def _persistence(info: Info) -> Finding:
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return problem("durability", "the append-only file cannot be written", "is the disk full?")
        if info.get("aof_last_bgrewrite_status", "ok") != "ok":
            return warning("durability", "the append-only file could not be rewritten lately", "is the disk full?")
        return Finding("durability", "append-only file")
    do = "`CONFIG SET appendonly yes`, and the same in its configuration file"
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return problem("durability", "the last snapshot failed, and there is no append-only file", do)
    if int(info.get("connected_slaves", 0)):
        text = "no append-only file: data is lost if the primary and its replicas stop together"
        return warning("durability", text, do)
    return problem("durability", "NO append-only file: a restart loses data", do)


def _replicas(info: Info, *, replicated: bool) -> Iterator[Finding]:
    """Yield the replicas of a primary that are behind, or do not receive anything."""
    for number in range(int(info.get("connected_slaves", 0))):
        parts = dict(part.split("=", 1) for part in info.get(f"slave{number}", "").split(",") if "=" in part)
        name = f"{parts.get('ip', '?')}:{parts.get('port', '?')}"
        lag = int(parts.get("lag", 0))
        if parts.get("state", "online") != "online":
            text = f"{name} is not in step: {parts['state']}"
            yield warning("replicas", text, "it copies the data; a failover to it now would lose writes")
        elif lag > MAX_REPLICA_LAG_SECONDS:
            yield warning("replicas", f"{name} is silent for {lag} s", "look at its machine and its network")
    if replicated and info.get("min_slaves_good_slaves") is None:
        text = "a primary that has lost its replicas accepts writes, which then get a 503 after a wait"
        yield advice("replicas", text, "`CONFIG SET min-replicas-to-write 1`")


def _clients(info: Info) -> Iterator[Finding]:
    clients, most = int(info.get("connected_clients", 0)), int(info.get("maxclients", 0))
    if most and clients >= MAX_CLIENTS_SHARE * most:
        text = f"{clients:,} of {most:,} clients are connected: more are refused"
        yield warning("server", text, "raise maxclients, and the limit of open files of the server")


async def _examine_clock(topology: Topology, node: Node) -> Finding:
    before = time.time()
    (reply,) = await node.connection.request(pack(("TIME",)))
    middle = (before + time.time()) / 2
    if isinstance(reply, ReplyError):
        return warning("clock", "not known: the server does not allow TIME", "allow it: ACL SETUSER (`+time`)")
    return judge_clock(int(reply[0]) + int(reply[1]) / 1_000_000 - middle)


def judge_clock(ahead_seconds: float) -> Finding:
    """Return the finding about a server whose clock is ahead of this machine's by some seconds."""
    if abs(ahead_seconds) <= MAX_CLOCK_SECONDS:
        return Finding("clock", "in step with the server's")
    way = "ahead of" if ahead_seconds > 0 else "behind"
    text = f"the server's is {abs(ahead_seconds):.1f} s {way} this machine's"
    return problem("clock", text, "synchronise both with a time server (`timedatectl`, chrony)")


async def _examine_cluster(node: Node) -> Finding:
    (reply,) = await node.connection.request(pack(("CLUSTER", "INFO")))
    if isinstance(reply, ReplyError):
        return warning("cluster", f"{node.name} does not allow CLUSTER INFO", "allow it: ACL SETUSER (`+cluster|info`)")
    state = dict(line.split(":", 1) for line in reply.decode().split() if ":" in line)
    missing = 16384 - int(state.get("cluster_slots_ok", 0))
    if state.get("cluster_state") != "ok" or missing:
        text = f"{node.name} reports {state.get('cluster_state')}; {missing} slots are not served"
        return problem("cluster", text, "look at `CLUSTER NODES`: a primary without a replica is down")
    return Finding("cluster", f"{state.get('cluster_size')} primaries serve every slot, as {node.name} reports")


async def _examine_sentinels(topology: Topology) -> AsyncIterator[Finding]:
    for name, make_connection in topology.sentinels:
        connection = RedisConnection(make_connection, topology.timeout_seconds)
        try:
            (reply,) = await connection.request(pack(("SENTINEL", "CKQUORUM", topology.service)))
        except (ConnectionLostError, ReplyTimeoutError) as lost:
            yield warning("sentinel", f"{name} cannot be reached: {lost}", "start it, or remove it from the URL")
            continue
        finally:
            connection.close()
        if isinstance(reply, ReplyError):
            yield warning("sentinel", f"{name}: {reply}", "without a quorum there is no failover")
        else:
            yield Finding("sentinel", f"{name}: {reply.decode(errors='replace')}")


def _megabytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MB"
