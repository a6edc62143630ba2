"""Delivery plans: their steps, and the status that follows from these."""

import pytest

from gateway.domain.delivery_config import DEFAULT, ChannelConfig, DeliveryConfig
from gateway.domain.delivery_plan import DeliveryPlan, PlanStatus, Step, StepState, plan_of
from gateway.domain.preferences import Channel

IN_APP, EMAIL, SMS = Channel.IN_APP, Channel.EMAIL, Channel.SMS
STORED = Step(IN_APP, StepState.DELIVERED, 10, 10)
MAIL = DeliveryConfig("mail", (ChannelConfig(EMAIL, priority=1), ChannelConfig(SMS, priority=0)))


def test_the_steps_are_the_channels_in_their_order_with_what_is_known() -> None:
    assert plan_of(DEFAULT, {IN_APP: STORED}) == DeliveryPlan((STORED,))
    assert plan_of(MAIL, {IN_APP: STORED}) == DeliveryPlan((STORED, Step(SMS), Step(EMAIL)))
    assert plan_of(DeliveryConfig("off", disabled=True), {IN_APP: STORED}) == DeliveryPlan((STORED,))


@pytest.mark.parametrize(
    ("steps", "status", "next_step", "started_at", "completed_at"),
    [
        ((Step(EMAIL),), PlanStatus.PENDING, 0, None, None),
        ((STORED, Step(EMAIL)), PlanStatus.IN_PROGRESS, 1, 10, None),
        ((Step(EMAIL, StepState.SENDING, 5),), PlanStatus.IN_PROGRESS, 0, 5, None),
        ((STORED,), PlanStatus.COMPLETED, 1, 10, 10),
        ((STORED, Step(EMAIL, StepState.FAILED, 12, 15)), PlanStatus.COMPLETED, 2, 10, 15),
        ((STORED, Step(EMAIL, StepState.SKIPPED, None, 9)), PlanStatus.COMPLETED, 2, 10, 10),
    ],
)
def test_the_status_follows_from_the_steps(
    steps: tuple[Step, ...], status: PlanStatus, next_step: int, started_at: int | None, completed_at: int | None
) -> None:
    plan = DeliveryPlan(steps)
    assert (plan.status, plan.next_step) == (status, next_step)
    assert (plan.started_at, plan.completed_at) == (started_at, completed_at)
