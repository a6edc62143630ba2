"""A cluster of Valkey servers: three primaries with a replica each. Slots can be moved, and primaries can be killed."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from gateway.store.redis.topology import SLOTS, slot_of
from loadtest.servers.redis_server import RedisServer
from loadtest.servers.starting import wait_for

NODE_TIMEOUT_MS = 1000
PRIMARIES = 3
JOIN_SECONDS = 30.0
MOVE_SECONDS = 90.0
"""The time limit for moving a slot key by key.

After half an hour a user has hundreds of keys, and a busy machine moves ten a second.
"""

PORT_ATTEMPTS = 5
"""How often the start of a server is tried: another process may have taken one of its two ports."""


@dataclass
class Cluster:
    """A cluster whose first three servers are primaries at the start, and the others their replicas."""

    directory: Path
    servers: list[RedisServer] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The value of `INBOX_REDIS_URL`. From two of the nodes, a gateway finds the others."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:2])

    def start(self) -> None:
        """Start six servers and join them to a cluster."""
        for number in range(2 * PRIMARIES):
            directory = self.directory / f"node{number}"
            directory.mkdir()
            self.servers.append(_start(directory))
        for number, server in enumerate(self.servers[:PRIMARIES]):
            first, last = number * SLOTS // PRIMARIES, (number + 1) * SLOTS // PRIMARIES - 1
            self.execute(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
            self.execute(server, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for server in self.servers[1:]:
            self.execute(server, "CLUSTER", "MEET", "127.0.0.1", self.servers[0].port, _bus_port(self.servers[0]))
        wait_for(lambda: all(map(self._has_all_nodes, self.servers)), "all nodes to find each other", JOIN_SECONDS)
        for primary, replica in zip(self.servers[:PRIMARIES], self.servers[PRIMARIES:], strict=True):
            self.execute(replica, "CLUSTER", "REPLICATE", self.execute(primary, "CLUSTER", "MYID"))
        wait_for(self.healthy, "the cluster to be healthy", JOIN_SECONDS)

    def healthy(self) -> bool:
        """Return whether all slots are served according to every running server, and every replica is connected."""
        return all(self._is_well(server) for server in self.servers if server.process is not None)

    def primary_of(self, key: str) -> RedisServer:
        """Return the primary that serves a key's slot now. Raise AssertionError if none does."""
        slot = slot_of(key)
        for server in self.servers:
            if server.process is None:
                continue
            for first, last, primary, *_ in self.execute(server, "CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return next(one for one in self.servers if one.port == primary[1])
        raise AssertionError(f"no server serves slot {slot}")

    def move_slot_at_once(self, key: str) -> None:
        """Move a key's slot with all its keys to another primary in one step, which Valkey 9 introduced."""
        source, target = self._move(key)
        slot, target_id = slot_of(key), self.execute(target, "CLUSTER", "MYID")
        self.execute(source, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target_id)
        wait_for(lambda: self.primary_of(key) is target, "the slot to move", MOVE_SECONDS)

    def move_slot(self, key: str, pause: Callable[[], None] | None = None) -> None:
        """Move a key's slot with all its keys to another primary.

        If `pause` is given, the keys move one by one, and `pause` is called before each. Raise AssertionError if the
        move takes longer than MOVE_SECONDS.
        """
        source, target = self._move(key)
        slot, deadline = slot_of(key), time.monotonic() + MOVE_SECONDS
        source_id, target_id = self.execute(source, "CLUSTER", "MYID"), self.execute(target, "CLUSTER", "MYID")
        self.execute(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        self.execute(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while keys := self.execute(source, "CLUSTER", "GETKEYSINSLOT", slot, 1 if pause else 100):
            if pause:
                pause()
            assert time.monotonic() < deadline, f"slot {slot} still has keys, such as {keys[:5]}"
            self.execute(source, "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        if pause:
            pause()
        for server in (target, source, *self.servers):
            if server.process is not None:
                with contextlib.suppress(redis.ResponseError):  # a replica receives it from its primary
                    self.execute(server, "CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def _move(self, key: str) -> tuple[RedisServer, RedisServer]:
        """Return the primary of a key and another primary."""
        source = self.primary_of(key)
        primaries = {primary[1] for _, _, primary, *_ in self.execute(source, "CLUSTER", "SLOTS")}
        return source, next(one for one in self.servers if one.port in primaries and one is not source)

    @contextlib.contextmanager
    def hung_primary_of(self, key: str) -> Iterator[RedisServer]:
        """Stop the process of a key's primary for a block (SIGSTOP)."""
        server = self.primary_of(key)
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        try:
            yield server
        finally:
            server.process.send_signal(signal.SIGCONT)

    def kill_primary_of(self, key: str) -> RedisServer:
        """Kill a key's primary, and return it. Its replica is then promoted."""
        server = self.primary_of(key)
        server.stop(signal.SIGKILL)
        return server

    def execute(self, server: RedisServer, *command: str | int | bytes) -> Any:
        """Run a command on a server, and return its reply. For `CLUSTER`, the first two words are the name."""
        words = 2 if command[0] == "CLUSTER" else 1
        with redis.Redis(port=server.port, protocol=2, socket_timeout=10) as client:
            # The client would decode the names, but some key names of the gateway are not text.
            client.set_response_callback("CLUSTER GETKEYSINSLOT", lambda keys, **_: keys)
            return client.execute_command(" ".join(map(str, command[:words])), *command[words:])

    def _has_all_nodes(self, server: RedisServer) -> bool:
        return int(self._info(server)["cluster_known_nodes"]) == 2 * PRIMARIES

    def _is_well(self, server: RedisServer) -> bool:
        with contextlib.suppress(redis.RedisError):
            info = self._info(server)
            if info["cluster_state"] != "ok" or info["cluster_slots_ok"] != str(SLOTS):
                return False
            with redis.Redis(port=server.port) as client:
                replication = client.info("replication")
            return bool(replication["role"] == "master" or replication["master_link_status"] == "up")
        return False

    def _info(self, server: RedisServer) -> dict[str, str]:
        with redis.Redis(port=server.port, decode_responses=True) as client:
            client.set_response_callback("CLUSTER INFO", lambda text, **_: text)
            text = str(client.execute_command("CLUSTER INFO"))
        return dict(line.split(":", 1) for line in text.split() if ":" in line)


def _start(directory: Path) -> RedisServer:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        server = RedisServer("valkey", directory)
        try:
            # A server's cluster bus listens 10,000 above its port unless told otherwise.
            server.start(
                *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
                *("--cluster-port", str(_bus_port(server)), "--cluster-replica-validity-factor", "0"),
                *("--repl-ping-replica-period", "1", "--appendonly", "yes"),
            )
            break
        except AssertionError:
            if attempt == PORT_ATTEMPTS:
                raise
    return server


def _bus_port(server: RedisServer) -> int:
    return server.port + 10_000 if server.port < 55_000 else server.port - 10_000


@contextlib.contextmanager
def running_cluster(directory: Path) -> Iterator[Cluster]:
    """Run a cluster for a block."""
    cluster = Cluster(directory)
    try:
        cluster.start()
        yield cluster
    finally:
        for server in cluster.servers:
            server.stop(signal.SIGKILL)
