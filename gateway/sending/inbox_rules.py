"""Applies delivery configs to what enters inboxes. What they keep out becomes an event of the project."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.domain.delivery import OutboxPlan
from gateway.domain.ids import ProjectId
from gateway.domain.principal import User
from gateway.sending.events import SendEvents
from gateway.store.contents import Content
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.project_events import ProjectEvents


class Decision(NamedTuple):
    """Whether a notification enters inboxes, and by which other routes it is sent, None for none."""

    in_inbox: bool
    plan: OutboxPlan | None = None


class InboxRules:
    """Decides where notifications go. Methods raise StoreUnavailableError."""

    def __init__(self, configs: DeliveryConfigStore, events: ProjectEvents):
        self._configs = configs
        self.events = SendEvents(events)

    def passes(self, project_id: ProjectId, content: Content) -> bool:
        """Return whether it is known without a read that a notification enters inboxes and goes nowhere else."""
        configs = self._configs.cached(project_id)
        return configs is not None and not configs.routes and configs.inbox_rule(content.category) is None

    async def decide(
        self,
        project_id: ProjectId,
        content: Content,
        custom_attributes: Mapping[str, Any] | None,
        users: Sequence[User],
        of_many: bool = False,
    ) -> Decision:
        """Return where a notification to these users goes by the delivery config of its category.

        If the config keeps it out of the inboxes, that becomes an event of the project. `of_many` is whether there may
        be other recipients.
        """
        configs = await self._configs.of_project(project_id)
        rule, plan = configs.inbox_rule(content.category), configs.outbox_plan(content.category)
        if rule is None or not rule.suppresses(content.category, content.topic, custom_attributes):
            return Decision(True, plan)
        self.events.suppressed(users, content.id_text, rule.name, content.category, content.topic, of_many=of_many)
        return Decision(False, plan._replace(in_inbox=False) if plan is not None else None)


class InboxOnly(InboxRules):
    """Sends every notification to inboxes and by no other route."""

    def passes(self, project_id: ProjectId, content: Content) -> bool:
        """Return true."""
        return True

    async def decide(
        self,
        project_id: ProjectId,
        content: Content,
        custom_attributes: Mapping[str, Any] | None,
        users: Sequence[User],
        of_many: bool = False,
    ) -> Decision:
        """Return that the notification enters inboxes."""
        return Decision(True)
