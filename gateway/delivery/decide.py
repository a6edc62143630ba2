"""Whether an entry is still to be sent, by what is true now and was not when it was written."""

from collections.abc import Mapping
from typing import Any

from gateway.domain.delivery import Entry, Route, SkipReason
from gateway.domain.delivery_condition import notification_attributes
from gateway.domain.delivery_config import DEFAULT, ChannelConfig, DeliveryConfigs
from gateway.domain.preferences import Channel

LATEST_SECONDS = 3 * 24 * 3600
"""How long after its due time an entry may still be sent. All attempts of the longest schedule take 28 hours; the rest
is for lanes that were parked."""


def expires_at(entry: Entry) -> int:
    """Return the unix second after which an entry is of no use."""
    begun_ms = entry.record.started_ms if entry.record is not None else 0
    return (begun_ms or entry.due_ms) // 1000 + LATEST_SECONDS


def skip_reason(
    entry: Entry, configs: DeliveryConfigs, attributes: Mapping[str, Any] | None, now: float
) -> SkipReason | None:
    """Return why an entry must not be sent, None if it may.

    `configs` are those of the project, and `attributes` the custom attributes of the notification. The events of
    webhooks happened, whatever became of the notification since.
    """
    if now >= expires_at(entry):
        return SkipReason.EXPIRED
    channel = entry.id.route.channel
    if channel is None:
        return None
    if entry.item is None:
        return SkipReason.DELETED
    if entry.item.archived_at is not None:
        return SkipReason.ARCHIVED
    if entry.item.read_at is not None:
        return SkipReason.READ
    if not entry.is_wanted:
        return entry.objection or SkipReason.PREFERENCE
    return _config_reason(entry, channel, configs, attributes)


def _config_reason(
    entry: Entry, channel: Channel, configs: DeliveryConfigs, attributes: Mapping[str, Any] | None
) -> SkipReason | None:
    config = configs.of_category(entry.category)
    if config is DEFAULT:  # the project has set none, and uses every channel that it has configured
        return None
    if config.disabled:
        return SkipReason.DISABLED
    listed = config.channel(channel)
    if listed is None or listed.disabled:
        return SkipReason.DISABLED
    return None if _holds(entry, listed, attributes) else SkipReason.CONDITION


def _holds(entry: Entry, listed: ChannelConfig, attributes: Mapping[str, Any] | None) -> bool:
    """Return whether the `if` of a channel holds for the item as it is now."""
    if listed.condition is None:
        return True
    assert entry.item is not None
    found = notification_attributes(
        seen=entry.item.seen_at is not None,
        read=entry.item.read_at is not None,
        archived=entry.item.archived_at is not None,
        category=entry.category,
        topic=entry.topic,
        custom_attributes=attributes,
    )
    return listed.condition.matches(found)


def uses_address(route: Route) -> bool:
    """Return whether a route sends to an address of the user, and not to tokens."""
    return route in (Route.EMAIL, Route.SMS)
