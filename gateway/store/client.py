"""One way to call Redis: a versioned function, one round trip, one kind of failure."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.store import library
from gateway.store.link import LinkTimeoutError
from gateway.store.topology import Node, Topology
from gateway.store.wire import Argument as Argument
from gateway.store.wire import ReplyError, WireLostError, pack
from gateway.telemetry import REDIS_CALLS, REDIS_ERRORS

_REFUSED = (
    *("OOM ", "NOREPLICAS", "MISCONF", "MASTERDOWN", "UNKILLABLE", "BUSY "),
    *("LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MOVED ", "ASK ", "Function not found"),
)
"""How replies begin, or say inside a function's, when the server is there but cannot do it now."""

ATTEMPTS = 5
RETRY_SECONDS = 0.1
"""How often and how far apart a call is tried while a cluster's slots move or a replica takes over."""

Call = tuple[str, str, Sequence[Argument]]
"""A function of the library, the key that names its slot, its arguments."""


_Command = tuple[str | bytes, bytes]
"""The key that names a command's slot, and the command, packed."""


class StoreUnavailableError(Exception):
    """Redis cannot be reached or cannot write now. What was asked may or may not have happened."""


class StoreFullError(StoreUnavailableError):
    """Redis has no memory left to write; it can still read."""


class FunctionClient:
    """Calls the gateway's Redis functions, loading them where they are missing.

    Of a cluster, a call goes to the server of its key, follows where that has moved, and is tried again for a moment
    while a replica takes over.
    """

    def __init__(self, topology: Topology):
        self.topology = topology
        self._counters: dict[str, Any] = {}

    async def call(self, function: str, key: str, *arguments: Argument) -> Any:
        """Run one function in the slot of `key`. Raises StoreUnavailableError."""
        return (await self.call_many([(function, key, arguments)]))[0]

    async def call_many(self, calls: Sequence[Call]) -> list[Any]:
        """Run several functions in one round trip; each is atomic, together they are not.

        Raises StoreUnavailableError; some of the calls may have run by then.
        """
        if not calls:
            return []
        commands: list[_Command] = []
        for function, key, arguments in calls:
            self._count(function)
            commands.append((key, pack(("FCALL", library.qualified(function), 1, key, *arguments))))
        return await self._run(commands)

    async def command(self, *words: Argument) -> Any:
        """Run a command of Redis's own, whose first argument is its key. Raises StoreUnavailableError."""
        return (await self.commands(words))[0]

    async def commands(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """Run commands of Redis's own in one round trip, whose first argument is their key each.

        Raises StoreUnavailableError; some of them may have run by then.
        """
        return await self._run([(_key(command), pack(command)) for command in commands])

    async def scan(self, cursor: int, pattern: str, count: int) -> tuple[int, list[bytes]]:
        """Look at some keys, wherever they are; give where to go on, 0 after the last. Raises StoreUnavailableError.

        What comes or moves meanwhile may be missed.
        """
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
            nodes = sorted(self.topology.nodes, key=lambda node: node.name)
            inner, number = divmod(cursor, len(nodes))
            command = pack(("SCAN", inner, "MATCH", pattern, "COUNT", count))
            (reply,) = await nodes[number].link.request(command)
        except (WireLostError, LinkTimeoutError) as problem:
            raise _unavailable(problem) from problem
        if isinstance(reply, ReplyError):
            raise _failure(reply)
        following = int(reply[0])
        if following:
            return following * len(nodes) + number, reply[1]
        return (number + 1) % len(nodes), reply[1]

    async def publish(self, channel: str, message: bytes) -> None:
        """Publish on a sharded channel. Raises StoreUnavailableError."""
        await self.command("SPUBLISH", channel, message)

    async def load(self) -> None:
        """Load the library on every server that has it not. Raises StoreUnavailableError."""
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
            for node in self.topology.nodes:
                await _load(node)
        except (WireLostError, LinkTimeoutError) as problem:
            raise _unavailable(problem) from problem

    async def info(self, section: str) -> dict[str, dict[str, str]]:
        """Give what each server says of itself. Raises StoreUnavailableError."""
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
            found = {}
            for node in self.topology.nodes:
                (reply,) = await node.link.request(pack(("INFO", section)))
                if isinstance(reply, ReplyError):
                    raise _failure(reply)
                lines = [line.partition(":") for line in reply.decode().splitlines()]
                found[node.name] = {name: value for name, colon, value in lines if colon}
            return found
        except (WireLostError, LinkTimeoutError) as problem:
            raise _unavailable(problem) from problem

    def close(self) -> None:
        """Drop every connection."""
        self.topology.close()

    async def _run(self, commands: Sequence[_Command]) -> list[Any]:
        """Send each command to the server of its key, again where that moved or has to learn the library first."""
        try:
            replies = await self._answers(commands)
        except (WireLostError, LinkTimeoutError) as problem:
            raise _unavailable(problem) from problem
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise _failure(reply)
        return replies

    async def _answers(self, commands: Sequence[_Command]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        if self.topology.sole is not None:
            # Nearly always all there is to do.
            with contextlib.suppress(WireLostError):
                replies = await self.topology.sole.link.request(*(packed for _, packed in commands))
                left = [index for index, reply in enumerate(replies) if isinstance(reply, ReplyError)]
        lost = 0
        for attempt in range(ATTEMPTS):
            if not left:
                break
            if attempt > 1:
                await asyncio.sleep(RETRY_SECONDS)
            try:
                left = await self._attempt(commands, left, replies)
            except WireLostError:
                # A connection that died unnoticed, or a server. Every function may be repeated safely: it compares
                # before it sets.
                lost += 1
                if lost == ATTEMPTS or (lost == 2 and not self.topology.clustered):
                    raise
                await self._refresh()
        return replies

    async def _attempt(self, commands: Sequence[_Command], left: list[int], replies: list[Any]) -> list[int]:
        """Fill in what replies come; give the indexes of those that are worth another attempt."""
        if not self.topology.nodes:
            await self.topology.refresh()
        by_node: dict[Node, list[int]] = {}
        for index in left:
            node = self.topology.node_of(commands[index][0])
            assert node is not None, "the map of slots is known by now"
            by_node.setdefault(node, []).append(index)
        again: list[int] = []
        moved = False
        for node, indexes, answers in await _ask_all(by_node, commands):
            for index, answer in zip(indexes, answers, strict=True):
                replies[index] = answer
                if not isinstance(answer, ReplyError):
                    continue
                kind, _, rest = str(answer).partition(" ")
                if kind == "ASK":
                    target = self.topology.node_named(rest.rpartition(" ")[2])
                    (_, replies[index]) = await target.link.request(pack(("ASKING",)), commands[index][1])
                    if _is_missing(replies[index]):
                        await _load(target)
                        again.append(index)
                elif kind in ("MOVED", "CLUSTERDOWN", "TRYAGAIN") and self.topology.clustered:
                    moved = True
                    again.append(index)
                elif kind == "READONLY":
                    node.link.close()  # no primary any more: Sentinel, or a name in DNS, knows another
                    again.append(index)
                elif _is_missing(answer):
                    # A fresh or restored server: functions are data, and this one's are gone.
                    await _load(node)
                    again.append(index)
        if moved:
            await self._refresh()
        return again

    async def _refresh(self) -> None:
        with contextlib.suppress(WireLostError):
            await self.topology.refresh()

    def _count(self, function: str) -> None:
        counter = self._counters.get(function)
        if counter is None:
            counter = self._counters[function] = REDIS_CALLS.labels(function)
        counter.inc()


async def _ask_all(
    by_node: Mapping[Node, Sequence[int]], commands: Sequence[_Command]
) -> list[tuple[Node, Sequence[int], list[Any]]]:
    if len(by_node) == 1:
        ((node, indexes),) = by_node.items()
        return [(node, indexes, await node.link.request(*(commands[index][1] for index in indexes)))]
    requests = (node.link.request(*(commands[index][1] for index in indexes)) for node, indexes in by_node.items())
    answers = await asyncio.gather(*requests)
    return [(node, indexes, answer) for (node, indexes), answer in zip(by_node.items(), answers, strict=True)]


async def _load(node: Node) -> None:
    (reply,) = await node.link.request(pack(("FUNCTION", "LOAD", library.CODE)))
    if isinstance(reply, ReplyError) and "already exists" not in str(reply):
        raise _failure(reply)


def _key(command: tuple[Argument, ...]) -> str | bytes:
    key = command[1]
    assert isinstance(key, str | bytes), "a key is text or bytes"
    return key


def _is_missing(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and "Function not found" in str(reply)


def _unavailable(problem: Exception) -> StoreUnavailableError:
    REDIS_ERRORS.inc()
    return StoreUnavailableError(str(problem))


def _failure(reply: ReplyError) -> Exception:
    text = str(reply)
    if not any(word in text for word in _REFUSED):
        return reply
    REDIS_ERRORS.inc()
    kind, _, _ = text.partition(" ")
    return (StoreFullError if "OOM " in text else StoreUnavailableError)(kind)
