"""One connection to one Redis server that all calls of a worker share; replies are matched in order.

Redis runs one command at a time anyway, so a pool of connections only adds to the cost of a call. Opened when first
needed, and again after a loss.

A ReplicatedConnection completes a request once a replica has what was written: it sends requests in groups, each
followed by one `WAIT`, and collects the next group while it waits. A connection that waits does nothing else, so reads
use another.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection

from gateway.store.redis.protocol import (
    ConnectionLostError,
    ConnectionRejectedError,
    RedisProtocol,
    ReplyError,
    ReplyLostError,
    pack,
)


class ReplyTimeoutError(Exception):
    """Redis did not answer in time. What was asked may still happen."""


class NotReplicatedError(Exception):
    """No replica took in time what was written. It may still stay."""


_REPLICA_SHARE = 0.4
"""How much of a call's time a replica has: a request may come while an earlier group waits, and then waits itself."""


class _CallProtocol(RedisProtocol):
    """One opened connection, and who waits for its replies."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self.lost = False
        self.refusal = ""
        self.watched = False
        self.heard_at = 0.0

    def on_pause(self) -> None:
        self.heard_at = self._loop.time()

    def on_reply(self, reply: Any) -> None:
        if not self.pending:
            self.on_unasked(reply)
            return
        future, _ = self.pending.popleft()
        if not future.done():
            future.set_result(reply)

    def on_unasked(self, reply: Any) -> None:
        """End a connection on which the server says what nobody asked for, such as that it has too many."""
        self.refusal = str(reply) if isinstance(reply, ReplyError) else ""
        self.abort()

    def on_lost(self) -> None:
        self.give_up(
            ConnectionRejectedError(self.refusal) if self.refusal else ReplyLostError("the connection was lost")
        )

    def give_up(self, problem: Exception) -> None:
        self.lost = True
        self.abort()
        while self.pending:
            future, _ = self.pending.popleft()
            if not future.done():
                future.set_exception(problem)
                future.exception()  # taken note of, should nobody wait any more


class _ReplicatedProtocol(_CallProtocol):
    """Holds replies back until a replica has what they answer."""

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        self._wait = pack(("WAIT", 1, max(1, int(1000 * _REPLICA_SHARE * timeout_seconds))))
        self._waiting: asyncio.Future[Any] | None = None
        self._held: list[tuple[asyncio.Future[Any], Any]] = []

    def on_reply(self, reply: Any) -> None:
        if not self.pending:
            self.on_unasked(reply)
            return
        if self.pending[0][0] is not self._waiting:
            self._held.append((self.pending.popleft()[0], reply))
            return
        self.pending.popleft()
        self._waiting = None
        held, self._held = self._held, []
        replicated = isinstance(reply, int) and reply > 0
        for future, answer in held:
            if future.done():
                continue
            if replicated or isinstance(answer, ReplyError):
                future.set_result(answer)
            else:
                future.set_exception(NotReplicatedError("no replica took it in time"))
                future.exception()  # taken note of, should nobody wait any more
        if isinstance(reply, ReplyError):
            self.abort()  # this is no primary any more: another connection may find it
        else:
            self._flush()

    def give_up(self, problem: Exception) -> None:
        held, self._held = self._held, []
        self.pending.extendleft((future, 0.0) for future, _ in held)
        super().give_up(problem)

    def _flush(self) -> None:
        """Send what was asked for so far, unless a group is under way: then it goes with the next one."""
        if self._waiting is not None or not self._out:
            return
        self._waiting = self._loop.create_future()
        # What is pending was asked for since the last group: this goes behind it.
        self.pending.append((self._waiting, self._loop.time()))
        self._out.append(self._wait)
        super()._flush()


class RedisConnection:
    """A shared connection. `make_connection` gives an unopened one of redis-py's, for its address and credentials."""

    def __init__(self, make_connection: Callable[[], AbstractConnection], timeout_seconds: float):
        self._make_connection = make_connection
        self._timeout = timeout_seconds
        self._protocol: _CallProtocol | None = None
        self._opening: asyncio.Task[_CallProtocol] | None = None
        self._ended = False

    async def request(self, *commands: bytes) -> list[Any]:
        """Send packed commands together; give their replies, in order, ReplyErrors among them.

        Raises ReplyLostError when the connection broke, another ConnectionLostError when it could not be opened, and
        ReplyTimeoutError when there was no answer in time.
        """
        protocol = self._protocol
        if protocol is None or protocol.lost:
            protocol = await self._open()
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not protocol.watched:
            protocol.watched = True
            loop.call_at(now + self._timeout, self._check, protocol)
        futures = [loop.create_future() for _ in commands]
        protocol.pending.extend((future, now) for future in futures)
        protocol.send(commands[0] if len(commands) == 1 else b"".join(commands))
        return [await future for future in futures]

    def close(self) -> None:
        """Drop the connection, and one that is being opened; the next request opens another."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._protocol is not None:
            self._protocol.give_up(ReplyLostError("the connection was closed"))

    def end(self) -> None:
        """Drop the connection for good: who still asks is told that it is lost, and opens nothing behind our back."""
        self._ended = True
        self.close()

    async def _open(self) -> _CallProtocol:
        """Open the connection, once for all who wait for it."""
        if self._ended:
            raise ConnectionLostError("the connection was closed")
        if self._opening is None:
            self._opening = asyncio.create_task(self._opened(), name="redis-connect")
            self._opening.add_done_callback(_take_note)
        try:
            # A caller that is cancelled must not take the others' connection along.
            return await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise ConnectionLostError("the connection was closed") from None

    async def _opened(self) -> _CallProtocol:
        protocol = self._new_protocol()
        try:
            await protocol.open(self._make_connection(), self._timeout)
            if self._opening is not asyncio.current_task():
                # Closed meanwhile, and the cancellation was swallowed on its way.
                protocol.abort()
                raise ConnectionLostError("the connection was closed")
            self._protocol = protocol
        finally:
            if self._opening is asyncio.current_task():
                self._opening = None
        return protocol

    def _new_protocol(self) -> _CallProtocol:
        return _CallProtocol()

    def _check(self, protocol: _CallProtocol) -> None:
        """Give up a connection whose oldest request waits for too long: a hung Redis raises nothing."""
        if not protocol.pending:
            protocol.watched = False
            return
        loop = asyncio.get_running_loop()
        # Who waits behind many others waits as long as answers come.
        due = max(protocol.pending[0][1], protocol.heard_at) + self._timeout
        if due > loop.time():
            loop.call_at(due, self._check, protocol)
            return
        # Requests after it may have been on time, but on this connection their answers come behind it.
        protocol.give_up(ReplyTimeoutError("no answer in time"))


class ReplicatedConnection(RedisConnection):
    """A shared connection that answers when a replica has it. `request` raises NotReplicatedError too."""

    def _new_protocol(self) -> _CallProtocol:
        return _ReplicatedProtocol(self._timeout)


def _take_note(task: "asyncio.Task[_CallProtocol]") -> None:
    if not task.cancelled():
        task.exception()  # whoever waited has it; all of them may be gone
