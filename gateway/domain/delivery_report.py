"""Asking a provider again for the result of a message, because the provider has reported that there is news."""

import msgspec

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, combined

_ACCEPTED = (DeliveryState.HANDED, DeliveryState.DELIVERED)


def asked_again(entry: Known) -> EntryRecord | None:
    """Return the record with which the results of an entry are asked for at once, None if there are none to ask for.

    A message that is delivered is asked for too: the network may have reported later that it was not.
    """
    record = entry.record
    if record is None or entry.is_held:
        return None
    tokens = tuple(
        msgspec.structs.replace(token, state=DeliveryState.HANDED, ended_ms=0, next_ms=0)
        if token.state in _ACCEPTED and token.provider_id
        else token
        for token in record.tokens
    )
    if tokens == record.tokens and not any(token.state is DeliveryState.HANDED for token in tokens):
        return None
    state = combined(token.state for token in tokens)
    return msgspec.structs.replace(record, state=state, reason="", ended_ms=0, tokens=tokens)
