"""Outgoing webhooks: types, ids, bodies within their limit, and the health of an endpoint."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.domain import webhook as module
from gateway.domain.notification import DELETE_EVENT, NEW_EVENT, BulkCommand, Command
from gateway.domain.webhook import (
    FAILING_MS,
    HEALTHY,
    LEAST_FAILURES,
    LONGEST_PAUSE_MS,
    MAX_BODY_BYTES,
    OF_INBOX,
    OPENING_FAILURES,
    SELECTABLE,
    Attempt,
    EndpointHealth,
    WebhookEvent,
    encode_body,
    is_selected,
    message_id,
    ms_of,
)

TIME = "2026-11-30T00:00:00.000Z"


def test_every_event_of_an_inbox_has_a_type() -> None:
    names = {each.transition.event_name for each in Command} | {each.value.event_name for each in BulkCommand}
    assert names | {NEW_EVENT, DELETE_EVENT} == OF_INBOX.keys()


def test_an_endpoint_selects_types_and_groups_or_all() -> None:
    assert is_selected((), "user.created")
    assert is_selected(("user.*",), "user.created")
    assert is_selected(("notification.read", "user.created"), "user.created")
    assert not is_selected(("notification.read",), "user.created")
    assert not is_selected(("user.*",), "notification.read")
    assert "notification.*" in SELECTABLE
    assert "webhook.test" not in SELECTABLE


@given(st.integers(0, (1 << 48) - 1), st.text(), st.text())
def test_an_id_is_that_of_its_event_and_sorts_by_time(ms: int, one: str, other: str) -> None:
    found = message_id(ms, one)
    assert found == message_id(ms, one)
    assert (found == message_id(ms, other)) == (one == other)
    assert ms_of(found) == ms
    assert found.version == 8
    assert message_id(max(0, ms - 1), other) < found or ms == 0


def body_of(data: dict[str, Any]) -> Any:
    encoded = encode_body("notification.created", UUID(int=1), TIME, data)
    assert len(encoded) <= MAX_BODY_BYTES
    return json.loads(encoded)


def test_a_body_has_type_id_time_and_data() -> None:
    data = {"user": {"id": "1"}, "notification": {"id": "2", "title": "t"}}
    assert body_of(data) == {"type": "notification.created", "id": str(UUID(int=1)), "timestamp": TIME, "data": data}


@pytest.mark.parametrize("character", ["a", "ä", '"', "😀", "\x01"])
def test_a_long_text_is_cut_to_what_fits_and_named(character: str) -> None:
    data = {"user": {"id": "1"}, "notification": {"id": "2", "title": "t", "content": character * MAX_BODY_BYTES}}
    found = body_of(data)["data"]
    assert found["truncated"] == ["notification.content"]
    content = found["notification"]["content"]
    assert set(content[:-1]) == {character}
    assert content[-1] == "…"
    found["notification"]["content"] = content[:-1] + character + "…"
    assert len(encode_body("notification.created", UUID(int=1), TIME, found)) > MAX_BODY_BYTES - 20
    assert len(data["notification"]["content"]) == MAX_BODY_BYTES


def test_other_values_are_left_out_until_the_rest_fits() -> None:
    large = "x" * (MAX_BODY_BYTES // 2)
    notification = {"id": "2", "title": "t", "content": large, "custom_attributes": {"a": large * 3}}
    found = body_of({"notification": notification})["data"]
    assert found["truncated"] == ["notification.content", "notification.custom_attributes"]
    assert found["notification"] == {"id": "2", "title": "t", "content": None, "custom_attributes": None}
    found = body_of({"user": {"id": "1"}, "filters": {"topics": [large] * 3}, "count": 1})["data"]
    assert found == {"user": {"id": "1"}, "filters": None, "count": 1, "truncated": ["filters"]}


def test_an_attempt_is_one_line() -> None:
    attempt = Attempt(5, 500, 12, "HTTP 500\n\x85 and more")
    assert "\n" not in attempt.line()
    assert Attempt.parse(attempt.line()) == Attempt(5, 500, 12, "HTTP 500 and more")
    assert Attempt.parse(Attempt(5, 200, 12, "").line()) == Attempt(5, 200, 12, "")
    with pytest.raises(ValueError, match="unpack"):
        Attempt.parse("nonsense")


class Health(RuleBasedStateMachine):
    """Any series of outcomes, against what they mean: an endpoint dies only of failures alone, over days."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000
        self.health = HEALTHY
        self.failed_at: list[int] = []

    @rule(ms=st.integers(0, 3 * module.DAY_MS))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule()
    def succeed(self) -> None:
        self.health = self.health.succeeded()
        self.failed_at.clear()
        assert self.health.resumes_ms == 0

    @rule(times=st.integers(1, LEAST_FAILURES))
    def fail(self, times: int) -> None:
        for _ in range(times):
            before = self.health.resumes_ms
            self.health = self.health.failed(self.now)
            self.failed_at.append(self.now)
            assert self.health.resumes_ms >= before
        pause = self.health.resumes_ms - self.now
        assert pause <= LONGEST_PAUSE_MS or before > self.now
        assert pause > 0 or len(self.failed_at) < OPENING_FAILURES

    @rule(ms=st.integers(0, module.DAY_MS))
    def throttle(self, ms: int) -> None:
        before = self.health
        self.health = before.throttled(self.now, ms)
        assert self.health.resumes_ms == max(before.resumes_ms, self.now + ms)
        assert self.health[:2] == before[:2]

    @invariant()
    def is_dead_after_failures_alone_for_days(self) -> None:
        lasts = self.failed_at and self.now - self.failed_at[0] >= FAILING_MS
        assert self.health.is_dead(self.now) == bool(lasts and len(self.failed_at) >= LEAST_FAILURES)
        assert self.health.failures == len(self.failed_at)
        assert self.health.is_probed == (len(self.failed_at) >= OPENING_FAILURES)


TestHealth = Health.TestCase


def test_the_pause_doubles() -> None:
    health = HEALTHY
    pauses = []
    for _ in range(OPENING_FAILURES + 8):
        health = EndpointHealth(health.failures, health.failing_since_ms).failed(1)
        pauses.append(health.resumes_ms - 1)
    assert pauses[:6] == [0, 0, 0, 0, 5_000, 10_000]
    assert pauses[-1] == LONGEST_PAUSE_MS


def test_types_have_names_of_their_own() -> None:
    found = [each.label for each in WebhookEvent]
    assert len(set(found)) == len(found)
