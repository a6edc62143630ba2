"""Delivery plans: the steps by which a notification reaches one user, and how far they are.

The steps are the channels of the delivery config in their order. The inbox is always one of them: a notification that
is in no inbox has no plan.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from gateway.domain.delivery_config import DeliveryConfig
from gateway.domain.preferences import Channel


class StepState(Enum):
    """How far a step is."""

    SCHEDULED = "scheduled"
    SENDING = "sending"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Return whether nothing more happens in the step."""
        return self in (StepState.DELIVERED, StepState.SKIPPED, StepState.FAILED)


class Step(NamedTuple):
    """One channel of a plan. Times are unix seconds; `ended_at` is that of a final state."""

    channel: Channel
    state: StepState = StepState.SCHEDULED
    started_at: int | None = None
    ended_at: int | None = None


class PlanStatus(Enum):
    """How far a plan is."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"


class DeliveryPlan(NamedTuple):
    """The steps of a notification for one user, in their order."""

    steps: tuple[Step, ...]

    @property
    def status(self) -> PlanStatus:
        """Return `completed` once all steps have ended, and `pending` before the first one starts."""
        if self.next_step == len(self.steps):
            return PlanStatus.COMPLETED
        return PlanStatus.PENDING if self.started_at is None else PlanStatus.IN_PROGRESS

    @property
    def next_step(self) -> int:
        """Return the place of the first step that has not ended, from 0; the number of steps if all have."""
        return next((place for place, step in enumerate(self.steps) if not step.state.is_final), len(self.steps))

    @property
    def started_at(self) -> int | None:
        """Return when the first step started, None before that."""
        return min((step.started_at for step in self.steps if step.started_at is not None), default=None)

    @property
    def completed_at(self) -> int | None:
        """Return when the last step ended, None before that."""
        if self.status is not PlanStatus.COMPLETED:
            return None
        return max((step.ended_at for step in self.steps if step.ended_at is not None), default=None)


def plan_of(config: DeliveryConfig, known: Mapping[Channel, Step]) -> DeliveryPlan:
    """Return the plan of a notification by the config of its category. `known` are the steps that have a state.

    A known step that the config does not list comes first: it happened under an earlier config, or it is the inbox.
    """
    listed = [step.channel for step in config.steps]
    first = [channel for channel in known if channel not in listed]
    return DeliveryPlan(tuple(known.get(channel) or Step(channel) for channel in (*first, *listed)))
