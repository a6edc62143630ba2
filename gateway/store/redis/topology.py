"""Which Redis server answers for which key: one server, the primary that Sentinel names, or the primaries of a cluster.

A cluster's map of slots is read from any of its nodes (`CLUSTER SLOTS`) when first needed, and again when something
says that it has changed: a redirection, a lost connection, a subscription that the server ended. What a redirection
says of its slot counts at once, because the nodes learn of a change one after another.
"""

import asyncio
import functools
import random
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.connection import (
    AbstractConnection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.redis.connection import RedisConnection, ReplicatedConnection, ReplyTimeoutError
from gateway.store.redis.protocol import ConnectionLostError, ReplyError, pack

SLOTS = 16384
DEFAULT_PORT = 6379
REFRESH_PAUSE_SECONDS = 0.1
"""Between two readings of a cluster's map: what is changing is not stable at once."""

ASKED_AT_ONCE = 3
"""Nodes that are asked for the map together: one that hangs must not hold up the others."""


_Range = tuple[int, int, str]
"""The first and the last of some slots, and the name of their server."""


class Node:
    """One server. `name` is `host:port`, "" where there is only one."""

    def __init__(
        self, name: str, make_connection: Callable[[], AbstractConnection], timeout_seconds: float, replicated: bool
    ):
        self.name = name
        self.make_connection = make_connection
        self.connection = RedisConnection(make_connection, timeout_seconds)
        self.write_connection = (
            ReplicatedConnection(make_connection, timeout_seconds) if replicated else self.connection
        )
        """Answers when what was written is as safe as the settings ask for."""

    def close(self) -> None:
        """Drop both connections; the next request opens another."""
        self.connection.close()
        self.write_connection.close()

    def end(self) -> None:
        """Drop both connections for good."""
        self.connection.end()
        self.write_connection.end()


class Topology:
    """The servers that this process writes to. `on_change` is called when their list or the map of slots changed."""

    def __init__(self, settings: Settings):
        self.timeout_seconds = settings.redis_timeout_seconds
        self.replicated = settings.durability == "replica"
        url = settings.redis_url
        self.clustered = "+cluster://" in url
        self.service = ""
        self.sentinels: list[tuple[str, Callable[[], AbstractConnection]]] = []
        """Each sentinel's name, and what makes a connection to it."""
        self.on_change: list[Callable[[], None]] = []
        self._nodes: dict[str, Node] = {}
        self._slots: list[Node] = []
        self._serving: list[Node] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._reasons: dict[str, str] = {}
        self._ended = False
        if self.clustered:
            self._seeds, self._arguments = _parse_cluster(url)
            for seed in self._seeds:
                self._add(seed)
        else:
            if settings.embedded:
                make = _socket(str(settings.valkey_socket.absolute()), self._common())
            elif "+sentinel://" in url:
                make, self.service, self.sentinels = _sentinel(url, self._common())
            else:
                make = _single(url, self._common())
            self._nodes[""] = Node("", make, self.timeout_seconds, self.replicated)
            self._serving = [self._nodes[""]]

    @property
    def sole(self) -> Node | None:
        """The one server, where it is no cluster."""
        return None if self.clustered else self._nodes[""]

    @property
    def nodes(self) -> list[Node]:
        """Every server that is written to; of a cluster whose map was never read, none."""
        return self._serving

    def node_of(self, key: str | bytes) -> Node | None:
        """Give the server of a key; None while the cluster's map is unknown."""
        if not self.clustered:
            return self._nodes[""]
        return self._slots[slot_of(key)] if self._slots else None

    def generation_keys(self, node: Node) -> list[str]:
        """Give the keys under which a server keeps what life its data is in: in a cluster one for each of its slots."""
        if not self.clustered:
            return [keys.GENERATION]
        return [generation_key(slot) for slot, server in enumerate(self._slots) if server is node]

    def key_at(self, node: Node) -> str | None:
        """Return some key that a server answers for; None when it serves nothing."""
        if not self.clustered:
            return keys.GENERATION
        return next((generation_key(slot) for slot, server in enumerate(self._slots) if server is node), None)

    def redirected(self, reply: str, asked: Node) -> Node:
        """Give the server that `MOVED slot address` or `ASK slot address` names; what has moved, has for every call."""
        kind, slot, address = reply.split(" ")[:3]
        host, _, port = address.rpartition(":")
        if host in ("", "?"):  # as the cluster is set up, a node's host is the one that we reached another at
            host = asked.name.rpartition(":")[0]
        name = f"{host}:{port}"
        node = self._nodes.get(name) or self._add(name)
        if kind == "MOVED" and self._slots and self._slots[int(slot)] is not node:
            self._slots[int(slot)] = node
            self._changed()
        return node

    async def refresh(self) -> None:
        """Read the cluster's slot map again, once for all concurrent callers.

        Raises ConnectionLostError if no node answers.
        """
        if self.clustered:
            await asyncio.shield(self.refresh_soon())

    def refresh_soon(self) -> "asyncio.Task[None]":
        """Begin to read the cluster's map again, unless that is under way."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(), name="cluster-slots")
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refreshing

    def close(self) -> None:
        """Drop every connection, for good."""
        self._ended = True
        if self._refreshing is not None:
            self._refreshing.cancel()
        for node in self._nodes.values():
            node.end()

    async def _refresh(self) -> None:
        try:
            self._take(await self._read_slots())
            await asyncio.sleep(REFRESH_PAUSE_SECONDS)
        finally:
            self._refreshing = None

    async def _read_slots(self) -> list[_Range]:
        """Ask the nodes, those that we know to be primaries first, until one answers."""
        known = [node.name for node in self.nodes]
        random.shuffle(known)
        names = list(dict.fromkeys((*known, *self._nodes, *self._seeds)))
        for first in range(0, len(names), ASKED_AT_ONCE):
            asked = [asyncio.create_task(self._ask_slots(name)) for name in names[first : first + ASKED_AT_ONCE]]
            try:
                for answer in asyncio.as_completed(asked):
                    if ranges := await answer:
                        return ranges
            finally:
                for task in asked:
                    task.cancel()
        reasons = "; ".join(f"{name}: {self._reasons.get(name, '')}" for name in names[:ASKED_AT_ONCE])
        raise ConnectionLostError(f"no node of the cluster answers: {reasons}")

    async def _ask_slots(self, name: str) -> list[_Range]:
        """Give one node's map; an empty one if it does not know or cannot be reached."""
        node = self._nodes.get(name) or self._add(name)
        try:
            (reply,) = await node.connection.request(pack(("CLUSTER", "SLOTS")))
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            self._reasons[name] = str(problem)
            return []
        if isinstance(reply, ReplyError):
            self._reasons[name] = str(reply)
            return []
        host = name.rpartition(":")[0]
        return [(first, last, _name(primary, host)) for first, last, primary, *_ in reply]

    def _take(self, ranges: Sequence[_Range]) -> None:
        # A slot that nobody serves right now keeps its last server, which says so when asked.
        fresh = self._slots[:]
        for first, last, name in ranges:
            node = self._nodes.get(name) or self._add(name)
            if not fresh:
                fresh = [node] * SLOTS
            fresh[first : last + 1] = [node] * (last + 1 - first)
        if fresh != self._slots:
            self._slots = fresh
            self._changed()

    def _changed(self) -> None:
        """Let go of servers that serve nothing any more, and say that something is different."""
        self._serving = list(dict.fromkeys(self._slots))
        kept = {*self._seeds, *(node.name for node in self._serving)}
        for name in self._nodes.keys() - kept:
            self._nodes.pop(name).end()
        for notify in self.on_change:
            notify()

    def _add(self, name: str) -> Node:
        host, _, port = name.rpartition(":")
        pool = ConnectionPool(**{**self._arguments, **self._common(), "host": host, "port": int(port)})
        node = self._nodes[name] = Node(name, pool.make_connection, self.timeout_seconds, self.replicated)
        if self._ended:
            node.end()
        return node

    def _common(self) -> dict[str, Any]:
        return {
            "protocol": 2,  # RESP3 costs more per message (measured: 12.4 µs against 7.0)
            "socket_timeout": self.timeout_seconds,
            "socket_connect_timeout": self.timeout_seconds,
        }


def slot_of(key: str | bytes) -> int:
    """Give the slot of a key or of a sharded channel."""
    return key_slot(key if isinstance(key, bytes) else key.encode())


def generation_key(slot: int) -> str:
    """Give the key in a cluster's slot that names the life of what lies there."""
    return keys.generation_beside(_slot_tags()[slot])


@functools.cache
def _slot_tags() -> list[str]:
    """Find a hash tag for each slot: the first number that belongs there (60 ms)."""
    tags: dict[int, str] = {}
    number = 0
    while len(tags) < SLOTS:
        tags.setdefault(key_slot(b"%d" % number), str(number))
        number += 1
    return [tags[slot] for slot in range(SLOTS)]


def _socket(path: str, common: dict[str, Any]) -> Callable[[], AbstractConnection]:
    """A Unix socket by its path, which in an address could not have every character."""
    return ConnectionPool(connection_class=UnixDomainSocketConnection, path=path, **common).make_connection


def _single(url: str, common: dict[str, Any]) -> Callable[[], AbstractConnection]:
    return ConnectionPool.from_url(url, **common).make_connection


def _sentinel(
    url: str, common: dict[str, Any]
) -> tuple[Callable[[], AbstractConnection], str, list[tuple[str, Callable[[], AbstractConnection]]]]:
    """`redis+sentinel://[user:password@]host:port,host:port/service?db=0`: the credentials are those of the primary.

    With `rediss` both the primary and the sentinels are spoken to over TLS.
    """
    hosts, arguments = _parse(url)
    service = url.partition("://")[2].partition("?")[0].partition("/")[2].strip("/")
    secure = arguments.pop("connection_class", None) is SSLConnection
    for name in ("host", "port"):
        arguments.pop(name, None)
    tls = {name: value for name, value in arguments.items() if name.startswith("ssl_")} | {"ssl": True}
    # Several may have to be asked, and the primary be connected to, within the time that one call has.
    patience = common["socket_timeout"] / (2 * len(hosts))
    asking = common | {"socket_timeout": patience, "socket_connect_timeout": patience, "retry": Retry(NoBackoff(), 0)}
    sentinel = Sentinel(hosts, sentinel_kwargs=asking | (tls if secure else {}))
    arguments |= common | ({"ssl": True} if secure else {})
    make: Callable[[], AbstractConnection] = sentinel.master_for(service, **arguments).connection_pool.make_connection
    asked = [client.connection_pool.make_connection for client in sentinel.sentinels]
    return make, service, list(zip((f"{host}:{port}" for host, port in hosts), asked, strict=True))


def _parse_cluster(url: str) -> tuple[list[str], dict[str, Any]]:
    """`redis+cluster://[user:password@]host:port,host:port`: any of the nodes will do."""
    hosts, arguments = _parse(url)
    return [f"{host}:{port}" for host, port in hosts], arguments


def _parse(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Give the hosts of an address that names several, and all else that redis-py reads in it."""
    scheme, _, rest = url.partition("://")
    main, question, query = rest.partition("?")
    credentials, at, hosts = main.partition("/")[0].rpartition("@")
    alike = f"{scheme.partition('+')[0]}://{credentials}{at}localhost{question}{query}"
    return [_address(one) for one in hosts.split(",")], dict(parse_url(alike))


def _address(text: str) -> tuple[str, int]:
    """Read `host`, `host:port`, `[IPv6]` or `[IPv6]:port`."""
    host, bracket, port = text.rpartition("]")
    if bracket:
        return host.removeprefix("["), int(port.removeprefix(":") or DEFAULT_PORT)
    host, _, port = text.partition(":")
    return host, int(port or DEFAULT_PORT)


def _name(primary: Sequence[Any], asked_host: str) -> str:
    """Name a server of `CLUSTER SLOTS`: host (none or ? as the cluster is set up), port, id, other names."""
    host = primary[0].decode() if primary[0] else ""
    if host == "?":  # it is to be called by a hostname, and has none
        others = primary[3] if len(primary) > 3 else []
        found = dict(zip(others[::2], others[1::2], strict=False))
        host = found.get(b"ip", b"").decode()
    return f"{host or asked_host}:{primary[1]}"
