"""Delivery configs for tests of sending."""

from gateway.sending.inbox_rules import InboxRules
from gateway.sending.outbox import OutboxSender
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.inbox import InboxStore
from gateway.store.lanes import LaneStore
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.client import FunctionClient


def outbox_sender(client: FunctionClient, store: InboxStore) -> OutboxSender:
    """Return what writes entries for other channels than the inbox."""
    return OutboxSender(store, LaneStore(client))


def inbox_rules(client: FunctionClient) -> InboxRules:
    """Return the rules of projects whose events are not kept."""
    return InboxRules(DeliveryConfigStore(client), ProjectEvents(ProjectEventLog(client, EventRetention(0, 0))))
