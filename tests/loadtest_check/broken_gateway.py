"""The gateway with one of its safeguards taken out: `python -m tests.loadtest_check.broken_gateway WAY serve`."""

import sys
from collections.abc import Callable
from typing import Any

from gateway.cli import main
from gateway.domain.event import LogPage, Position
from gateway.domain.principal import UserPrincipal
from gateway.domain.session import Effects, Session, SessionState
from gateway.live.connection import Connection
from gateway.live.hub import Hub
from gateway.server import supervisor

MODULE = "tests.loadtest_check.broken_gateway"


def no_gap_repair() -> None:
    """What comes after a gap is passed on, and nobody reads the log after an interruption."""

    def is_due(mine: Position, before: Position, last: Position) -> bool:
        return before.offset >= mine.offset

    def resync(session: Session) -> Effects:
        return ()

    _deliver_if(is_due)
    Session.resync = resync  # type: ignore[assignment, method-assign] # which is the purpose


def no_deduplication() -> None:
    """What is heard live is passed on, also if a read of the log has brought it already."""

    def is_due(mine: Position, before: Position, last: Position) -> bool:
        return last.offset <= mine.offset

    _deliver_if(is_due)


def read_before_subscribing() -> None:
    """The log is read first, and the user's channel subscribed only then."""
    join, share_read = Hub._join, Hub._share_read
    read: dict[str, LogPage] = {}

    async def read_and_join(hub: Hub, connection: Connection, principal: UserPrincipal) -> bool:
        user, since = principal.user, connection.session.since
        assert user is not None
        after = Position.parse(since) if since else None
        read[connection.session.connection_id] = await hub._inboxes.read_log(user, after, hub._new_epoch())
        return await join(hub, connection, principal)

    def take_what_was_read(hub: Hub, connection: Connection, after: Position | None) -> Any:
        page = read.pop(connection.session.connection_id, None)
        if page is None:
            return share_read(hub, connection, after)
        connection.perform(connection.session.log_read(page))
        return None

    Hub._join = read_and_join  # type: ignore[assignment, method-assign] # which is the purpose
    Hub._share_read = take_what_was_read  # type: ignore[assignment, method-assign] # which is the purpose


def _deliver_if(is_due: Callable[[Position, Position, Position], bool]) -> None:
    """Deliver events, besides those that are next, if they are due after a position."""
    advance_over_next = Session.advance

    def advance(session: Session, before: Position, last: Position) -> bool:
        mine = session.position
        if session.state is SessionState.LIVE and mine is not None and is_due(mine, before, last):
            session.position = max(mine, last, key=lambda position: position.offset)
            return True
        return advance_over_next(session, before, last)

    Session.advance = advance  # type: ignore[assignment, method-assign] # which is the purpose


WAYS: dict[str, Callable[[], None]] = {
    "nothing": lambda: None,
    "gap_repair": no_gap_repair,
    "subscribe_order": read_before_subscribing,
    "deduplication": no_deduplication,
}


def start_workers_alike(way: str) -> None:
    """Have the supervisor start its workers by this module, too."""
    supervisor.WORKER_COMMAND[:] = [sys.executable, "-m", MODULE, way, "worker"]


if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    WAYS[chosen]()
    start_workers_alike(chosen)
    main()
