"""The effects that a session (`gateway.domain.session`) returns. A transport performs them in order, at once."""

from typing import NamedTuple, TypeAlias

from gateway.domain.errors import CloseCode, Problem
from gateway.domain.event import Event, Position
from gateway.domain.messages import Error, Goodbye, ServerMessage
from gateway.domain.principal import Credentials


class Authenticate(NamedTuple):
    """Verify the credentials and subscribe the user's events, then call `authenticated` or `refused`."""

    credentials: Credentials


class Renew(NamedTuple):
    """Verify fresh credentials of the same user, then call `renewed` or `renewal_refused`."""

    credentials: Credentials


class ReadLog(NamedTuple):
    """Read the user's log after a position, from its end if None, then call `log_read` or `log_unavailable`."""

    after: Position | None


class Send(NamedTuple):
    """Write messages and events to the peer, in order, in one write."""

    messages: tuple[ServerMessage | Event, ...]


class Ping(NamedTuple):
    """Write the transport's own heartbeat."""


class Close(NamedTuple):
    """Write a goodbye and close the connection. `problem` explains a refusal."""

    code: CloseCode
    retry_after_ms: int | None = None
    problem: Problem | None = None

    @property
    def error(self) -> Error | None:
        """Return the message before the last one: why the connection is refused, and what to do about it."""
        problem = self.problem
        if problem is None:
            return None
        remedy = f". {problem.suggestion}" if problem.suggestion else ""
        return Error(problem.code, problem.message + remedy)

    @property
    def goodbye(self) -> Goodbye:
        """Return the last message to the client. `retry_after_ms` is None if the close code forbids reconnecting."""
        return Goodbye(self.code.value, self.code.reason, self.retry_after_ms if self.code.may_resume else None)


Effect: TypeAlias = Authenticate | Renew | ReadLog | Send | Ping | Close
Effects: TypeAlias = tuple[Effect, ...]
