"""A client of Redis that traces calls, and carries the trace on. It is used only with INBOX_TRACES=on.

Each call within a trace is a span. A call that writes an event of a user is preceded by a message on the user's pub/sub
channel, which names the time of the event and the span. Both leave in one write, so workers with connections of the
user know the span when the event arrives. The event itself is the same with and without traces. An older worker, and
one without traces, reads the message as the revocation of a token that nobody has, and does nothing
(docs/adr/0018-trace-context-beside-the-event.md).

What is delivered later, or by a job, finds the span of the request beside the notification's content
(span_contexts.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar
from uuid import UUID

from opentelemetry.trace import Span, SpanKind

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.guarded import guard_arguments
from gateway.store.inbox import CHANGE, CHANGE_ALL, CREATE, CREATE_EACH, CREATE_EACH_SENT, CREATE_SENT, DELETE
from gateway.store.jobs import CREATE_JOB
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import FunctionCall
from gateway.store.redis.library import Library
from gateway.store.redis.problems import StoreDataError, StoreUnavailableError
from gateway.store.redis.protocol import Argument, pack
from gateway.store.redis.router import Command
from gateway.store.redis.topology import Topology
from gateway.store.span_contexts import OF_MANY, put
from gateway.store.tokens import REVOKED_MESSAGE
from gateway.telemetry.spans import Spans, below, recorded, to_text

R = TypeVar("R")
T = TypeVar("T")

SPAN_MESSAGE = REVOKED_MESSAGE + b"span:"
"""The beginning of a message about a span. The unix ms of the event follows, a space, and the context."""

MAX_USERS = 25
"""Of how many users of one round trip the workers learn the span. More would add nothing to the trace but lines."""

_GUARD = len(guard_arguments())

_TIME_AT = {
    CREATE_EACH.name: 0,
    CREATE_EACH_SENT.name: 0,
    **dict.fromkeys((CREATE.name, CREATE_SENT.name, CHANGE.name, CHANGE_ALL.name, DELETE.name), _GUARD),
    **dict.fromkeys((f"{each.name}_when_full" for each in (CHANGE, CHANGE_ALL, DELETE)), _GUARD),
}
"""The functions that write events of users, and the place of the time of the event in their arguments."""

_ID_AFTER_TIME = 4
"""How many arguments after the time those that create items have the notification's id."""

_CREATING = (CREATE.name, CREATE_EACH.name, CREATE_SENT.name, CREATE_EACH_SENT.name)
_WITH_ENTRIES = (CREATE_SENT.name, CREATE_EACH_SENT.name)
_JOBS = (CREATE_JOB.name, f"{CREATE_JOB.name}_when_full")

_FIXED = {"db.system.name": "redis", "db.system": "redis"}
"""The second is the name of the attribute before it was stable, by which many tools still find stores."""


class TracedClient(FunctionClient):
    """A client whose calls are spans of the current trace. `carries` is whether it carries the trace on."""

    def __init__(self, topology: Topology, library: Library, spans: Spans, *, carries: bool):
        super().__init__(topology, library)
        self._spans = spans
        self._carries = carries
        self.has_webhooks: Callable[[ProjectId], bool] = lambda project_id: False
        """Returns whether a project may have webhooks, whose deliveries need the span of a notification."""

    # Outside of a trace, these return the coroutine of the base class, which saves one in between.

    def call(self, call: FunctionCall[R]) -> Coroutine[Any, Any, R]:
        """Run one function as the base class does."""
        run = super().call
        request = recorded()
        return run(call) if request is None else self._traced(request, (call,), lambda: run(call))

    def call_many(self, calls: Sequence[FunctionCall[R]]) -> Coroutine[Any, Any, list[R]]:
        """Run several functions as the base class does."""
        run = super().call_many
        request = recorded()
        return run(calls) if request is None or not calls else self._traced(request, calls, lambda: run(calls))

    def call_each(self, calls: Sequence[FunctionCall[R]]) -> Coroutine[Any, Any, list[R | StoreDataError]]:
        """Run several functions as the base class does."""
        run = super().call_each
        request = recorded()
        return run(calls) if request is None or not calls else self._traced(request, calls, lambda: run(calls))

    async def commands(self, *commands: tuple[Argument, ...]) -> list[Any]:
        """Run some of Redis's own commands as the base class does."""
        request = recorded()
        if request is None or not commands:
            return await super().commands(*commands)
        name = str(commands[0][0])
        attributes = {**_FIXED, "db.operation.name": name, **_batch(len(commands))}
        with self._spans.running(name, SpanKind.CLIENT, attributes, below(request)):
            return await super().commands(*commands)

    # -- inside

    async def _traced(self, request: Span, calls: Sequence[FunctionCall[Any]], run: Callable[[], Awaitable[T]]) -> T:
        """Run calls of a function within a span. Keys and arguments name users, so they are no attributes."""
        function, size = calls[0].function.name, len(calls)
        attributes = {**_FIXED, "db.operation.name": "FCALL", "db.stored_procedure.name": function, **_batch(size)}
        with self._spans.running(f"FCALL {function}", SpanKind.CLIENT, attributes, below(request)) as span:
            await self._carry(request, span, calls)
            return await run()

    async def _carry(self, request: Span, span: Span, calls: Sequence[FunctionCall[Any]]) -> None:
        """Send what carries the trace on, in the write that the calls are in. A call does not fail because of it."""
        if not self._carries or self.refusal() is not None:
            return
        waits = []
        for words in self._carrying(request, span, calls):
            key, packed = str(words[1]), pack(words)
            function = calls[0].function
            durable = function.traits.durable and function.traits.kind.writes
            # On the connection of the calls, so that it arrives before their events.
            sent = self._router.begin(packed, durable)
            if sent is not None:
                sent.add_done_callback(_seen)
            elif self.topology.clustered:  # without a connection to a single server, the call is about to fail as well
                waits.append(Command(str(words[0]), key, packed, durable, repeatable=True))
        if waits:
            with suppress(StoreUnavailableError):
                await self._router.send(waits)

    def _carrying(
        self, request: Span, span: Span, calls: Sequence[FunctionCall[Any]]
    ) -> Iterator[tuple[Argument, ...]]:
        stored: set[tuple[ProjectId, str]] = set()
        left = MAX_USERS
        for call in calls:
            name = call.function.name
            if name in _JOBS:
                project_id, job_id = keys.project_of(call.key), call.key.rpartition(":")[2]
                yield put(project_id, job_id, OF_MANY + to_text(request))
            place = _TIME_AT.get(name)
            if place is None:
                continue
            message = SPAN_MESSAGE + f"{int(call.arguments[place])} {to_text(span)}".encode()
            told = (call.key, *call.more_keys)[:left]
            left -= len(told)
            for key in told:
                yield ("SPUBLISH", key, message)
            project_id = keys.project_of(call.key)
            if name in _WITH_ENTRIES or (name in _CREATING and self.has_webhooks(project_id)):
                notification = (project_id, str(UUID(bytes=_bytes(call.arguments[place + _ID_AFTER_TIME]))))
                if notification not in stored:  # that of several recipients is stored once
                    stored.add(notification)
                    yield put(*notification, to_text(request))


def _batch(size: int) -> dict[str, int]:
    return {"db.operation.batch.size": size} if size > 1 else {}


def _bytes(argument: Argument) -> bytes:
    assert isinstance(argument, bytes), "an id is bytes"
    return argument


def _seen(sent: "asyncio.Future[Any]") -> None:
    """Look at the outcome of what carries a trace. A failure ends the trace early, and nothing else."""
    if not sent.cancelled():
        sent.exception()
