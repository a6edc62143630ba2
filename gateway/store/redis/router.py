"""Sends commands to the servers of their keys, and sends them again if another attempt may succeed.

An attempt may fail because the connection was lost, the server lacks the function library, the slot has moved to
another server of the cluster, or a replica is about to replace the primary. The router repairs the cause and sends the
command again, as long as the time limit of a call allows.
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
"""How often a command to a cluster may lose its connection before it fails."""

RETRY_SECONDS = 0.1
"""The pause between two attempts. A slot moves, or a replica takes over, in about that time."""

_SLOT_IS_ELSEWHERE = ("MOVED ", "ASK ", "CLUSTERDOWN", "TRYAGAIN")
"""The beginnings of replies that report that a slot is on another server, or is moving there."""

Failure = ConnectionLostError | ReplyTimeoutError | NotReplicatedError
FAILURES = (ConnectionLostError, ReplyTimeoutError, NotReplicatedError)
"""The exceptions of a request without a reply."""

_Group = tuple[Node, bool]
"""Groups commands by connection: the server, and whether they use its connection for writes."""


class Command(msgspec.Struct, frozen=True):
    """One command, packed."""

    name: str
    """The command's name, or that of its function."""
    key: str | bytes
    packed: bytes
    writes: bool
    """Whether its writes must survive once acknowledged."""
    repeatable: bool
    """Whether it may be sent again after a lost reply."""


class Router:
    """Sends commands to the servers of a topology, and loads the library where it is missing."""

    def __init__(self, topology: Topology, library: Library):
        self._topology = topology
        self._library = library

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands and return the replies in order. An error reply is returned as a ReplyError.

        Raises StoreUnavailableError.
        """
        deadline = asyncio.get_running_loop().time() + self._topology.timeout_seconds
        try:
            return await self._replies(commands, await self._first_replies(commands), deadline)
        except FAILURES as problem:
            raise self._unavailable(problem) from problem

    def begin(self, packed: bytes, writes: bool) -> "asyncio.Future[Any] | None":
        """Send one packed command and return what to await: the reply, which may be a ReplyError, or an exception.

        Return None if there may be several servers, or if there is no connection: use `send`. Pass a ReplyError or one
        of FAILURES to `after_failure`. Nearly always there is one server, and the first attempt succeeds. This takes
        no more steps than that needs.
        """
        sole = self._topology.sole
        if sole is None:
            return None
        return (sole.write_connection if writes else sole.connection).begin(packed)

    async def after_failure(self, command: Command, first: ReplyError | Failure, deadline: float) -> Any:
        """Return the reply to a command as `send` does. `first` is the outcome of `begin`.

        Raises StoreUnavailableError.
        """
        try:
            if isinstance(first, ReplyTimeoutError | NotReplicatedError):
                raise first
            replies = first if isinstance(first, ConnectionLostError) else [first]
            return (await self._replies((command,), replies, deadline))[0]
        except FAILURES as problem:
            raise self._unavailable(problem) from problem

    def _unavailable(self, problem: Failure) -> StoreUnavailableError:
        """Return the exception for a request without a reply, and count it."""
        if self._topology.clustered and not isinstance(problem, NotReplicatedError):
            self._topology.refresh_soon()  # a replica may take over from a server that hangs
        return unavailable(problem)

    async def load(self, node: Node) -> None:
        """Load the library on a server that lacks it.

        Raises ConnectionLostError and ReplyTimeoutError, and StoreUnavailableError if the server refuses the library.
        """
        refusal = await self._load(node)
        if refusal is not None:
            raise failure(refusal)

    async def _load(self, node: Node) -> ReplyError | None:
        """Load the library on a server that lacks it. Return the error reply if the server refuses it."""
        (reply,) = await node.connection.request(pack(("FUNCTION", "LOAD", self._library.code)))
        return reply if isinstance(reply, ReplyError) and "already exists" not in str(reply) else None

    async def _first_replies(self, commands: Sequence[Command]) -> list[Any] | ConnectionLostError | None:
        """Return the outcome of the first attempt on the only server, None if there may be several servers."""
        sole = self._topology.sole
        if sole is None:
            return None
        connection = sole.write_connection if any(command.writes for command in commands) else sole.connection
        try:
            return await connection.request(*(command.packed for command in commands))
        except ConnectionLostError as lost:
            return lost

    async def _replies(
        self, commands: Sequence[Command], first: list[Any] | ConnectionLostError | None, deadline: float
    ) -> list[Any]:
        """Return the replies. `first` is the outcome of an attempt that was made already.

        Raises the last failure if no attempt succeeds in time.
        """
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        losses = 0
        if isinstance(first, ConnectionLostError):
            if asyncio.get_running_loop().time() > deadline or _must_not_repeat(first, commands):
                raise first  # a hung server accepts connections, and each attempt would last as long as a call may take
            losses = 1  # the connection was lost before, or the server stopped: another attempt may succeed
        elif first is not None:
            replies = first
            left = [index for index, reply in enumerate(replies) if _is_retryable(reply, clustered=False)]
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
        """Fill in the replies that arrive. Return the indexes of the commands to send again, and the lost connection.

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
        """Repair the cause of an error reply. Return the index of the command if it must be sent again."""
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
            node.close()  # no longer a primary: Sentinel or DNS names the new one to the next connection
        elif _lacks_library(replies[index]):
            # The server is new or restored, or the library was deleted as unused: functions are part of its data.
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
    """Send to several servers at once. A lost connection has a ConnectionLostError in place of its replies.

    Raises ReplyTimeoutError and NotReplicatedError after all servers have replied or failed.
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
    """Return whether another attempt, perhaps on another server, may succeed."""
    if not isinstance(reply, ReplyError):
        return False
    return (clustered and str(reply).startswith(_SLOT_IS_ELSEWHERE)) or _is_replica(reply) or _lacks_library(reply)


def _is_replica(reply: ReplyError) -> bool:
    return str(reply).startswith("READONLY")


def _lacks_library(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and "Function not found" in str(reply)


def _must_not_repeat(problem: ConnectionLostError, commands: Sequence[Command]) -> bool:
    """Return whether a command that must not be sent again may have been run."""
    return isinstance(problem, ReplyLostError) and not all(command.repeatable for command in commands)


def unavailable(problem: Failure) -> StoreUnavailableError:
    """Return the exception for a request without a reply, and count it."""
    REDIS_ERRORS.inc()
    if isinstance(problem, ConnectionRejectedError):
        return store_error(problem.reply)
    return StoreUnavailableError(detail=str(problem))


def failure(reply: ReplyError) -> StoreUnavailableError:
    """Return the exception for an error reply, and count it."""
    REDIS_ERRORS.inc()
    return store_error(str(reply))
