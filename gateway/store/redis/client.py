"""One way to call Redis: a versioned function, one round trip, one kind of failure."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.store.redis import library
from gateway.store.redis.connection import NotReplicatedError, ReplyTimeoutError
from gateway.store.redis.problems import BrokenRecords, StoreDataError, explained
from gateway.store.redis.problems import StoreUnavailableError as StoreUnavailableError
from gateway.store.redis.protocol import Argument as Argument
from gateway.store.redis.protocol import ConnectionLostError, ConnectionRejectedError, ReplyError, ReplyLostError, pack
from gateway.store.redis.topology import Node, Topology, generation_key, slot_of
from gateway.telemetry.metrics import REDIS_CALLS, REDIS_ERRORS

_ELSEWHERE = ("MOVED ", "ASK ", "CLUSTERDOWN", "TRYAGAIN")
"""How a cluster's replies begin that say that a slot is somewhere else, or about to be."""

ATTEMPTS = 5
"""How often in a cluster a server is looked for that cannot be reached, before a call fails."""

RETRY_SECONDS = 0.1
"""Between two attempts of a call, which go on as long as one call may take: slots move, a replica takes over."""

CALLS_AT_ONCE = 256
"""Of many calls that nobody waits for: what others want comes in between (some 2 ms)."""

_MOST_NODES = 1024
"""Primaries that a scan can tell apart; Redis advises against more in a cluster."""

_UNREPLICATED = frozenset(("GET", "HGETALL", "HSCAN", "HVALS", "HMGET", "HEXISTS", "HLEN", "EXISTS", "SPUBLISH"))
"""Commands of Redis's own that write nothing."""

Call = tuple[str, str, Sequence[Argument]]
"""A function of the library, the key that names its slot, its arguments."""


class _Command(NamedTuple):
    """Its name or its function's, the key of its slot, all of it packed, and whether it writes what must last."""

    name: str
    key: str | bytes
    packed: bytes
    writes: bool


_Trouble = ConnectionLostError | ReplyTimeoutError | NotReplicatedError
_TROUBLE = (ConnectionLostError, ReplyTimeoutError, NotReplicatedError)


