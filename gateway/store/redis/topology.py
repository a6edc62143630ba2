"""The Redis server of each key: one server, the primary that Sentinel names, or a primary of a cluster.

A cluster's slot map is read from any of its nodes (`CLUSTER SLOTS`) when it is first needed. It is read again when it
may have changed: after a redirection, a lost connection, or a subscription that the server ended. A redirection updates
its slot at once, because a change reaches the nodes one after another.
"""

import asyncio
import functools
import random
from collections.abc import Callable, Sequence
from typing import Any

from redis.crc import key_slot

from gateway.settings import Settings
from gateway.store import keys
from gateway.store.redis.address import ConnectionFactory, read_address
from gateway.store.redis.connection import RedisConnection, ReplicatedConnection, ReplyTimeoutError
from gateway.store.redis.protocol import ConnectionLostError, ReplyError, pack

SLOTS = 16384

REFRESH_PAUSE_SECONDS = 0.1
"""The pause between two reads of a slot map, because a changing cluster takes a while to become stable."""

NODES_AT_ONCE = 3
"""How many nodes are called for the map at once, so that a hung node does not delay the read."""

_Range = tuple[int, int, str]
"""The first and the last slot of a range, and the name of its server."""


class Node:
    """One server. `name` is `host:port`, or "" if there is only one."""

    def __init__(self, name: str, make_connection: ConnectionFactory, timeout_seconds: float, replicated: bool):
        self.name = name
        self.make_connection = make_connection
        reading = RedisConnection(make_connection, timeout_seconds)
        self.connection = reading
        """The connection for calls that only read, and for writes that need no replica."""
        self.write_connection = ReplicatedConnection(make_connection, timeout_seconds) if replicated else reading
        """The connection for durable writes. With INBOX_DURABILITY=replica, it replies once a replica has them."""

    def close(self) -> None:
        """Close both connections. The next request opens another."""
        self.connection.close()
        self.write_connection.close()

    def end(self) -> None:
        """Close both connections for good."""
        self.connection.end()
        self.write_connection.end()


