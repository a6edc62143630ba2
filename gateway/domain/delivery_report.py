"""Asking a provider again for the result of a message, because the provider has reported that there is news."""

import msgspec

from gateway.domain.delivery import DeliveryState, EntryRecord, Known

LATE_FAILURES = ("undelivered", "failed")
"""The statuses of Twilio by which a network reports that a text message has not arrived."""


def was_delivered(entry: Known, provider_id: str) -> bool:
    """Return whether the message with the provider's id has ended as delivered. That state is final."""
    tokens = entry.record.tokens if entry.record is not None else ()
    return bool(provider_id) and any(
        token.state is DeliveryState.DELIVERED and token.provider_id == provider_id for token in tokens
    )


def asked_again(entry: Known) -> EntryRecord | None:
    """Return the record with which the results of an entry are asked for at once, None if all are known."""
    record = entry.record
    if record is None or entry.is_held:
        return None
    tokens = tuple(
        msgspec.structs.replace(token, next_ms=0) if token.state is DeliveryState.HANDED else token
        for token in record.tokens
    )
    if not any(token.state is DeliveryState.HANDED for token in tokens):
        return None
    return msgspec.structs.replace(record, tokens=tokens)
