"""Routes, states and records of deliveries."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.delivery import (
    Blame,
    DeliveryState,
    EntryId,
    EntryRecord,
    Lane,
    LaneState,
    LaneStatus,
    OutboxPlan,
    Route,
    SkipReason,
    TokenState,
    address_key,
    combined,
    delivery_id,
    routes_of,
    skipped,
)
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId
from gateway.domain.preferences import Channel

S = DeliveryState


def test_every_channel_but_the_inbox_has_routes() -> None:
    assert [channel for channel in Channel if not routes_of(channel)] == [Channel.IN_APP]
    assert routes_of(Channel.MOBILE_PUSH) == (Route.APNS, Route.FCM, Route.EXPO)
    assert Route.APNS.token_kind == "mobile_push/apns"


def test_codes_are_single_characters_and_unique() -> None:
    assert sorted({route.code for route in Route}) == sorted(route.code for route in Route)
    assert all(len(route.code) == 1 for route in Route)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], S.SKIPPED),
        ([S.DELIVERED, S.DEAD], S.DELIVERED),
        ([S.DELIVERED, S.RETRY], S.RETRY),
        ([S.HANDED, S.RETRY], S.HANDED),
        ([S.DEAD, S.FAILED], S.FAILED),
        ([S.UNKNOWN, S.REFUSED], S.UNKNOWN),
    ],
)
def test_an_entry_ends_with_its_last_token(states: list[DeliveryState], state: DeliveryState) -> None:
    assert combined(states) is state
    assert state.is_final == all(each.is_final for each in states)


def test_a_record_is_read_as_it_was_written() -> None:
    record = EntryRecord(S.RETRY, "", 1, 0, "apns", (TokenState(b"\0key", S.RETRY, 2, "503", next_ms=9),))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=EntryRecord) == record
    after = skipped(SkipReason.READ, 5, record)
    assert (after.state, after.reason, after.started_ms, after.ended_ms) == (S.SKIPPED, "read", 1, 5)
    assert skipped(SkipReason.READ, 5).started_ms == 0


def test_a_message_has_the_same_id_at_every_repetition() -> None:
    entry, user = EntryId(ItemId(uuid4().bytes), Route.EMAIL), UserId(str(uuid4()))
    key = address_key("Ada@example.com")
    assert delivery_id(user, entry, key) == delivery_id(user, entry, address_key("ada@example.com"))
    assert delivery_id(user, entry, key) != delivery_id(user, entry._replace(route=Route.SMS), key)


def test_a_plan_is_written_for_the_functions() -> None:
    assert OutboxPlan(((Route.APNS, 0), (Route.EMAIL, 300_000))).text == "a:0 e:300000"
    assert OutboxPlan(((Route.SMS, 0),), in_inbox=False).text == "-m:0"


def test_nobody_is_blamed_without_a_destination_that_failed() -> None:
    assert Blame(arrived=3).is_empty
    assert not Blame(arrived=0, dead=[UserId("u")]).is_empty
    assert not Blame(arrived=0, doubted=[UserId("u")]).is_empty


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, LaneState.RUNNING),
        ({"not_before_ms": 5_001}, LaneState.THROTTLED),
        ({"not_before_ms": 5_000}, LaneState.RUNNING),
        ({"not_before_ms": 5_001, "is_open": True}, LaneState.FAILING),
        ({"is_open": True, "parked": "a wrong key"}, LaneState.PARKED),
    ],
)
def test_a_lane_runs_unless_something_holds_it_back(more: dict[str, Any], state: LaneState) -> None:
    lane = Lane(ProjectId("1"), Route.EMAIL)
    assert LaneStatus(lane=lane, waiting=1, first_due_ms=1_000, **more).state(5_000) is state


def test_a_lane_is_late_since_its_first_user_is_due() -> None:
    lane = Lane(ProjectId("1"), Route.EMAIL)
    lags = [LaneStatus(lane=lane, waiting=1, first_due_ms=due).lag_seconds(5_000) for due in (1_000, 9_000, 0)]
    assert lags == [4.0, 0.0, 0.0]