class Topology:
    """The servers that this process writes to.

    The functions in `on_change` are called when the list of servers or the slot map has changed.
    """

    def __init__(self, settings: Settings):
        self.timeout_seconds = settings.redis_timeout_seconds
        self.replicated = settings.durability == "replica"
        self.on_change: list[Callable[[], None]] = []
        self._address = read_address(settings)
        self.clustered = self._address.make_connection is None
        self.service = self._address.service
        self.sentinels = self._address.sentinels
        self._nodes: dict[str, Node] = {}
        self._slots: list[Node] = []
        self._serving: list[Node] = []
        self._refreshing: asyncio.Task[None] | None = None
        self._reasons: dict[str, str] = {}
        self._ended = False
        self.sole: Node | None = None
        """The only server; None for a cluster."""
        if self._address.make_connection is not None:
            self.sole = self._add("", self._address.make_connection)
            self._serving = [self.sole]
        for seed in self._address.seeds:
            self._add(seed, self._address.node(seed))

    @property
    def nodes(self) -> list[Node]:
        """Return every server that accepts writes. For a cluster, it is empty until the slot map has been read."""
        return self._serving

    def node_of(self, key: str | bytes) -> Node | None:
        """Return the server of a key; None while the slot map is unknown."""
        if not self.clustered:
            return self._nodes[""]
        return self._slots[slot_of(key)] if self._slots else None

    def generation_keys(self, node: Node) -> list[str]:
        """Return the keys under which a server stores its data generation: in a cluster, one for each of its slots."""
        if not self.clustered:
            return [keys.GENERATION]
        return [generation_key(slot) for slot, server in enumerate(self._slots) if server is node]

    def key_at(self, node: Node) -> str | None:
        """Return a key in a slot that a server serves; None if it serves none."""
        if not self.clustered:
            return keys.GENERATION
        return next((generation_key(slot) for slot, server in enumerate(self._slots) if server is node), None)

    def redirected(self, reply: str, asked: Node) -> Node:
        """Return the server that `MOVED slot address` or `ASK slot address` names.

        After MOVED, all calls use it for this slot.
        """
        kind, slot, address = reply.split(" ")[:3]
        host, _, port = address.rpartition(":")
        if host in ("", "?"):  # some clusters leave out the host: it is the host of the node that replied
            host = asked.name.rpartition(":")[0]
        node = self._node(f"{host}:{port}")
        if kind == "MOVED" and self._slots and self._slots[int(slot)] is not node:
            self._slots[int(slot)] = node
            self._changed()
        return node

    async def refresh(self) -> None:
        """Read the slot map again, once for all concurrent callers. Raises ConnectionLostError if no node replies."""
        if self.clustered:
            await asyncio.shield(self.refresh_soon())

    def refresh_soon(self) -> "asyncio.Task[None]":
        """Start to read the slot map again, unless a read is under way. Return the task."""
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh(), name="cluster-slots")
            self._refreshing.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._refreshing

    def close(self) -> None:
        """Close every connection for good."""
        self._ended = True
        if self._refreshing is not None:
            self._refreshing.cancel()
        for node in self._nodes.values():
            node.end()

    async def _refresh(self) -> None:
        try:
            self._apply(await self._read_slots())
            await asyncio.sleep(REFRESH_PAUSE_SECONDS)
        finally:
            self._refreshing = None

    async def _read_slots(self) -> list[_Range]:
        """Return the slot map of the first node that replies. Known primaries are called first."""
        known = [node.name for node in self.nodes]
        random.shuffle(known)
        names = list(dict.fromkeys((*known, *self._nodes, *self._address.seeds)))
        for first in range(0, len(names), NODES_AT_ONCE):
            asked = [asyncio.create_task(self._ask_slots(name)) for name in names[first : first + NODES_AT_ONCE]]
            try:
                for reading in asyncio.as_completed(asked):
                    if ranges := await reading:
                        return ranges
            finally:
                for task in asked:
                    task.cancel()
        reasons = "; ".join(f"{name}: {self._reasons.get(name, '')}" for name in names[:NODES_AT_ONCE])
        raise ConnectionLostError(f"no node of the cluster replies: {reasons}")

    async def _ask_slots(self, name: str) -> list[_Range]:
        """Return the slot map of one node. It is empty if the node has none or cannot be reached."""
        try:
            (reply,) = await self._node(name).connection.request(pack(("CLUSTER", "SLOTS")))
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            self._reasons[name] = str(problem)
            return []
        if isinstance(reply, ReplyError):
            self._reasons[name] = str(reply)
            return []
        host = name.rpartition(":")[0]
        return [(first, last, node_name(primary, host)) for first, last, primary, *_ in reply]

    def _apply(self, ranges: Sequence[_Range]) -> None:
        # A slot that no server serves now keeps its last server, whose reply to a call reports that.
        fresh = self._slots[:]
        for first, last, name in ranges:
            node = self._node(name)
            if not fresh:
                fresh = [node] * SLOTS
            fresh[first : last + 1] = [node] * (last + 1 - first)
        if fresh != self._slots:
            self._slots = fresh
            self._changed()

    def _changed(self) -> None:
        """Close the connections of servers that no longer serve a slot, and call the functions in `on_change`."""
        self._serving = list(dict.fromkeys(self._slots))
        kept = {*self._address.seeds, *(node.name for node in self._serving)}
        for name in self._nodes.keys() - kept:
            self._nodes.pop(name).end()
        for notify in self.on_change:
            notify()

    def _node(self, name: str) -> Node:
        return self._nodes.get(name) or self._add(name, self._address.node(name))

    def _add(self, name: str, make_connection: ConnectionFactory) -> Node:
        node = self._nodes[name] = Node(name, make_connection, self.timeout_seconds, self.replicated)
        if self._ended:
            node.end()
        return node


def slot_of(key: str | bytes) -> int:
    """Return the hash slot of a key or of a sharded pub/sub channel."""
    return key_slot(key if isinstance(key, bytes) else key.encode())


def generation_key(slot: int) -> str:
    """Return the key in a cluster's slot that stores the data generation of the slot's server."""
    return keys.generation_beside(_slot_tags()[slot])


@functools.cache
def _slot_tags() -> list[str]:
    """Return a hash tag for each slot: the first number that hashes to it (60 ms)."""
    tags: dict[int, str] = {}
    number = 0
    while len(tags) < SLOTS:
        tags.setdefault(key_slot(b"%d" % number), str(number))
        number += 1
    return [tags[slot] for slot in range(SLOTS)]


def node_name(primary: Sequence[Any], asked_host: str) -> str:
    """Return `host:port` of a node as `CLUSTER SLOTS` describes it: host, port, id, other names.

    Some clusters leave the host out, or write `?`.
    """
    host = primary[0].decode() if primary[0] else ""
    if host == "?":  # the node is configured to announce a hostname, and has none
        others = primary[3] if len(primary) > 3 else []
        found = dict(zip(others[::2], others[1::2], strict=False))
        host = found.get(b"ip", b"").decode()
    return f"{host or asked_host}:{primary[1]}"
