"""How the Redis servers are, for the dashboard and the metrics.

This is what each reports of itself, without the judgement of `diagnosis`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from gateway.store.redis.client import FunctionClient
from gateway.store.redis.problems import StoreUnavailableError

_REPLICA = re.compile(r"slave\d+")
_OFFSET = re.compile(r"\boffset=(\d+)")


class ServerHealth(NamedTuple):
    """What a server reports. Sizes are bytes; `max_memory` is 0 without a limit. Times are seconds.

    `problem` says why nothing is known, "" if it replied. `persistence` is `aof`, `rdb` or `none`, and `is_saving_well`
    false after a write to the disk failed. `replica_lag` is how many bytes the replica that is furthest behind lacks.
    """

    name: str
    problem: str = ""
    version: str = ""
    role: str = ""
    used_memory: int = 0
    max_memory: int = 0
    policy: str = ""
    evicted_keys: int = 0
    clients: int = 0
    replicas: int = 0
    uptime: int = 0
    commands_per_second: int = 0
    persistence: str = ""
    is_saving_well: bool = True
    replica_lag: int = 0


async def server_healths(client: FunctionClient) -> list[ServerHealth]:
    """Return the health of each server that accepts writes. Raises StoreUnavailableError if there is none."""
    found = []
    for node in sorted(await client.nodes(), key=lambda each: each.name):
        try:
            reply = await client.run_on(node, "INFO")
        except StoreUnavailableError as problem:
            found.append(ServerHealth(node.name, problem=problem.detail or str(problem)))
        else:
            found.append(read_health(node.name, reply.decode(errors="replace")))
    return found


def read_health(name: str, info: str) -> ServerHealth:
    """Return the health in a reply to INFO. A part that the server leaves out is 0 or ""."""
    lines = (line.partition(":") for line in info.splitlines())
    fields = {key: value for key, colon, value in lines if colon}

    def number(key: str) -> int:
        value = fields.get(key, "")
        return int(value) if value.isdigit() else 0

    is_valkey = "valkey_version" in fields
    version = fields.get("valkey_version") or fields.get("redis_version", "")
    has_aof = fields.get("aof_enabled") == "1"
    states = (fields.get("aof_last_write_status", "ok"), fields.get("rdb_last_bgsave_status", "ok"))
    return ServerHealth(
        name,
        version=f"{'valkey' if is_valkey else 'redis'} {version}".rstrip(),
        role={"master": "primary", "slave": "replica"}.get(fields.get("role", ""), ""),
        used_memory=number("used_memory"),
        max_memory=number("maxmemory"),
        policy=fields.get("maxmemory_policy", ""),
        evicted_keys=number("evicted_keys"),
        clients=number("connected_clients"),
        replicas=number("connected_slaves"),
        uptime=number("uptime_in_seconds"),
        commands_per_second=number("instantaneous_ops_per_sec"),
        persistence="aof" if has_aof else "rdb" if number("rdb_last_save_time") else "none",
        is_saving_well=states == ("ok", "ok"),
        replica_lag=_replica_lag(fields),
    )


def _replica_lag(fields: Mapping[str, str]) -> int:
    written = fields.get("master_repl_offset", "")
    lines = (text for key, text in fields.items() if _REPLICA.fullmatch(key))
    received = [int(found[1]) for line in lines if (found := _OFFSET.search(line))]
    return max(0, int(written) - min(received)) if written.isdigit() and received else 0
