"""The part of a verdict that is about the inbox: whether the user has the notification there, and why not."""

from gateway.domain.preferences import Channel, Status
from gateway.domain.trace_facts import TraceFacts
from gateway.domain.trace_sentences import category_text, clock, listed


def inbox_verdict(facts: TraceFacts) -> str:
    """Return the part of the verdict that is about the inbox."""
    who, sent = facts.who, facts.sent_ms
    if facts.item is not None:
        since = f" since {clock(sent)}" if sent is not None else ""
        return f"{who} has it in the inbox{since}{_seen(facts)}"
    if facts.user_deleted_ms is not None:
        return f"the user was deleted at {clock(facts.user_deleted_ms)}, with the inbox"
    if facts.deleted_ms is not None:
        got = f" got it in the inbox at {clock(sent)} and" if sent is not None else ""
        return f"{who}{got} deleted it at {clock(facts.deleted_ms, sent)}"
    if (reason := _suppression(facts)) is not None:
        return f"it is not in the inbox because {reason}"
    if facts.stored:
        stored = next((each.at_ms for each in facts.occurrences if each.name == "notification.stored"), sent)
        when = f" at {clock(stored)}" if stored is not None else ""
        return f"{who} got it in the inbox{when}, and it is not there any more: it was deleted, or too old to be kept"
    if facts.deliveries is not None and not facts.deliveries.is_in_inbox:
        return f"it is in no inbox because {_inbox_off(facts)}"
    return _never(facts)


def _seen(facts: TraceFacts) -> str:
    assert facts.item is not None
    sent, parts = facts.sent_ms, []
    if facts.item.read_at is not None:
        parts.append(f"read it at {clock(facts.item.read_at * 1000, sent)}")
    elif facts.item.seen_at is not None:
        parts.append(f"saw it at {clock(facts.item.seen_at * 1000, sent)} without reading it")
    if facts.item.archived_at is not None:
        parts.append(f"archived it at {clock(facts.item.archived_at * 1000, sent)}")
    return f" and {listed(parts)}" if parts else " and has not seen it"


def _suppression(facts: TraceFacts) -> str | None:
    """Return why a rule kept it out of the inbox, None if no rule did as far as events tell."""
    found = next((each for each in facts.occurrences if each.name == "notification.suppressed"), None)
    if found is None:
        return None
    if found.rule == "preference":
        if not facts.is_content_known:
            return f"a preference or a subscription of {facts.who} excludes it"
        return _excluded(facts) or f"a preference or a subscription of {facts.who} excluded it, which was changed since"
    return rule_text(found.rule)


def rule_text(rule: str) -> str:
    """Return a rule of a delivery config as the end of `because …`: `delivery_config orders: in_app is disabled`."""
    kind, _, rest = rule.partition(" ")
    key, separator, what = rest.rpartition(": ")
    if kind != "delivery_config" or not separator:
        return f"of the rule '{rule}'"
    if what == "disabled":
        return f"the delivery config '{key}' is disabled"
    if what == "in_app is disabled":
        return f"the delivery config '{key}' switches the inbox off"
    return f"the `if` of the inbox in the delivery config '{key}' did not hold"


def _excluded(facts: TraceFacts) -> str:
    """Return why the user's present choices exclude it from the inbox, "" if they do not."""
    if facts.subscription is Status.UNSUBSCRIBED:
        return f"{facts.who} is not subscribed to the topic '{facts.topic}'"
    if not facts.preference.allows(Channel.IN_APP):
        return f"{facts.who} has switched the inbox off for {category_text(facts.category)}{_changed(facts)}"
    return ""


def _changed(facts: TraceFacts) -> str:
    """Return when the preferences were changed, "" if that is not known."""
    if facts.preferences_changed_ms is None:
        return ""
    return f" (the preferences were last changed at {clock(facts.preferences_changed_ms)})"


def _inbox_off(facts: TraceFacts) -> str:
    if reason := _excluded(facts):
        return reason
    in_app = facts.config.channel(Channel.IN_APP)
    if facts.config.disabled or (in_app is not None and in_app.disabled):
        return f"the delivery config '{facts.config.key}' switches it off"
    return "a rule kept it out when it was sent"


def _never(facts: TraceFacts) -> str:
    """Return why the user never got it."""
    who, broadcast = facts.who, facts.broadcast
    if broadcast is None:
        if facts.others:
            people = f"{facts.others} other user{'' if facts.others == 1 else 's'}"
            return f"it was sent to {people} and not to {who}: the request did not name {who} as a recipient"
        if facts.recipients:
            return f"it was sent to {facts.recipients} recipients, and nothing says that {who} was one of them"
        return f"nothing is known of it for {who}: it was not sent to {who}, or too long ago"
    if facts.user_created_ms is not None and facts.user_created_ms > broadcast.created_ms:
        return f"{who} was created at {clock(facts.user_created_ms)}, after the broadcast had begun"
    if broadcast.status == "cancelled" and broadcast.reached is False:
        return f"the broadcast was cancelled before it came to {who}, after {broadcast.total} users"
    if broadcast.status not in ("processed", "cancelled"):
        progress = f"it is {broadcast.status}, and has come to {broadcast.total} users"
        return f"the broadcast has not come to {who} yet: {progress}"
    if broadcast.reached:
        return (
            f"the broadcast reached {who}, and it is not in the inbox any more: it was deleted, or too old to be kept"
        )
    return f"the broadcast did not send it to {who}: {_not_matched(facts)}"


def _not_matched(facts: TraceFacts) -> str:
    assert facts.broadcast is not None
    if facts.broadcast.names_user:
        return f"it names {facts.who}, but a rule kept it out, or what is stored of the user could not be read"
    if facts.broadcast.matches:
        return f"a preference or a rule kept it out, or {facts.who} did not match when it was sent"
    if facts.broadcast.subscribers:
        return f"{facts.who} was not subscribed to the topic '{facts.topic}'"
    return f"{facts.who} matches none of its conditions and is not named"
