"""The work on members of a lane of webhooks: makes messages of new events, and sends those that are due."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from gateway.channels.webhook import SECONDS
from gateway.delivery.lease import Lease
from gateway.delivery.webhook_sender import SERVED_SECONDS, WebhookSender
from gateway.delivery.webhook_source import WebhookSource
from gateway.domain.delivery import Lane, LaneReport
from gateway.domain.ids import ProjectId, UserId
from gateway.store.lanes import LaneStore
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.webhook_lanes import PROJECT_MEMBER
from gateway.telemetry.faults import log_fault

_ENDPOINT_VERSION = 8
"""The version of the UUIDs of endpoints. Those of users have another one."""


class WebhookParts:
    """What the work on all lanes of webhooks shares."""

    def __init__(
        self, lanes: LaneStore, source: WebhookSource, sender: WebhookSender, unix: Callable[[], float] = time.time
    ):
        self.lanes = lanes
        self.unix = unix
        self._source = source
        self._sender = sender

    async def serve(self, project_id: ProjectId, member: UserId, requests: asyncio.Semaphore) -> int | None:
        """Serve a member. Return the unix ms at which it is to be served again, None for never.

        `requests` limits how many requests of the project are under way. Raises StoreUnavailableError.
        """
        if UUID(member).version == _ENDPOINT_VERSION:
            return await self._sender.serve(project_id, member, requests)
        if member == PROJECT_MEMBER:
            more = await self._source.of_project(project_id)
        else:
            more = await self._source.of_user(project_id, member)
        return 0 if more else None


class WebhookWork:
    """The work on some members of a claim. Each is served by itself, so that a slow endpoint holds up no other.

    `requests` limits how many requests of the lane are under way. `on_left` is called with the number of members of
    whom nothing is under way any more.
    """

    def __init__(
        self,
        parts: WebhookParts,
        lease: Lease,
        users: Sequence[UserId],
        requests: asyncio.Semaphore,
        on_left: Callable[[int], None],
    ):
        self._parts = parts
        self._requests = requests
        self._lease = lease
        self._users = users
        self._on_left = on_left
        self._left = len(users)
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def lane(self) -> Lane:
        """Return the lane."""
        return self._lease.claim.lane

    def cancel_requests(self) -> None:
        """Cancel what is under way. Its messages are due again when the lease ends, with the same ids."""
        for task in self._serving:
            task.cancel()

    def leave_rest(self) -> None:
        """Report that nothing more is under way."""
        left, self._left = self._left, 0
        if left:
            self._on_left(left)

    async def run(self) -> None:
        """Do the work. Members that could not be served stay claimed until the lease ends."""
        self._serving = {asyncio.create_task(self._serve(each), name="webhooks") for each in self._users}
        if self._serving:
            await asyncio.wait(self._serving)

    async def _serve(self, member: UserId) -> None:
        try:
            with contextlib.suppress(StoreUnavailableError):
                if await self._lease.covers(member, SECONDS + SERVED_SECONDS):
                    next_ms = await self._parts.serve(self.lane.project_id, member, self._requests)
                    if next_ms:  # by the clock of this machine; lanes have that of Redis
                        next_ms += int(1000 * (self._lease.now() - self._parts.unix()))
                    claim = self._lease.claim._replace(users=[member])
                    await self._parts.lanes.done(claim, {member: next_ms}, LaneReport())
        except Exception as problem:
            # A fault in the work on one member must not end the others.
            log_fault("webhooks_failed", problem, project=self.lane.project_id, member=member)
        finally:
            self._left -= 1
            self._on_left(1)
