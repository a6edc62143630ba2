"""The methods of the hub that connections call. Connections import this module, and the hub imports connections."""

from typing import Protocol, TypeVar

from gateway.domain.errors import CloseCode
from gateway.domain.event import Position
from gateway.domain.principal import Credentials
from gateway.domain.session import Session, SessionLimits
from gateway.live.deadlines import Deadlines, ScheduledT
from gateway.runtime.fair_scheduler import FairScheduler

ConnectionT_contra = TypeVar("ConnectionT_contra", contravariant=True)


class FiguresInterface(Protocol[ConnectionT_contra]):
    """What counts connections: see `LiveFigures`."""

    def opened(self, connection: ConnectionT_contra) -> None:
        """Count a connection that is open from now on."""

    def closed(self, connection: ConnectionT_contra) -> None:
        """Count a connection that was open and is lost."""

    def closing(self, connection: ConnectionT_contra, code: CloseCode) -> None:
        """Note that the worker closes a connection that is open."""


class HubInterface(Protocol[ScheduledT]):
    """What a connection requires of the hub. The methods return at once; outcomes arrive as effects of the session."""

    limits: SessionLimits
    max_write_buffer_bytes: int
    max_message_bytes: int
    allowed_origins: tuple[str, ...]
    access_log: bool
    deadlines: Deadlines[ScheduledT]
    scheduler: FairScheduler

    @property
    def figures(self) -> FiguresInterface[ScheduledT]:
        """What counts connections."""

    @property
    def draining(self) -> bool:
        """Whether this worker is about to stop, and refuses new connections."""

    def new_session(self, accepted_at: float | None) -> Session:
        """Create the session of a new connection."""

    def admit(self, connection: ScheduledT, credentials: Credentials) -> None:
        """Verify credentials and open the connection's stream."""

    def renew(self, connection: ScheduledT, credentials: Credentials) -> None:
        """Verify fresh credentials of an open connection."""

    def read_log(self, connection: ScheduledT, after: Position | None) -> None:
        """Read the log after a position for a connection."""

    def leave(self, connection: ScheduledT) -> None:
        """Remove a connection that is closed."""
