"""The steps of delivery plans, by the records of deliveries."""

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, NotificationDeliveries, Route
from gateway.domain.delivery_config import DEFAULT, ChannelConfig, DeliveryConfig
from gateway.domain.delivery_plan import DeliveryPlan, PlanStatus, Step, StepState, plan_of
from gateway.domain.delivery_steps import steps_of
from gateway.domain.preferences import Channel

INBOX = Step(Channel.IN_APP, StepState.DELIVERED, 100, 100)


def known(route: Route, state: DeliveryState, started: int = 0, ended: int = 0, *, held: bool = False) -> Known:
    return Known(route, None, EntryRecord(state, "", started * 1000, ended * 1000), held)


def test_without_deliveries_only_the_inbox_has_it() -> None:
    assert steps_of(None, DEFAULT, 100) == {Channel.IN_APP: INBOX}
    config = DeliveryConfig("x", (ChannelConfig(Channel.EMAIL), ChannelConfig(Channel.IN_APP)))
    assert steps_of(None, config, 100)[Channel.EMAIL] == Step(Channel.EMAIL, StepState.SKIPPED, None, 100)


def test_the_routes_of_a_channel_are_one_step() -> None:
    entries = (
        known(Route.APNS, DeliveryState.DELIVERED, 101, 102),
        known(Route.FCM, DeliveryState.FAILED, 100, 105),
        known(Route.EMAIL, DeliveryState.RETRY, 101),
        Known(Route.SMS, 5, None),
        known(Route.TEAMS, DeliveryState.UNKNOWN, 101, 103),
        known(Route.SLACK, DeliveryState.SCHEDULED, held=True),
        known(Route.WEBHOOKS, DeliveryState.DELIVERED, 1, 2),
    )
    found = steps_of(NotificationDeliveries(entries, (), True), DEFAULT, 100)
    assert list(found.values()) == [
        INBOX,
        Step(Channel.MOBILE_PUSH, StepState.DELIVERED, 100, 105),
        Step(Channel.EMAIL, StepState.SENDING, 101, None),
        Step(Channel.SMS, StepState.SCHEDULED, None, None),
        Step(Channel.TEAMS, StepState.FAILED, 101, 103),
        Step(Channel.SLACK, StepState.SENDING, None, None),
    ]
    plan = DeliveryPlan(tuple(found.values()))
    assert (plan.status, plan.next_step) == (PlanStatus.IN_PROGRESS, 2)


def test_what_is_in_no_inbox_has_skipped_it() -> None:
    entries = (known(Route.EMAIL, DeliveryState.SKIPPED, 0, 101),)
    found = steps_of(NotificationDeliveries(entries, (), False), DEFAULT, 100)
    assert found[Channel.IN_APP].state is StepState.SKIPPED
    assert plan_of(DEFAULT, found).status is PlanStatus.COMPLETED