class FunctionClient:
    """Calls the gateway's Redis functions, loading them where they are missing.

    Of a cluster, a call goes to the server of its key, follows where that has moved, and is tried again for a moment
    while a replica takes over.
    """

    def __init__(self, topology: Topology):
        self.topology = topology
        self._counters: dict[str, Any] = {}
        self._broken = BrokenRecords()
        self.on_unpublished: Callable[[str], None] = lambda key: None
        """Told the key of a user of whom an event could not be published."""
        self.refusal: Callable[[], StoreUnavailableError | None] = lambda: None
        """Return why nothing may be asked now."""

    async def call(self, function: str, key: str, *arguments: Argument) -> Any:
        """Run one function in the slot of `key`. Raises StoreUnavailableError."""
        return (await self.call_many([(function, key, arguments)]))[0]

    async def call_many(self, calls: Sequence[Call]) -> list[Any]:
        """Run several functions in one round trip; each is atomic, together they are not.

        Raises StoreUnavailableError; some of the calls may have run by then.
        """
        if not calls:
            return []
        self._check_refusal()
        return await self._run([self._function(call) for call in calls])

    async def call_each(self, calls: Sequence[Call]) -> list[Any | StoreDataError]:
        """Run several functions as `call_many` does; in place of an answer stands what is wrong with a record.

        Raises StoreUnavailableError for any other trouble.
        """
        if not calls:
            return []
        self._check_refusal()
        return await self._run([self._function(call) for call in calls], spare_broken=True)

    async def command(self, *words: Argument) -> Any:
        """Run a command of Redis's own, whose first argument is its key. Raises StoreUnavailableError."""
        return (await self.commands(words))[0]

    async def commands(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """Run commands of Redis's own in one round trip, whose first argument is their key each.

        Raises StoreUnavailableError; some of them may have run by then.
        """
        if commands and commands[0][0] != "SPUBLISH":
            self._check_refusal()
        return await self._run(
            [
                _Command(str(command[0]), _key(command), pack(command), command[0] not in _UNREPLICATED)
                for command in commands
            ]
        )

    async def scan(self, cursor: int, pattern: str, count: int) -> tuple[int, list[bytes]]:
        """Look at some keys, wherever they are; give where to go on, 0 after the last. Raises StoreUnavailableError.

        What comes or moves meanwhile may be missed.
        """
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
            nodes = sorted(self.topology.nodes, key=lambda node: node.name)
            inner, number = divmod(cursor, _MOST_NODES)
            if number >= len(nodes):  # there were more at the last step
                return 0, []
            command = pack(("SCAN", inner, "MATCH", pattern, "COUNT", count))
            (reply,) = await nodes[number].connection.request(command)
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            raise unavailable(problem) from problem
        if isinstance(reply, ReplyError):
            raise _failure(reply)
        following = int(reply[0])
        if following:
            return following * _MOST_NODES + number, reply[1]
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
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            raise unavailable(problem) from problem

    async def note_generation(self, node: Node) -> None:
        """Have a server that was promoted keep that in its data, for after a restart. Raises StoreUnavailableError."""
        calls: list[Call] = [("note_life", key, ()) for key in self.topology.generation_keys(node)]
        if any(await self.call_many(calls[:1])):  # else it never was a replica, and there is nothing to keep
            for first in range(1, len(calls), CALLS_AT_ONCE):
                await self.call_many(calls[first : first + CALLS_AT_ONCE])

    async def info(self, section: str) -> dict[str, dict[str, str]]:
        """Give what each server says of itself. Raises StoreUnavailableError."""
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
            found = {}
            for node in self.topology.nodes:
                (reply,) = await node.connection.request(pack(("INFO", section)))
                if isinstance(reply, ReplyError):
                    raise _failure(reply)
                lines = [line.partition(":") for line in reply.decode().splitlines()]
                found[node.name] = {name: value for name, colon, value in lines if colon}
            return found
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            raise unavailable(problem) from problem

    def close(self) -> None:
        """Drop every connection."""
        self.topology.close()

    def _function(self, call: Call) -> _Command:
        function, key, arguments = call
        self._count(function)
        packed = pack(("FCALL", library.qualified(function), *self._names(key), *arguments))
        return _Command(function, key, packed, function in library.RECORDING)

    async def _run(self, commands: Sequence[_Command], spare_broken: bool = False) -> list[Any]:
        """Send each command to the server of its key, again where that moved or has to learn the library first."""
        try:
            replies = await self._answers(commands)
        except _TROUBLE as problem:
            if self.topology.clustered and not isinstance(problem, NotReplicatedError):
                self.topology.refresh_soon()  # a replica may take over from who hangs
            raise unavailable(problem) from problem
        for reply in replies:
            if isinstance(reply, ReplyError):
                return self._without_errors(commands, replies, spare_broken)
        return replies

    def _without_errors(self, commands: Sequence[_Command], replies: list[Any], spare_broken: bool) -> list[Any]:
        """Raise what the first error means; of those that may be spared, put that in their place."""
        for index, reply in enumerate(replies):
            if isinstance(reply, ReplyError):
                failure = _failure(reply)
                if isinstance(failure, StoreDataError):
                    self._broken.report(commands[index].name, commands[index].key, failure)
                    if spare_broken:
                        replies[index] = failure
                        continue
                raise failure
        return replies

    async def _answers(self, commands: Sequence[_Command]) -> list[Any]:
        """Give the replies. Raises what went wrong last, when it does not get better in time."""
        replies: list[Any] = [None] * len(commands)
        left = list(range(len(commands)))
        losses = 0
        deadline = asyncio.get_running_loop().time() + self.topology.timeout_seconds
        sole = self.topology.sole
        if sole is not None:
            # Nearly always all there is to do.
            connection = sole.write_connection if any(command.writes for command in commands) else sole.connection
            try:
                replies = await connection.request(*(command.packed for command in commands))
                left = [index for index, reply in enumerate(replies) if _is_worth_another(reply, clustered=False)]
            except ConnectionLostError as lost:
                if asyncio.get_running_loop().time() > deadline or _may_be_done(lost, commands):
                    raise  # a server that hangs takes connections, and lets them wait as long as a call may
                losses = 1  # a connection that died unnoticed, or a server: once more
        while left:
            left, problem = await self._attempt(commands, left, replies)
            late = asyncio.get_running_loop().time() > deadline
            if problem is not None:
                losses += 1
                most = ATTEMPTS if self.topology.clustered else 2
                if late or losses >= most or _may_be_done(problem, [commands[index] for index in left]):
                    raise problem
                await self._refresh()
            elif late:
                break
            if left and (problem is None or losses > 1):
                await asyncio.sleep(RETRY_SECONDS)
        return replies

    async def _attempt(
        self, commands: Sequence[_Command], left: Sequence[int], replies: list[Any]
    ) -> tuple[list[int], ConnectionLostError | None]:
        """Fill in what replies come; give the indexes of those that are worth another attempt, and what was lost.

        Raises ReplyTimeoutError and NotReplicatedError.
        """
        if not self.topology.nodes:
            try:
                await self.topology.refresh()
            except ConnectionLostError as problem:
                return list(left), problem
        by_server: dict[tuple[Node, bool], list[int]] = {}
        for index in left:
            node = self.topology.node_of(commands[index].key)
            assert node is not None, "the map of slots is known by now"
            by_server.setdefault((node, commands[index].writes), []).append(index)
        again: list[int] = []
        lost: ConnectionLostError | None = None
        for (node, writes), indexes, answers in await _ask_all(by_server, commands):
            if isinstance(answers, ConnectionLostError):
                lost = answers
                again += indexes
                continue
            for index, answer in zip(indexes, answers, strict=True):
                replies[index] = answer
                if _is_worth_another(answer, self.topology.clustered):
                    again += await self._follow(node, writes, index, commands, replies)
        return again, lost

    async def _follow(
        self, node: Node, writes: bool, index: int, commands: Sequence[_Command], replies: list[Any]
    ) -> list[int]:
        """Do what a reply says has to be done first; give the index again unless that was all."""
        reply = str(replies[index])
        if reply.startswith("ASK "):
            target = self.topology.redirected(reply, node)
            connection = target.write_connection if writes else target.connection
            (_, replies[index]) = await connection.request(pack(("ASKING",)), commands[index].packed)
            if not _is_worth_another(replies[index], clustered=True):
                return []
            if _is_missing(replies[index]):
                await _load(target)
        elif reply.startswith("MOVED "):
            self.topology.redirected(reply, node)
            self.topology.refresh_soon()
        elif reply.startswith("CLUSTERDOWN"):
            await self._refresh()
        elif reply.startswith("READONLY"):
            node.close()  # no primary any more: Sentinel, or a name in DNS, knows another
        elif _is_missing(replies[index]):
            # A fresh or restored server: functions are data, and this one's are gone.
            await _load(node)
        return [index]

    def _names(self, key: str) -> tuple[Argument, ...]:
        """Give the keys of a function, after their number."""
        if not self.topology.clustered:
            return (1, key)
        # While a cluster moves a slot key by key, a function would find some of its keys gone in the middle of its
        # work. Of several keys, one of which never exists, the server knows before: it answers TRYAGAIN until all is
        # where it belongs.
        return (3, key, f"{key}:never", generation_key(slot_of(key)))

    async def _refresh(self) -> None:
        with contextlib.suppress(ConnectionLostError):
            await self.topology.refresh()

    def _check_refusal(self) -> None:
        refusal = self.refusal()
        if refusal is not None:
            raise refusal

    def _count(self, function: str) -> None:
        counter = self._counters.get(function)
        if counter is None:
            counter = self._counters[function] = REDIS_CALLS.labels(function)
        counter.inc()


async def _ask_all(
    by_server: Mapping[tuple[Node, bool], Sequence[int]], commands: Sequence[_Command]
) -> list[tuple[tuple[Node, bool], Sequence[int], list[Any] | ConnectionLostError]]:
    """Ask several servers together; what one of them lost is given in place of its answers.

    Raises ReplyTimeoutError and NotReplicatedError, once all are through.
    """
    requests = [
        (node.write_connection if writes else node.connection).request(*(commands[index].packed for index in indexes))
        for (node, writes), indexes in by_server.items()
    ]
    answers = await asyncio.gather(*requests, return_exceptions=True)
    found: list[tuple[tuple[Node, bool], Sequence[int], list[Any] | ConnectionLostError]] = []
    for (server, indexes), answer in zip(by_server.items(), answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, ConnectionLostError):
            raise answer
        found.append((server, indexes, answer))
    return found


def _is_worth_another(reply: Any, clustered: bool) -> bool:
    """Whether another attempt, perhaps elsewhere, may get a better reply."""
    if not isinstance(reply, ReplyError):
        return False
    text = str(reply)
    return (clustered and text.startswith(_ELSEWHERE)) or text.startswith("READONLY") or _is_missing(reply)


def _may_be_done(problem: ConnectionLostError, commands: Sequence[_Command]) -> bool:
    """Whether some of these may have been done, and would answer a repetition that there was nothing to do."""
    return isinstance(problem, ReplyLostError) and any(command.name in library.NOT_REPEATED for command in commands)


async def _load(node: Node) -> None:
    (reply,) = await node.connection.request(pack(("FUNCTION", "LOAD", library.CODE)))
    if isinstance(reply, ReplyError) and "already exists" not in str(reply):
        raise _failure(reply)


def _key(command: tuple[Argument, ...]) -> str | bytes:
    key = command[1]
    assert isinstance(key, str | bytes), "a key is text or bytes"
    return key


def _is_missing(reply: Any) -> bool:
    return isinstance(reply, ReplyError) and "Function not found" in str(reply)


def unavailable(problem: _Trouble) -> StoreUnavailableError:
    """Return what to raise when there was no answer."""
    REDIS_ERRORS.inc()
    if isinstance(problem, ConnectionRejectedError):
        return explained(problem.reply)
    return StoreUnavailableError(detail=str(problem))


def _failure(reply: ReplyError) -> StoreUnavailableError:
    REDIS_ERRORS.inc()
    return explained(str(reply))
