"""Stored plans: the oldest versions are followed, and unknown newer ones are rejected."""

from uuid import RFC_4122, UUID

import msgspec
import pytest

from gateway.sending.command import Recipient, TopicRecipients
from gateway.sending.plans import ImportPlan, SendPlan, decode_broadcast, new_send_plan
from gateway.store.contents import Content
from gateway.store.event_log import Moment
from tests.sending import recorded

MOMENT = Moment(1795961054378, "9df8d878")


def test_the_oldest_plan_of_a_broadcast_is_decoded() -> None:
    plan = decode_broadcast(recorded.BROADCAST_PLAN)
    assert plan.recipients == [
        Recipient(
            external_id="ada",
            email="Ada@Example.com",
            first_name="Ada",
            custom_attributes={"plan": None},
            phone_numbers=["+1"],
        ),
        Recipient(external_id="joe"),
        Recipient(matches="*"),
        Recipient(matches={"custom_attributes": {"plan": None}}),
        Recipient(topic=TopicRecipients(True)),
    ]
    assert (plan.root, plan.moment, plan.user_count) == ("broadcast", MOMENT, 1203)
    assert plan.shown.title == "Shown"


def test_the_content_of_the_oldest_plan_is_the_same_as_ever() -> None:
    content = Content.encode(recorded.BROADCAST_ID, decode_broadcast(recorded.BROADCAST_PLAN).shown)
    assert content.encoded == recorded.CONTENT


def test_a_plan_of_a_broadcast_is_stored_as_gateways_without_versions_read_it() -> None:
    assert msgspec.json.encode(decode_broadcast(recorded.BROADCAST_PLAN)) == recorded.BROADCAST_PLAN


def test_a_field_that_a_later_gateway_added_is_ignored() -> None:
    later = recorded.BROADCAST_PLAN[:-1] + b',"added":1}'
    assert decode_broadcast(later) == decode_broadcast(recorded.BROADCAST_PLAN)


@pytest.mark.parametrize(
    ("stored", "plan"),
    [
        (recorded.SEND_PLAN, SendPlan(recorded.BROADCAST_ID, MOMENT)),
        (recorded.IMPORT_PLAN, ImportPlan(recorded.BROADCAST_ID, MOMENT.now_ms)),
    ],
)
def test_the_oldest_plan_of_a_request_is_read_and_written_the_same(stored: bytes, plan: SendPlan | ImportPlan) -> None:
    assert msgspec.json.decode(stored, type=type(plan)) == plan
    assert msgspec.json.encode(plan) == stored


@pytest.mark.parametrize(("stored", "kind"), [(recorded.SEND_PLAN, SendPlan), (recorded.IMPORT_PLAN, ImportPlan)])
def test_a_plan_of_a_request_that_is_newer_than_known_is_rejected(
    stored: bytes, kind: type[SendPlan | ImportPlan]
) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$.version"):
        msgspec.json.decode(stored[:-1] + b',"version":2}', type=kind)


def test_each_new_plan_has_a_random_id_that_begins_with_its_time() -> None:
    plans = [new_send_plan(Moment(1_700_000_000_123, "e")) for _ in range(100)]
    assert len({plan.id for plan in plans}) == len(plans)
    for plan in plans:
        uuid = UUID(plan.id)
        assert (str(uuid), uuid.version, uuid.variant) == (plan.id, 7, RFC_4122)
        assert uuid.int >> 80 == 1_700_000_000_123
