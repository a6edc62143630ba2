"""What delivery configs suppress becomes an event, and what suppressing nothing costs."""

import json
from uuid import uuid4

from gateway.domain.project_event import ProjectEventType
from gateway.sending.inbox_rules import Decision, InboxOnly, InboxRules
from gateway.store.contents import Content, NotificationFields
from gateway.store.delivery_configs import DeliveryConfigStore, SavedChannel, SavedConfig
from gateway.store.project_event_log import EventRetention, ProjectEventLog
from gateway.store.project_events import ProjectEvents
from tests.store.conftest import InspectedClient, new_user

SUPPRESSED = ProjectEventType.SUPPRESSED


def content(category: str) -> Content:
    return Content.encode(str(uuid4()), NotificationFields(title="t", category=category))


async def test_a_suppressed_notification_becomes_an_event_that_names_the_rule(client: InspectedClient) -> None:
    configs, log = DeliveryConfigStore(client), ProjectEventLog(client, EventRetention(100, 100))
    events = ProjectEvents(log)
    rules, user = InboxRules(configs, events), new_user()
    await configs.put(user.project_id, "off", SavedConfig(disabled=True))
    pro = SavedChannel("in_app", condition="{{ notification.custom_attributes.plan == 'pro' }}")
    await configs.put(user.project_id, "pro", SavedConfig([pro]))
    off, for_pro = content("off"), content("pro")
    assert (await rules.decide(user.project_id, content(""), None, [user])).in_inbox
    assert (await rules.decide(user.project_id, for_pro, {"plan": "pro"}, [user])).in_inbox
    assert not (await rules.decide(user.project_id, for_pro, {"plan": "free"}, [user])).in_inbox
    assert not (await rules.decide(user.project_id, off, None, [user] * 11)).in_inbox
    await events.flush()
    many, one = (await log.read(user.project_id, [SUPPRESSED], 10)).events
    assert {one.type, many.type} == {SUPPRESSED}
    assert (one.user_id, many.user_id) == (user.id, None)
    assert json.loads(one.context) == {
        "notification_id": for_pro.id_text,
        "rule": "delivery_config pro: if of in_app",
        "category": "pro",
    }
    assert json.loads(many.context) == {
        "notification_id": off.id_text,
        "rule": "delivery_config off: disabled",
        "category": "off",
        "count": 11,
    }


async def test_inbox_only_sends_nothing_by_other_routes_and_reads_no_config(client: InspectedClient) -> None:
    configs, user = DeliveryConfigStore(client), new_user()
    rules = InboxOnly(configs, ProjectEvents(ProjectEventLog(client, EventRetention(100, 100))))
    await configs.put(user.project_id, "off", SavedConfig(disabled=True))
    assert rules.passes(user.project_id, content("off"))
    assert await rules.decide(user.project_id, content("off"), None, [user]) == Decision(True)
