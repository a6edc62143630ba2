"""The permissions that the gateway needs and its Redis user lacks.

Each permission is tried, because only an administrator may read permissions (`ACL DRYRUN`). Each command runs on a key
that holds a short text for a moment. An allowed command changes nothing and gets a reply, possibly WRONGTYPE. The reply
to a forbidden command is NOPERM.
"""

import re
import secrets
from collections.abc import Iterable
from typing import Any

from gateway.store import keys
from gateway.store.redis.connection import RedisConnection
from gateway.store.redis.library import NAME_PREFIX, Library
from gateway.store.redis.protocol import Argument, ReplyError, pack
from gateway.store.redis.topology import Node, Topology

PROBE_SECONDS = 10

_ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "APPEND": ("",),
    "EXPIRE": (PROBE_SECONDS,),
    "EXPIREAT": (4_000_000_000,),
    "GETRANGE": (0, 0),
    "HDEL": ("f",),
    "HEXISTS": ("f",),
    "HGET": ("f",),
    "HINCRBY": ("f", 1),
    "HMGET": ("f",),
    "HSCAN": (0,),
    "HSET": ("f", "v"),
    "HSETNX": ("f", "v"),
    "HSTRLEN": ("f",),
    "LINDEX": (0,),
    "LPUSH": ("v",),
    "LRANGE": (0, 0),
    "PEXPIRE": (1000 * PROBE_SECONDS,),
    "PEXPIREAT": (4_000_000_000_000,),
    "PFADD": ("v",),
    "RENAME": ("",),  # `_probe` adds the name of a key that does not exist
    "RPUSH": ("v",),
    "SADD": ("v",),
    "SET": ("", "EX", PROBE_SECONDS),
    "SETRANGE": (0, ""),
    "SISMEMBER": ("v",),
    "SPUBLISH": ("",),
    "SREM": ("v",),
    "SSCAN": (0,),
    "XADD": ("*", "f", "v"),
    "XDEL": ("0-1",),
    "XRANGE": ("-", "+"),
    "XREVRANGE": ("+", "-"),
    "XTRIM": ("MINID", "0"),
    "LTRIM": (0, -1),
    "ZADD": (0, "v"),
    "ZCOUNT": (0, 0),
    "ZLEXCOUNT": ("-", "+"),
    "ZRANGE": (0, 0),
    "ZMSCORE": ("v",),
    "ZREM": ("v",),
    "ZREMRANGEBYRANK": (0, 0),
    "ZREMRANGEBYSCORE": (0, 0),
    "ZREVRANK": ("v",),
    "ZSCAN": (0,),
    "ZSCORE": ("v",),
}
"""The arguments after the key, for commands that need some."""

_KEYLESS: dict[str, tuple[Argument, ...]] = {"INFO": ("replication",), "TIME": (), "SCAN": (0, "COUNT", 1), "PING": ()}

_DIRECT = (
    *("BITFIELD", "DECR", "EXISTS", "EXPIRE", "GET", "GETRANGE", "INCR", "MEMORY USAGE", "MGET", "PEXPIREAT", "SET"),
    *("SPUBLISH", "STRLEN", "TTL", "UNLINK"),
    *("HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HLEN", "HMGET", "HSCAN", "HSET", "HSETNX", "HVALS"),
    *("LPUSH", "LRANGE", "LTRIM", "SADD", "SCARD", "SMEMBERS", "SRANDMEMBER", "SREM", "SSCAN"),
    *("XADD", "XLEN", "XREVRANGE", "XTRIM"),
    *("ZADD", "ZCARD", "ZCOUNT", "ZRANDMEMBER", "ZRANGE", "ZREM", "ZREMRANGEBYSCORE", "ZSCAN", "ZSCORE"),
)
"""The commands with a key that the gateway runs outside of its functions."""

_NO_COMMAND = re.compile(r"has no permissions to run the '([^']+)'")


def needed_commands(library: Library) -> list[str]:
    """Return the names of the commands that the functions run, and of those that the gateway runs itself, sorted."""
    inside = re.findall(r"\b(?:call|try|run|expire)\(\s*'([A-Z]+)'", library.code)
    inside += re.findall(r"\bin_chunks\(\w+, '([A-Z]+)'", library.code)
    return sorted({*inside, *_DIRECT, *_KEYLESS})


async def missing_permissions(topology: Topology, node: Node, library: Library) -> list[str]:
    """Return the rules that a user lacks on a server: commands as `+name`, keys as `~pattern`, channels as `&pattern`.

    Raises ConnectionLostError and ReplyTimeoutError.
    """
    key = f"{topology.generation_keys(node)[0]}:doctor:{secrets.token_hex(4)}"
    names = needed_commands(library)
    commands = [("SET", key, "", "EX", PROBE_SECONDS), *(_probe(name, key) for name in names)]
    words = ["set", *(name.lower().replace(" ", "|") for name in names)]
    if topology.replicated:
        commands.append(("WAIT", 0, 1))
        words.append("wait")
    replies = await node.connection.request(*(pack(command) for command in commands))
    (loaded,) = await node.connection.request(pack(("FUNCTION", "LOAD", library.code)))
    (called,) = await node.connection.request(pack(("FCALL", library.qualified("find_project"), 1, key, "none")))
    found = _missing([*zip(words, replies, strict=True), ("function|load", loaded), ("fcall", called)])
    found += _missing([("ssubscribe", await _subscribe(topology, node, key))])
    await node.connection.request(pack(("UNLINK", key)))
    return sorted(set(found))


async def missing_cleaning_permissions(node: Node) -> list[str]:
    """Return the rules that a user lacks to delete unused function libraries. The gateway works without them.

    Raises ConnectionLostError and ReplyTimeoutError.
    """
    name = f"{NAME_PREFIX}none"  # no library has this name
    commands = {"function|list": ("LIST", "LIBRARYNAME", name), "function|delete": ("DELETE", name)}
    replies = await node.connection.request(*(pack(("FUNCTION", *words)) for words in commands.values()))
    return _missing(zip(commands, replies, strict=True))


async def _subscribe(topology: Topology, node: Node, channel: str) -> Any:
    connection = RedisConnection(node.make_connection, topology.timeout_seconds)
    try:
        (reply,) = await connection.request(pack(("SSUBSCRIBE", channel)))
        return reply
    finally:
        connection.close()


def _probe(name: str, key: str) -> tuple[Argument, ...]:
    if name in _KEYLESS:
        return (name, *_KEYLESS[name])
    if name in ("DEL", "UNLINK", "RENAME"):
        return (name, f"{key}:none", *((key,) if name == "RENAME" else ()))
    return (*name.split(" "), key, *_ARGUMENTS.get(name, ()))


def _missing(replies: Iterable[tuple[str, Any]]) -> list[str]:
    return [text for command, reply in replies if (text := _denied(command, reply))]


def _denied(command: str, reply: Any) -> str:
    """Return the rule that is missing according to a reply, or ""."""
    text = str(reply)
    if not isinstance(reply, ReplyError) or not text.startswith("NOPERM"):
        return ""
    if "channel" in text:
        return f"&{keys.PREFIX}*"
    if "key" in text and not _NO_COMMAND.search(text):
        return f"~{keys.PREFIX}*"
    return f"+{command}"
