"""The verdict on deliveries, and the record of what providers received."""

import json

import pytest

from gateway.domain.delivery import DeliveryState
from loadtest.check.deliveries.attempts import Attempt, AttemptJournal, DeliveryKey, Result, mark_of
from loadtest.check.deliveries.providers import FaultyProviders, fail
from loadtest.check.deliveries.verdict import Expected, Fate, judge
from loadtest.check.violations import ViolationKind
from loadtest.providers import replies
from loadtest.providers.server import ProviderRequest

ACCEPTED, UNANSWERED, REJECTED, DEAD = Result.ACCEPTED, Result.UNANSWERED, Result.REJECTED, Result.DEAD
DELIVERED, UNKNOWN, SKIPPED = DeliveryState.DELIVERED, DeliveryState.UNKNOWN, DeliveryState.SKIPPED
KEY = DeliveryKey(mark_of("a", 1), "fcm", "token")
ID, OTHER_ID = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def found(
    results: list[Result],
    state: DeliveryState | None,
    fate: Fate = Fate.ARRIVES,
    *,
    repeats: bool = True,
    may_repeat: bool = False,
    may_vanish: bool = False,
    ids: tuple[str, ...] = (),
) -> list[ViolationKind]:
    attempts = [
        Attempt(float(number), frozenset([ids[number] if ids else ID]), result) for number, result in enumerate(results)
    ]
    expected = Expected(KEY, fate, repeats, is_dead=DEAD in results)
    return [kind for kind, _ in judge(expected, attempts, state, may_repeat=may_repeat, may_vanish=may_vanish)]


def test_a_delivery_that_arrived_after_failures_is_right() -> None:
    assert found([ACCEPTED], DELIVERED) == []
    assert found([REJECTED, UNANSWERED, ACCEPTED], DELIVERED) == []
    assert found([REJECTED, UNANSWERED], UNKNOWN, repeats=False) == []
    assert found([DEAD], DeliveryState.DEAD) == []
    assert found([], SKIPPED, Fate.CANCELLED) == []
    assert found([], SKIPPED, Fate.EITHER) == found([ACCEPTED], DELIVERED, Fate.EITHER) == []


@pytest.mark.parametrize(
    ("results", "state", "fate", "violation"),
    [
        ([ACCEPTED], None, Fate.ARRIVES, ViolationKind.UNFINISHED),
        ([REJECTED], DeliveryState.RETRY, Fate.ARRIVES, ViolationKind.UNFINISHED),
        ([], DELIVERED, Fate.ARRIVES, ViolationKind.DELIVERY_LOST),
        ([REJECTED], DeliveryState.FAILED, Fate.ARRIVES, ViolationKind.DELIVERY_LOST),
        ([], SKIPPED, Fate.ARRIVES, ViolationKind.DELIVERY_LOST),
        ([], UNKNOWN, Fate.ARRIVES, ViolationKind.DELIVERY_LOST),
        ([ACCEPTED], SKIPPED, Fate.EITHER, ViolationKind.DELIVERY_LOST),
        ([ACCEPTED], DELIVERED, Fate.CANCELLED, ViolationKind.NOT_CANCELLED),
    ],
)
def test_a_state_that_differs_from_what_arrived_is_reported(
    results: list[Result], state: DeliveryState | None, fate: Fate, violation: ViolationKind
) -> None:
    assert found(results, state, fate) == [violation]


def test_an_attempt_that_no_provider_received_is_unknown_only_if_it_may_vanish_and_is_not_repeated() -> None:
    assert found([], UNKNOWN, repeats=False, may_vanish=True) == []
    assert found([], UNKNOWN, repeats=False) == [ViolationKind.DELIVERY_LOST]
    assert found([], UNKNOWN, may_vanish=True) == [ViolationKind.DELIVERY_LOST]


def test_a_repetition_is_reported_unless_it_is_promised() -> None:
    assert found([ACCEPTED, ACCEPTED], DELIVERED) == [ViolationKind.DELIVERY_DOUBLED]
    assert found([ACCEPTED, ACCEPTED], DELIVERED, may_repeat=True) == []
    for first in (ACCEPTED, UNANSWERED):
        again = found([first, ACCEPTED], DELIVERED, repeats=False, may_repeat=True)
        assert again == [ViolationKind.DELIVERY_DOUBLED]
    assert found([REJECTED, ACCEPTED], DELIVERED, ids=(ID, OTHER_ID)) == [ViolationKind.ID_CHANGED]


def request(project: str, mark: str, token: str = "token") -> ProviderRequest:
    body = json.dumps({"message": {"token": token, "notification": {"title": mark}, "data": {"id": ID}}}).encode()
    return ProviderRequest("POST", f"/v1/projects/{project}/messages:send", {}, body, 0.0)


def test_a_request_is_recorded_for_its_delivery_with_its_ids() -> None:
    journal = AttemptJournal()
    one = request("a", mark_of("a", 1))
    key = journal.key_of(replies.FCM, one)
    assert key == KEY
    assert journal.record(KEY, one).ids == {ID}


def test_a_request_with_the_credentials_of_another_project_is_reported() -> None:
    journal = AttemptJournal()
    assert journal.key_of(replies.FCM, request("b", mark_of("a", 1))) is None
    assert journal.key_of(replies.FCM, request("b", "no mark")) is None
    assert len(journal.strays) == 2


def test_a_provider_fails_once_for_each_delivery() -> None:
    providers = FaultyProviders(1)
    providers.misbehaviours = (fail,)
    results = []
    for _ in range(2):
        reply = providers.server.answer(request("a", KEY.mark))
        assert reply.on_written is not None
        reply.on_written()
        results.append(providers.journal.attempts[KEY][-1].result)
    assert results == [REJECTED, ACCEPTED]


def test_a_dead_token_and_wrong_credentials_are_refused() -> None:
    providers = FaultyProviders(1)
    reply = providers.server.answer(request("a", KEY.mark, "dead-token"))
    assert reply.data == replies.FCM.dead
    providers.misconfigured.add(("a", "fcm"))
    assert providers.server.answer(request("a", KEY.mark)).data == replies.FCM.misconfigured
