"""A connection to one Redis server, which all calls of a worker share. Replies are matched to requests by order.

Redis runs one command at a time anyway, so a pool of connections would only add to the cost of a call. The first
request opens the connection. The first request after a loss opens it again.

A ReplicatedConnection completes a request once a replica has its writes. It sends requests in groups, each followed by
one `WAIT`, and collects the next group meanwhile. Redis processes nothing else on a connection during a `WAIT`, so
reads use another connection.
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
    """Redis did not reply in time. The commands may have been run nevertheless."""


class NotReplicatedError(Exception):
    """No replica confirmed the writes in time. They may persist nevertheless."""


_REPLICA_SHARE = 0.4
"""The share of a call's timeout for one `WAIT`. A request may have to await the `WAIT` of an earlier group first."""


class _RequestProtocol(RedisProtocol):
    """An open connection, with the requests that await its replies."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        """The future of each command and the time at which it was sent, in order."""
        self.lost = False
        self.rejection = ""
        self.watched = False
        """Whether a timer is set for the oldest request."""
        self.received_at = 0.0

    def on_batch_end(self) -> None:
        self.received_at = self._loop.time()

    def on_reply(self, reply: Any) -> None:
        if not self.pending:
            self.on_unexpected(reply)
            return
        future, _ = self.pending.popleft()
        if not future.done():
            future.set_result(reply)

    def on_unexpected(self, reply: Any) -> None:
        """Close the connection. The server sent an unsolicited error, such as that it has too many clients."""
        self.rejection = str(reply) if isinstance(reply, ReplyError) else ""
        self.abort()

    def on_lost(self) -> None:
        if self.rejection:
            self.fail(ConnectionRejectedError(self.rejection))
        else:
            self.fail(ReplyLostError("the connection was lost"))

    def fail(self, problem: Exception) -> None:
        """Close the connection, and fail every pending request."""
        self.lost = True
        self.abort()
        while self.pending:
            future, _ = self.pending.popleft()
            _set_exception(future, problem)


class _ReplicatedProtocol(_RequestProtocol):
    """A connection that delays replies until a replica has the writes that they acknowledge."""

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        self._wait = pack(("WAIT", 1, max(1, int(1000 * _REPLICA_SHARE * timeout_seconds))))
        self._waiting: asyncio.Future[Any] | None = None
        self._held: list[tuple[asyncio.Future[Any], Any]] = []

    def on_reply(self, reply: Any) -> None:
        if not self.pending:
            self.on_unexpected(reply)
            return
        future, _ = self.pending.popleft()
        if future is not self._waiting:
            self._held.append((future, reply))
            return
        self._waiting = None
        self._release_held(replicated=isinstance(reply, int) and reply > 0)
        if isinstance(reply, ReplyError):
            self.abort()  # the server is no longer a primary: a new connection may reach the new one
        else:
            self._flush()

    def _release_held(self, replicated: bool) -> None:
        held, self._held = self._held, []
        for future, reply in held:
            if not replicated and not isinstance(reply, ReplyError):
                _set_exception(future, NotReplicatedError("no replica confirmed it in time"))
            elif not future.done():
                future.set_result(reply)

    def fail(self, problem: Exception) -> None:
        held, self._held = self._held, []
        self.pending.extendleft((future, 0.0) for future, _ in held)
        super().fail(problem)

    def _flush(self) -> None:
        """Send the collected requests, unless a group is being confirmed. Then they are sent with the next group."""
        if self._waiting is not None or not self._out:
            return
        self._waiting = self._loop.create_future()
        # All pending requests were made since the last group, so the WAIT follows them.
        self.pending.append((self._waiting, self._loop.time()))
        self._out.append(self._wait)
        super()._flush()


class RedisConnection:
    """A shared connection. `make_connection` returns an unopened one of redis-py, with its address and credentials."""

    def __init__(self, make_connection: Callable[[], AbstractConnection], timeout_seconds: float):
        self._make_connection = make_connection
        self._timeout = timeout_seconds
        self._protocol: _RequestProtocol | None = None
        self._opening: asyncio.Task[_RequestProtocol] | None = None
        self._ended = False

    async def request(self, *commands: bytes) -> list[Any]:
        """Send packed commands together and return their replies in order. An error reply is returned as a ReplyError.

        Raises ReplyLostError if the connection broke, another ConnectionLostError if it could not be opened, and
        ReplyTimeoutError if there was no reply in time.
        """
        protocol = self._protocol
        if protocol is None or protocol.lost:
            protocol = await self._open()
        if len(commands) == 1:
            return [await self._send(protocol, commands[0])]
        loop = asyncio.get_running_loop()
        now = loop.time()
        if not protocol.watched:
            self._watch(loop, protocol, now)
        futures = [loop.create_future() for _ in commands]
        protocol.pending.extend((future, now) for future in futures)
        protocol.send(b"".join(commands))
        return [await future for future in futures]

    def begin(self, command: bytes) -> "asyncio.Future[Any] | None":
        """Send a packed command and return what to await. Return None if the connection is not open: use `request`.

        Awaiting raises ReplyLostError or ReplyTimeoutError.
        """
        protocol = self._protocol
        if protocol is None or protocol.lost:
            return None
        return self._send(protocol, command)

    def _send(self, protocol: _RequestProtocol, command: bytes) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        now = loop.time()
        if not protocol.watched:
            self._watch(loop, protocol, now)
        protocol.pending.append((future, now))
        protocol.send(command)
        return future

    def _watch(self, loop: asyncio.AbstractEventLoop, protocol: _RequestProtocol, now: float) -> None:
        """Set a timer for the replies that are awaited."""
        protocol.watched = True
        loop.call_at(now + self._timeout, self._check, protocol)

    def close(self) -> None:
        """Close the connection, even one that is being opened. The next request opens another."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._protocol is not None:
            self._protocol.fail(ReplyLostError("the connection was closed"))

    def end(self) -> None:
        """Close the connection for good. Later requests raise ConnectionLostError and open no other."""
        self._ended = True
        self.close()

    async def _open(self) -> _RequestProtocol:
        """Open the connection, once for all requests that wait for it."""
        if self._ended:
            raise ConnectionLostError("the connection was closed")
        if self._opening is None:
            self._opening = asyncio.create_task(self._opened(), name="redis-connect")
            self._opening.add_done_callback(_retrieve_exception)
        try:
            # The cancellation of one caller must not cancel the opening for the others.
            return await asyncio.shield(self._opening)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and caller.cancelling():
                raise
            raise ConnectionLostError("the connection was closed") from None

    async def _opened(self) -> _RequestProtocol:
        protocol = self._new_protocol()
        try:
            await protocol.open(self._make_connection(), self._timeout)
            if self._opening is not asyncio.current_task():
                # `close` was called meanwhile, and some code on the way swallowed the cancellation.
                protocol.abort()
                raise ConnectionLostError("the connection was closed")
            self._protocol = protocol
        finally:
            if self._opening is asyncio.current_task():
                self._opening = None
        return protocol

    def _new_protocol(self) -> _RequestProtocol:
        return _RequestProtocol()

    def _check(self, protocol: _RequestProtocol) -> None:
        """Fail the connection if its oldest request has waited for too long. A hung Redis causes no error by itself."""
        if not protocol.pending:
            protocol.watched = False
            return
        loop = asyncio.get_running_loop()
        # A request behind many others may wait as long as replies arrive.
        due = max(protocol.pending[0][1], protocol.received_at) + self._timeout
        if due > loop.time():
            loop.call_at(due, self._check, protocol)
            return
        # Later requests may be in time, but on this connection their replies would follow the missing one.
        protocol.fail(ReplyTimeoutError("no reply in time"))


class ReplicatedConnection(RedisConnection):
    """A shared connection whose requests complete once a replica has their writes.

    `request` raises NotReplicatedError too.
    """

    def _new_protocol(self) -> _RequestProtocol:
        return _ReplicatedProtocol(self._timeout)


def _set_exception(future: "asyncio.Future[Any]", problem: Exception) -> None:
    if not future.done():
        future.set_exception(problem)
        future.exception()  # marks it as retrieved, in case the caller was cancelled


def _retrieve_exception(task: "asyncio.Task[_RequestProtocol]") -> None:
    if not task.cancelled():
        task.exception()  # each caller that waits raises it, but all of them may have been cancelled
