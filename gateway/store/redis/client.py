"""The client through which all stores call Redis: functions of the library, and some of Redis's own commands."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from gateway.store.redis.connection import ReplyTimeoutError
from gateway.store.redis.functions import AnyFunction, FunctionCall
from gateway.store.redis.library import Library
from gateway.store.redis.problems import BrokenRecords, StoreDataError
from gateway.store.redis.problems import StoreUnavailableError as StoreUnavailableError
from gateway.store.redis.protocol import Argument as Argument
from gateway.store.redis.protocol import ConnectionLostError, ReplyError, pack
from gateway.store.redis.router import FAILURES, Command, Failure, Router, failure, unavailable
from gateway.store.redis.topology import Node, Topology, generation_key, slot_of
from gateway.telemetry.metrics import REDIS_CALLS
from gateway.telemetry.tallies import Tally

CALLS_AT_ONCE = 256
"""How many calls of a background task are sent together (some 2 ms), so that other calls run in between."""

_MAX_NODES = 1024
"""The maximum number of primaries that the cursor of a scan can encode. Redis advises against more in a cluster."""

MEMORY_USAGE = "MEMORY USAGE"

_READING = frozenset(
    (
        *(
            "EXISTS",
            "GET",
            "GETRANGE",
            "LRANGE",
            "MGET",
            "SPUBLISH",
            "STRLEN",
            "TTL",
            "XLEN",
            "XREVRANGE",
            MEMORY_USAGE,
        ),
        *("HEXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "HSCAN", "HVALS"),
        *("SCARD", "SMEMBERS", "SRANDMEMBER", "SSCAN", "ZCOUNT", "ZRANDMEMBER", "ZRANGE", "ZSCAN", "ZSCORE"),
    )
)
"""Redis's own commands that write nothing."""

R = TypeVar("R")


class _Registered(NamedTuple):
    """The parts of a call that are the same for every call of a function."""

    qualified_name: str
    calls: Tally
    durable: bool
    repeatable: bool


