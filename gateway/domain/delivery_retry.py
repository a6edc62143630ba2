"""Retrying a delivery that has ended, because somebody asks for it."""

import msgspec

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, SkipReason

_STATE_REASONS = (SkipReason.READ.value, SkipReason.ARCHIVED.value, SkipReason.DELETED.value)


class NotRetryableError(Exception):
    """A delivery that cannot be retried. The message says why."""


def retried(entry: Known) -> EntryRecord:
    """Return the record with which a delivery begins anew, for the destinations that did not get the message.

    Raises NotRetryableError.
    """
    record = entry.record
    if entry.is_held:
        raise NotRetryableError("It is being sent now")
    if record is None or not record.state.is_final:
        state = "scheduled" if record is None else record.state.name.lower()
        raise NotRetryableError(f"It has not ended: it is {state}")
    if record.state is DeliveryState.SKIPPED and record.reason in _STATE_REASONS:
        raise NotRetryableError(f"The notification was {record.reason}, so it would be skipped again")
    left = [token for token in record.tokens if token.state is not DeliveryState.DELIVERED]
    if record.state is DeliveryState.DELIVERED and not left:
        raise NotRetryableError("It was delivered")
    tokens = tuple(
        token
        if token.state is DeliveryState.DELIVERED
        else msgspec.structs.replace(
            token,
            state=DeliveryState.SCHEDULED,
            attempts=0,
            reason="",
            provider_id="",
            started_ms=0,
            ended_ms=0,
            next_ms=0,
        )
        for token in record.tokens
    )
    return EntryRecord(provider=record.provider, tokens=tokens)
