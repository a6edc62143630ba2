"""Who has something for the webhooks of a project: the members of its lane of webhooks.

A member is a user whose log has new events, the project itself (PROJECT_MEMBER), whose log of events has new ones, or
an endpoint with messages that are due. Members are marked before a change and hastened after it, as `lanes.py` has it.
A project without an enabled endpoint has no members, which a worker knows from its cache of endpoints.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.webhook import OF_PROJECT
from gateway.store.lanes import Dues, LaneStore, Mark
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.webhook_endpoints import WebhookEndpointStore

PROJECT_MEMBER = UserId(str(UUID(int=0)))
"""The member that stands for the events of the project."""

_ROUTES = (Route.WEBHOOKS,)
_NOW: Dues = {Route.WEBHOOKS: 0}
_CODES = frozenset(kind.code.to_bytes(2) for kind in OF_PROJECT)

T = TypeVar("T")


def concern_webhooks(events: Iterable[bytes]) -> bool:
    """Return whether any of these packed project events becomes messages."""
    return any(event[:2] in _CODES for event in events)


class WebhookLanes:
    """Writes members of the lanes of webhooks. Methods raise StoreUnavailableError."""

    def __init__(self, lanes: LaneStore, endpoints: WebhookEndpointStore):
        self._lanes = lanes
        self._endpoints = endpoints
        self._hastened: list[tuple[Mark, UserId, Dues]] = []
        self._hastening: asyncio.Task[None] | None = None

    def is_unused(self, project_id: ProjectId) -> bool:
        """Return whether the project is known to have no enabled endpoint."""
        known = self._endpoints.cached(project_id)
        if known:
            return all(each.disabled for each in known)
        return known is not None

    async def follow(self, project_id: ProjectId, members: Sequence[UserId], change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that may write events of members, and have the events become messages."""
        if not await self._endpoints.has_enabled(project_id):
            return await change()
        mark = await self._lanes.mark(project_id, members, _ROUTES)
        try:
            return await change()
        finally:
            # After a failure too, because the change may have been made.
            self._hasten([(mark, member, _NOW) for member in members])

    async def wake(self, project_id: ProjectId, member: str, due_ms: int) -> None:
        """Have a member served at a unix ms, 0 for now."""
        await self._lanes.add(Lane(project_id, Route.WEBHOOKS), UserId(member), due_ms)

    def _hasten(self, marks: Iterable[tuple[Mark, UserId, Dues]]) -> None:
        """Make marked members due soon, together with others. Never waits."""
        self._hastened.extend(marks)
        if self._hastening is None:
            self._hastening = asyncio.create_task(self._hasten_all(), name="hasten webhooks")

    async def _hasten_all(self) -> None:
        try:
            while self._hastened:
                hastened, self._hastened = self._hastened, []
                with contextlib.suppress(StoreUnavailableError):  # then the marks make them due
                    await self._lanes.hasten(hastened)
        finally:
            self._hastening = None
