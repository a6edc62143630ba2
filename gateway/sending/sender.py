"""Sends a command: at once to named users, or with a broadcast job that finds the recipients."""

import msgspec

from gateway.domain.ids import ProjectId
from gateway.domain.retention import ItemRetention
from gateway.sending.command import Overrides, SendCommand
from gateway.sending.deliverer import Deliverer
from gateway.sending.events import SendEvents
from gateway.sending.outgoing import OutgoingItem
from gateway.sending.plans import BroadcastPlan, SendPlan
from gateway.store.categories import CategoryStore
from gateway.store.contents import Content
from gateway.store.directory import Directory
from gateway.store.jobs import JobKind, JobStore
from gateway.store.overrides import OverrideStore
from gateway.store.quotas import Quotas

_encode = msgspec.json.encode


class Sender:
    """Sends notifications. Methods raise StoreUnavailableError, and may be repeated with the same plan."""

    def __init__(
        self,
        deliverer: Deliverer,
        directory: Directory,
        categories: CategoryStore,
        jobs: JobStore,
        overrides: OverrideStore,
        events: SendEvents,
        quotas: Quotas | None = None,
    ):
        self._deliverer = deliverer
        self._directory = directory
        self._categories = categories
        self._jobs = jobs
        self._overrides = overrides
        self._events = events
        self._quotas = quotas

    async def send(
        self, project_id: ProjectId, command: SendCommand, plan: SendPlan, keep: ItemRetention, repeatable: bool
    ) -> Content:
        """Send a notification, and return its content as it was sent.

        If all recipients are named users, they have it on return. Else a broadcast is enqueued.

        `keep` is how much of each inbox is kept. With `repeatable`, the request may be repeated within 24 hours.
        Raises RecipientConflictError, and ApiError for a limit of the project that is reached, before anything is sent.
        """
        sent = Content.encode(plan.id, command.sent)
        if command.is_for_many:
            await self.enqueue(project_id, command, plan, "notification")
            return sent
        if (quotas := self._quotas) is not None:
            quotas.admit_send(project_id)
            if quotas.is_full(project_id, len(command.recipients)):
                await self._directory.require_room(project_id, [each.identity for each in command.recipients])
        content = sent if command.overrides is None else Content.encode(plan.id, command.shown)
        if content.category:
            await self._categories.record(project_id, content.category)
        if command.overrides is not None:
            await self._store_overrides(project_id, plan.id, command.overrides)
        of_many = len(command.recipients) > 1
        item = OutgoingItem(
            content, plan.moment, keep, repeatable, custom_attributes=command.custom_attributes, of_many=of_many
        )
        self._events.accepted(project_id)
        delivered = await self._deliverer.deliver_to_named(item, project_id, command.recipients)
        if of_many:
            stored = len(delivered.reached)
            suppressed = delivered.addressed - stored - len(delivered.broken)
            self._events.sent_to_many(project_id, plan.id, command, stored, suppressed)
        return sent

    async def enqueue(self, project_id: ProjectId, command: SendCommand, plan: SendPlan, root: str) -> bytes:
        """Enqueue a broadcast to all recipients. Return it as an encoded JSON object, without its status.

        `root` names the body in error messages, "" if nothing does. Users who are created afterwards do not get the
        notification. Raises ApiError for a limit of the project that is reached.
        """
        if (quotas := self._quotas) is not None:
            quotas.admit_send(project_id)
            named = [each.identity for each in command.recipients if each.is_named]
            if named and quotas.is_full(project_id, len(named)):
                await self._directory.require_room(project_id, named)
        view = _encode(
            {
                "id": plan.id,
                **msgspec.structs.asdict(command.sent),
                "created_at": plan.moment.now_ms // 1000,
                "recipients": command.recipients,
                "overrides": command.overrides,
            }
        )
        shown = command.shown
        if category := shown.stored_category:
            await self._categories.record(project_id, category)
        if command.overrides is not None:
            await self._store_overrides(project_id, plan.id, command.overrides)
        users = await self._directory.user_index_size(project_id)
        broadcast = BroadcastPlan(msgspec.Raw(view), shown, command.recipients, root, plan.moment, users)
        await self._jobs.enqueue(JobKind.BROADCAST, project_id, plan.id, _encode(broadcast), plan.moment.now_ms)
        self._events.enqueued(project_id, plan.id, command)
        return view

    async def _store_overrides(self, project_id: ProjectId, notification_id: str, overrides: Overrides) -> None:
        """Store what channels besides the inbox show. Inboxes have theirs in the content."""
        if others := overrides.beyond_inbox:
            await self._overrides.put(project_id, notification_id, _encode(others))
