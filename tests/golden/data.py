"""The content of a server as JSON: written by one build, loaded into an empty server by a later one."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

PATH = Path(__file__).parent / "data.json"

SECRET_KEY = "golden-secret-key-4f1c93b2a7d85e60"
"""The secret key with which the secrets of the projects are encrypted."""

Entry = Mapping[str, Any]


def read_all(server: redis.Redis) -> list[Entry]:
    """Return every key, sorted by name. Bytes become text of the same code points."""
    found: list[Entry] = []
    names: list[bytes] = sorted(server.execute_command("KEYS", "*"))
    for name in names:
        kind = _text(server.type(name))
        if kind == "none":
            continue  # it has expired since it was listed
        ttl: Any = server.pttl(name)
        value = _READ[kind](server, name)
        found.append({"key": _text(name), "type": kind, "expires_in_ms": ttl if ttl > 0 else None, "value": value})
    return found


def load(server: redis.Redis, entries: Sequence[Entry]) -> None:
    """Store the entries that `read_all` returned."""
    for entry in entries:
        name = entry["key"].encode("latin-1")
        _WRITE[entry["type"]](server, name, entry["value"])
        if entry["expires_in_ms"] is not None:
            server.pexpire(name, entry["expires_in_ms"])


def save(document: Mapping[str, Any]) -> None:
    """Write the file."""
    PATH.write_text(json.dumps(document, indent=1, ensure_ascii=True) + "\n")


def read_file() -> dict[str, Any]:
    """Read the file."""
    document: dict[str, Any] = json.loads(PATH.read_text())
    return document


def _text(raw: Any) -> str:
    text: str = raw.decode("latin-1")
    return text


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _pairs(found: Any) -> list[list[str]]:
    return [[_text(name), _text(value)] for name, value in sorted(found.items())]


_READ: Mapping[str, Callable[[Any, bytes], Any]] = {
    "string": lambda server, name: _text(server.get(name)),
    "hash": lambda server, name: _pairs(server.hgetall(name)),
    "set": lambda server, name: sorted(map(_text, server.smembers(name))),
    "list": lambda server, name: list(map(_text, server.lrange(name, 0, -1))),
    "zset": lambda server, name: [
        [_text(member), score] for member, score in server.zrange(name, 0, -1, withscores=True)
    ],
    "stream": lambda server, name: [[_text(entry), _pairs(fields)] for entry, fields in server.xrange(name)],
}


def _write_stream(server: Any, name: bytes, entries: Any) -> None:
    for entry, fields in entries:
        server.xadd(name, {_bytes(field): _bytes(value) for field, value in fields}, id=entry)


_WRITE: Mapping[str, Callable[[Any, bytes, Any], Any]] = {
    "string": lambda server, name, value: server.set(name, _bytes(value)),
    "hash": lambda server, name, value: server.hset(name, mapping={_bytes(field): _bytes(one) for field, one in value}),
    "set": lambda server, name, value: server.sadd(name, *map(_bytes, value)),
    "list": lambda server, name, value: server.rpush(name, *map(_bytes, value)),
    "zset": lambda server, name, value: server.zadd(name, {_bytes(member): score for member, score in value}),
    "stream": _write_stream,
}
