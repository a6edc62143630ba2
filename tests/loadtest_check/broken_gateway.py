"""The gateway without one of its safeguards: `python -m tests.loadtest_check.broken_gateway SAFEGUARD serve`."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

from gateway.channels.provider import Provider
from gateway.cli import main
from gateway.delivery import decide, user_work
from gateway.delivery.contexts import Contexts
from gateway.delivery.policy import Rules
from gateway.domain.delivery import SkipReason
from gateway.domain.effects import Effects
from gateway.domain.event import LogPage, Position
from gateway.domain.principal import UserPrincipal
from gateway.domain.session import Session, SessionState
from gateway.live.connection import Connection
from gateway.live.hub import Hub
from gateway.live.replay import Replay
from gateway.live.subscriptions import UserSubscriptions
from gateway.server import worker_process

MODULE = "tests.loadtest_check.broken_gateway"


def no_gap_repair() -> None:
    """Deliver events after a gap, and do not read the log after an interruption."""

    def is_due(mine: Position, before: Position, last: Position) -> bool:
        return before.offset >= mine.offset

    def resync(session: Session) -> Effects:
        return ()

    _deliver_if(is_due)
    Session.resync = resync  # type: ignore[assignment, method-assign] # which is the purpose


def no_deduplication() -> None:
    """Deliver live events even if a read of the log has delivered them already."""

    def is_due(mine: Position, before: Position, last: Position) -> bool:
        return last.offset <= mine.offset

    _deliver_if(is_due)


def read_before_subscribing() -> None:
    """Read the log before the user's pub/sub channel is subscribed."""
    join, request = UserSubscriptions.join, Replay.request
    pages: dict[str, LogPage] = {}

    async def read_and_join(subscriptions: UserSubscriptions, connection: Connection, principal: UserPrincipal) -> bool:
        since, replay = connection.session.since, cast(Hub, connection.hub).replay
        after = Position.parse(since) if since else None
        page = await replay._inboxes.read_log(principal.user, after, replay._new_epoch())
        pages[connection.session.connection_id] = page
        return await join(subscriptions, connection, principal)

    def use_earlier_page(replay: Replay, connection: Connection, after: Position | None) -> None:
        page = pages.pop(connection.session.connection_id, None)
        if page is None:
            request(replay, connection, after)
        else:
            connection.perform(connection.session.log_read(page))

    UserSubscriptions.join = read_and_join  # type: ignore[assignment, method-assign] # which is the purpose
    Replay.request = use_earlier_page  # type: ignore[assignment, method-assign] # which is the purpose


def new_delivery_ids() -> None:
    """Use another id in each attempt at a delivery."""
    user_work.delivery_id = lambda user_id, entry, key: uuid4()  # type: ignore[attr-defined] # which is the purpose


def no_read_check() -> None:
    """Deliver what the user has read meanwhile."""
    reason_of = decide.skip_reason

    def skip_reason(*arguments: Any) -> SkipReason | None:
        reason = reason_of(*arguments)
        return None if reason is SkipReason.READ else reason

    decide.skip_reason = skip_reason  # type: ignore[assignment] # which is the purpose


def repeat_unknown() -> None:
    """Send text messages and chat messages again if it is not known whether they arrived."""
    rules_of = Contexts._rules

    def rules(contexts: Contexts, provider: Provider | None) -> Rules:
        return replace(rules_of(contexts, provider), repeats_unknown=True)

    Contexts._rules = rules  # type: ignore[assignment, method-assign] # which is the purpose


def _deliver_if(is_due: Callable[[Position, Position, Position], bool]) -> None:
    """Deliver events that are not the next ones if `is_due` returns true."""
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
    "delivery_ids": new_delivery_ids,
    "delivery_read_check": no_read_check,
    "delivery_unknown": repeat_unknown,
}


def use_module_for_workers(way: str) -> None:
    """Make the supervisor start its workers, and the processes that deliver, with this module."""
    worker_process.WORKER_COMMAND[:] = [sys.executable, "-m", MODULE, way, "worker"]
    worker_process.DELIVERY_COMMAND[:] = [sys.executable, "-m", MODULE, way, "deliver"]


if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    WAYS[chosen]()
    use_module_for_workers(chosen)
    main()