class FunctionClient:
    """Calls the gateway's Redis functions, and loads them where they are missing.

    In a cluster, a call is sent to the server of its key, and again to the new server if the slot has moved. While a
    replica takes over, it is repeated for a moment.
    """

    def __init__(self, topology: Topology, library: Library):
        self.topology = topology
        self.library = library
        self._router = Router(topology, library)
        self._registered: dict[str, _Registered] = {}
        self._broken = BrokenRecords()
        self.on_unpublished: Callable[[str], None] = lambda key: None
        """Called with the key of a user for whom an event could not be published."""
        self.refusal: Callable[[], StoreUnavailableError | None] = lambda: None
        """Returns the exception to raise instead of sending a call, or None."""

    async def call(self, call: FunctionCall[R]) -> R:
        """Run one function and return its decoded reply. Raises StoreUnavailableError."""
        if (refusal := self.refusal()) is not None:
            raise refusal
        deadline = asyncio.get_running_loop().time() + self.topology.timeout_seconds
        registered, packed = self._packed(call)
        # Without a `Command` and a coroutine of the router in between, this saves 0.7 µs (measured).
        awaited = self._router.begin(packed, registered.durable)
        if awaited is None:
            (reply,) = await self._router.send((self._command(call, registered, packed),))
        else:
            first: ReplyError | Failure
            try:
                reply = await awaited
                if type(reply) is not ReplyError:
                    return call.function.decode(reply)
                first = reply
            except FAILURES as problem:
                first = problem
            reply = await self._router.after_failure(self._command(call, registered, packed), first, deadline)
        if isinstance(reply, ReplyError):
            raise self._problem(call.function.name, call.key, reply)
        return call.function.decode(reply)

    async def call_many(self, calls: Sequence[FunctionCall[R]]) -> list[R]:
        """Run several functions in one round trip and return their decoded replies. Only each one by itself is atomic.

        Raises StoreUnavailableError; some of the calls may have run by then.
        """
        if not calls:
            return []
        self._check_refusal()
        commands = [self._command(call, *self._packed(call)) for call in calls]
        found: list[R] = []
        for index, reply in enumerate(await self._router.send(commands)):
            if isinstance(reply, ReplyError):
                raise self._problem(commands[index].name, commands[index].key, reply)
            found.append(calls[index].function.decode(reply))
        return found

    async def call_each(self, calls: Sequence[FunctionCall[R]]) -> list[R | StoreDataError]:
        """Run several functions as `call_many` does, and return a StoreDataError in place of each broken record.

        Raises StoreUnavailableError for any other problem.
        """
        if not calls:
            return []
        self._check_refusal()
        commands = [self._command(call, *self._packed(call)) for call in calls]
        found: list[R | StoreDataError] = []
        for call, command, reply in zip(calls, commands, await self._router.send(commands), strict=True):
            if isinstance(reply, ReplyError):
                problem = self._problem(command.name, command.key, reply)
                if not isinstance(problem, StoreDataError):
                    raise problem
                found.append(problem)
            else:
                found.append(call.function.decode(reply))
        return found

    async def command(self, *words: Argument) -> Any:
        """Run one of Redis's own commands and return its reply. The first argument is the key.

        Raises StoreUnavailableError.
        """
        return (await self.commands(words))[0]

    async def commands(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """Run some of Redis's own commands in one round trip and return their replies.

        The first argument of each is its key. Raises StoreUnavailableError; some of the commands may have run by then.
        """
        if commands and commands[0][0] != "SPUBLISH":
            self._check_refusal()
        packed = [
            Command(str(words[0]), _key(words), _packed(words), words[0] not in _READING, repeatable=True)
            for words in commands
        ]
        replies = await self._router.send(packed)
        for command, reply in zip(packed, replies, strict=True):
            if isinstance(reply, ReplyError):
                raise self._problem(command.name, command.key, reply)
        return replies

    async def scan(self, cursor: int, pattern: str, count: int) -> tuple[int, list[bytes]]:
        """Scan some keys of all servers. Return the next cursor, 0 after the last key, and the names that match.

        A key that is created or moved during the scan may be missed. Raises StoreUnavailableError.
        """
        nodes = sorted(await self.nodes(), key=lambda node: node.name)
        inner, number = divmod(cursor, _MAX_NODES)
        if number >= len(nodes):  # there were more at the last step
            return 0, []
        reply = await self.run_on(nodes[number], "SCAN", inner, "MATCH", pattern, "COUNT", count)
        following = int(reply[0])
        if following:
            return following * _MAX_NODES + number, reply[1]
        return (number + 1) % len(nodes), reply[1]

    async def publish(self, channel: str, message: bytes) -> None:
        """Publish on a sharded pub/sub channel. Raises StoreUnavailableError."""
        await self.command("SPUBLISH", channel, message)

    async def load(self) -> None:
        """Load the library on every server that lacks it. Raises StoreUnavailableError."""
        try:
            for node in await self.nodes():
                await self._router.load(node)
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            raise unavailable(problem) from problem

    async def nodes(self) -> list[Node]:
        """Return the servers that accept writes: in a cluster, its primaries. Raises StoreUnavailableError."""
        try:
            if not self.topology.nodes:
                await self.topology.refresh()
        except ConnectionLostError as problem:
            raise unavailable(problem) from problem
        return self.topology.nodes

    async def run_on(self, node: Node, *words: Argument) -> Any:
        """Run a command without a key on one server and return its reply. Raises StoreUnavailableError."""
        try:
            (reply,) = await node.connection.request(pack(words))
        except (ConnectionLostError, ReplyTimeoutError) as problem:
            raise unavailable(problem) from problem
        if isinstance(reply, ReplyError):
            raise failure(reply)
        return reply

    def close(self) -> None:
        """Close every connection."""
        self.topology.close()

    def _packed(self, call: FunctionCall[Any]) -> tuple[_Registered, bytes]:
        """Return what is the same for every call of the function, and the packed call. Count it."""
        function, key = call.function, call.key
        registered = self._registered.get(function.name) or self._register(function)
        registered.calls.value += 1
        if call.more_keys or self.topology.clustered:
            return registered, pack(
                ("FCALL", registered.qualified_name, *self._keys(key, *call.more_keys), *call.arguments)
            )
        return registered, pack(("FCALL", registered.qualified_name, 1, key, *call.arguments))

    def _command(self, call: FunctionCall[Any], registered: _Registered, packed: bytes) -> Command:
        return Command(call.function.name, call.key, packed, registered.durable, registered.repeatable)

    def _register(self, function: AnyFunction) -> _Registered:
        traits = function.traits
        registered = self._registered[function.name] = _Registered(
            self.library.qualified(function.name),
            Tally(REDIS_CALLS.labels(function.name)),
            traits.durable and traits.kind.writes,
            traits.repeatable,
        )
        return registered

    def _keys(self, key: str, *more: str) -> tuple[Argument, ...]:
        """Return the keys of a function, after their number."""
        if not self.topology.clustered:
            return (1 + len(more), key, *more)
        # A cluster moves a slot key by key, so a function could lose some of its keys while it runs. If a call has
        # several keys, one of which never exists, the server checks first and replies TRYAGAIN until the move is over.
        return (3 + len(more), key, *more, f"{key}:never", generation_key(slot_of(key)))

    def problem(self, function: AnyFunction, key: str, reply: ReplyError) -> StoreUnavailableError:
        """Return the exception for one of the replies that a function has for several users."""
        return self._problem(function.name, key, reply)

    def _problem(self, name: str, key: str | bytes, reply: ReplyError) -> StoreUnavailableError:
        problem = failure(reply)
        if isinstance(problem, StoreDataError):
            self._broken.report(name, key, problem)
        return problem

    def _check_refusal(self) -> None:
        refusal = self.refusal()
        if refusal is not None:
            raise refusal


def _packed(words: tuple[Argument, ...]) -> bytes:
    if words[0] == MEMORY_USAGE:  # the name of one command, in two words
        return pack(("MEMORY", "USAGE", *words[1:]))
    return pack(words)


def _key(words: tuple[Argument, ...]) -> str | bytes:
    key = words[1]
    assert isinstance(key, str | bytes), "a key is text or bytes"
    return key
