"""The steps of delivery plans by the records of deliveries."""

from collections.abc import Mapping, Sequence

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, NotificationDeliveries, combined
from gateway.domain.delivery_config import DeliveryConfig
from gateway.domain.delivery_plan import Step, StepState
from gateway.domain.preferences import Channel

_STATES: Mapping[DeliveryState, StepState] = {
    DeliveryState.SCHEDULED: StepState.SCHEDULED,
    DeliveryState.SENDING: StepState.SENDING,
    DeliveryState.RETRY: StepState.SENDING,
    DeliveryState.HANDED: StepState.SENDING,
    DeliveryState.DELIVERED: StepState.DELIVERED,
    DeliveryState.SKIPPED: StepState.SKIPPED,
}
"""All other states are failures."""


def steps_of(deliveries: NotificationDeliveries | None, config: DeliveryConfig, sent_at: int) -> dict[Channel, Step]:
    """Return the step of each channel by which a notification is, was or could have been sent, the inbox first.

    A channel of the config by which it was not to be sent, because the project has configured no provider or the user
    has no address, was skipped when it was sent.
    """
    if deliveries is None or deliveries.is_in_inbox:
        inbox = Step(Channel.IN_APP, StepState.DELIVERED, sent_at, sent_at)
    else:
        inbox = Step(Channel.IN_APP, StepState.SKIPPED, None, sent_at)
    entries = deliveries.entries if deliveries is not None else ()
    by_channel: dict[Channel, list[Known]] = {}
    for entry in entries:
        if entry.route.channel is not None:
            by_channel.setdefault(entry.route.channel, []).append(entry)
    known = {channel: _step(channel, group) for channel, group in by_channel.items()}
    skipped = {step.channel: Step(step.channel, StepState.SKIPPED, None, sent_at) for step in config.steps}
    return {
        Channel.IN_APP: inbox,
        **{channel: step for channel, step in (skipped | known).items() if channel != Channel.IN_APP},
    }


def _step(channel: Channel, entries: Sequence[Known]) -> Step:
    """Return the step of a channel with the entries of its routes."""
    records = [entry.record or EntryRecord() for entry in entries]
    state = _STATES.get(combined(record.state for record in records), StepState.FAILED)
    if any(entry.is_held for entry in entries):
        state = StepState.SENDING
    started = [record.started_ms for record in records if record.started_ms]
    ended = [record.ended_ms for record in records if record.ended_ms]
    return Step(
        channel,
        state,
        min(started) // 1000 if started else None,
        max(ended) // 1000 if ended and state.is_final else None,
    )
