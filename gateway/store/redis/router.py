"""Sends commands to the servers of their keys, and sends again what another attempt may complete.

A call may meet a connection that died unnoticed, a server without the function library, a slot of a cluster that has
moved, or a primary whose replica is about to take over. Each of these is repaired, and the command is sent again, for
as long as one call may take.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.store.redis.connection import NotReplicatedError, ReplyTimeoutError
from gateway.store.redis.library import Library
from gateway.store.redis.problems import StoreUnavailableError, store_error
from gateway.store.redis.protocol import ConnectionLostError, ConnectionRejectedError, ReplyError, ReplyLostError, pack
from gateway.store.redis.topology import Node, Topology
from gateway.telemetry.metrics import REDIS_ERRORS

ATTEMPTS = 5
"""How many connections a command of a cluster may lose before it fails."""

RETRY_SECONDS = 0.1
"""Between two attempts: slots move, and a replica takes over, in about that time."""

_SLOT_IS_ELSEWHERE = ("MOVED ", "ASK ", "CLUSTERDOWN", "TRYAGAIN")
"""How the replies of a cluster begin that report that a slot is on another server, or about to be."""

_Trouble = ConnectionLostError | ReplyTimeoutError | NotReplicatedError
_TROUBLE = (ConnectionLostError, ReplyTimeoutError, NotReplicatedError)

_Group = tuple[Node, bool]
"""The commands for one server that use the same connection: the one that writes, or the one that reads."""


class Command(msgspec.Struct, frozen=True):
    """One command, packed."""

    name: str
    """The command's name, or that of its function."""
    key: str | bytes
    packed: bytes
    writes: bool
    """It writes what must last once it is acknowledged."""
    repeatable: bool
    """It may be sent again after a lost reply."""


class Router:
    """Sends commands to the servers of a topology, and loads the library where it is missing."""

    def __init__(self, topology: Topology, library: Library):
        self._topology = topology
        self._library = library

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, ReplyErrors among them. Raises StoreUnavailableError."""
        try:
            return await self._replies(commands)
        except _TROUBLE as problem:
            if self._topology.clustered and not isinstance(problem, NotReplicatedError):
                self._topology.refresh_soon()  # a replica may take over from a server that hangs
            raise unavailable(problem) from problem

    async def load(self, node: Node) -> None:
        """Load the library on a server that lacks it.

        Raises ConnectionLostError and ReplyTimeoutError, and StoreUnavailableError when the server refuses it.
        """
        refusal = await self._load(node)
        if refusal is not None:
            raise failure(refusal)

    async def _load(self, node: Node) -> ReplyError | None:
        """Load the library on a server that lacks it; return the error reply of one that refuses it."""
        (reply,) = await node.connection.request(pack(("FUNCTION", "LOAD", self._library.code)))
        return reply if isinstance(reply, ReplyError) and "already exists" not in str(reply) else None

    async def _replies(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies. Raises the last problem when attempts do not help in time."""
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        losses = 0
        deadline = asyncio.get_running_loop().time() + self._topology.timeout_seconds
        sole = self._topology.sole
        if sole is not None:
            # One server and one attempt is nearly always all there is to do.
            connection = sole.write_connection if any(command.writes for command in commands) else sole.connection
            try:
                replies = await connection.request(*(command.packed for command in commands))
                left = [index for index, reply in enumerate(replies) if _is_retryable(reply, clustered=False)]
            except ConnectionLostError as lost:
                if asyncio.get_running_loop().time() > deadline or _must_not_repeat(lost, commands):
                    raise  # a server that hangs accepts connections, and each would wait as long as a call may take
                losses = 1  # the connection died unnoticed, or the server did: try once more
        while left:
            left, problem = await self._attempt(commands, left, replies)
            late = asyncio.get_running_loop().time() > deadline
            if problem is not None:
                losses += 1
                most = ATTEMPTS if self._topology.clustered else 2
                if late or losses >= most or _must_not_repeat(problem, [commands[index] for index in left]):
                    raise problem
                await self._refresh()
            elif late:
                break
            if left and (problem is None or losses > 1):
                await asyncio.sleep(RETRY_SECONDS)
        return replies

    async def _attempt(
        self, commands: Sequence[Command], left: Sequence[int], replies: list[Any]
    ) -> tuple[list[int], ConnectionLostError | None]:
        """Fill in the replies that arrive; return the indexes that are worth another attempt, and the lost connection.

        Raises ReplyTimeoutError and NotReplicatedError.
        """
        if not self._topology.nodes:
            try:
                await self._topology.refresh()
            except ConnectionLostError as problem:
                return list(left), problem
        groups: dict[_Group, list[int]] = {}
        for index in left:
            node = self._topology.node_of(commands[index].key)
            assert node is not None, "the slot map is known by now"
            groups.setdefault((node, commands[index].writes), []).append(index)
        again: list[int] = []
        lost: ConnectionLostError | None = None
        for (node, writes), indexes, found in await _send_groups(groups, commands):
            if isinstance(found, ConnectionLostError):
                lost = found
                again += indexes
                continue
            for index, reply in zip(indexes, found, strict=True):
                replies[index] = reply
                if _is_retryable(reply, self._topology.clustered):
                    again += await self._repair(node, writes, index, commands, replies)
        return again, lost

    async def _repair(
        self, node: Node, writes: bool, index: int, commands: Sequence[Command], replies: list[Any]
    ) -> list[int]:
        """Act on an error reply before the next attempt; return the index again unless that completed the command."""
        reply = str(replies[index])
        if reply.startswith("ASK "):
            target = self._topology.redirected(reply, node)
            connection = target.write_connection if writes else target.connection
            (_, replies[index]) = await connection.request(pack(("ASKING",)), commands[index].packed)
            if not _is_retryable(replies[index], clustered=True):
                return []
            if _lacks_library(replies[index]):
                await self.load(target)
        elif reply.startswith("MOVED "):
            self._topology.redirected(reply, node)
            self._topology.refresh_soon()
        elif reply.startswith("CLUSTERDOWN"):
            await self._refresh()
        elif _is_replica(replies[index]):
            node.close()  # it is no primary any more: Sentinel, or a name in DNS, knows another
        elif _lacks_library(replies[index]):
            # A fresh or restored server, or one whose library was deleted as unused: functions are data.
            refusal = await self._load(node)
            if refusal is not None and not _is_replica(refusal):
                raise failure(refusal)
            if refusal is not None:
                replies[index] = refusal
                node.close()
        return [index]

    async def _refresh(self) -> None:
        with contextlib.suppress(ConnectionLostError):
            await self._topology.refresh()


async def _send_groups(
    groups: Mapping[_Group, Sequence[int]], commands: Sequence[Command]
) -> list[tuple[_Group, Sequence[int], list[Any] | ConnectionLostError]]:
    """Send to several servers at once; a lost connection takes the place of its server's replies.

    Raises ReplyTimeoutError and NotReplicatedError, once all servers are through.
    """
    requests = [
        (node.write_connection if writes else node.connection).request(*(commands[index].packed for index in indexes))
        for (node, writes), indexes in groups.items()
    ]
    results = await asyncio.gather(*requests, return_exceptions=True)
    found: list[tuple[_Group, Sequence[int], list[Any] | ConnectionLostError]] = []
    for (group, indexes), result in zip(groups.items(), results, strict=True):
        if isinstance(result, BaseException) and not isinstance(result, ConnectionLostError):
            raise result
        found.append((group, indexes, result))
    return found


def _is_retryable(reply: Any, clustered: bool) -> bool:
    """Return whether another attempt, perhaps on another server, may bring a better reply."""
    if not isinstance(reply, ReplyError):
        return False
    return (clustered and str(reply).startswith(_SLOT_IS_ELSEWHERE)) or _is_replica(reply) or _lacks_library(reply)


def _is_replica(reply: ReplyError) -> bool:
    return str(reply).startswith("READONLY")


def _lacks_library(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and "Function not found" in str(reply)


def _must_not_repeat(problem: ConnectionLostError, commands: Sequence[Command]) -> bool:
    """Return whether a command may have been done that must not be sent again."""
    return isinstance(problem, ReplyLostError) and not all(command.repeatable for command in commands)


def unavailable(problem: _Trouble) -> StoreUnavailableError:
    """Return the exception for a request without a reply, and count it."""
    REDIS_ERRORS.inc()
    if isinstance(problem, ConnectionRejectedError):
        return store_error(problem.reply)
    return StoreUnavailableError(detail=str(problem))


def failure(reply: ReplyError) -> StoreUnavailableError:
    """Return the exception for an error reply, and count it."""
    REDIS_ERRORS.inc()
    return store_error(str(reply))
