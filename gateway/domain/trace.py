"""Traces: the answer to "why did X not get N?" as one sentence, and the steps behind it.

Everything here is made from `TraceFacts`, without reading anything. No text has an address, a token or a secret: a user
is named by `who`, a destination by its number, and a failure by the provider's code.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway.domain.delivery_config import DEFAULT, DEFAULT_KEY
from gateway.domain.preferences import Channel, Status
from gateway.domain.trace_deliveries import channel_verdicts, delivery_steps
from gateway.domain.trace_facts import TraceFacts, TraceStep
from gateway.domain.trace_inbox import inbox_verdict, rule_text
from gateway.domain.trace_sentences import category_text, duration, joined, sentence


class Trace(NamedTuple):
    """The answer. `verdict` is one sentence."""

    verdict: str
    steps: Sequence[TraceStep]


def trace_of(facts: TraceFacts) -> Trace:
    """Return the trace of a notification."""
    inbox, channels = inbox_verdict(facts), list(channel_verdicts(facts))
    steps = [*_sent_steps(facts), *_rule_steps(facts), *_inbox_steps(facts), *delivery_steps(facts)]
    # Steps without a time explain those around them, so they keep their places.
    at, timed = 0, []
    for step in steps:
        at = step.at_ms if step.at_ms is not None else at
        timed.append((at, step))
    return Trace(joined([inbox, *channels]), [step for _, step in sorted(timed, key=lambda each: each[0])])


def _sent_steps(facts: TraceFacts) -> Iterator[TraceStep]:
    if facts.broadcast is not None:
        broadcast = facts.broadcast
        yield TraceStep("accepted", "The broadcast was accepted.", broadcast.created_ms)
        failures = f", and failed for {broadcast.failures} of them" if broadcast.failures else ""
        text = f"The broadcast is {broadcast.status}. It has come to {broadcast.total} users{failures}."
        yield TraceStep("broadcast", text, None, state=broadcast.status)
        if broadcast.names_user:
            yield TraceStep("matched", sentence(f"the broadcast names {facts.who}"))
        elif broadcast.matches:
            yield TraceStep("matched", sentence(f"{facts.who} matches a condition of the broadcast now"))
    elif facts.recipients > 1:
        text = f"A request to {facts.recipients} recipients was accepted."
        yield TraceStep("accepted", text, facts.sent_ms)
    elif facts.sent_ms is not None and facts.is_known:
        yield TraceStep("accepted", "The request was accepted.", facts.sent_ms)


def _rule_steps(facts: TraceFacts) -> Iterator[TraceStep]:
    """Yield what decides now. It may have been different when the notification was sent."""
    if not facts.is_content_known:
        return
    off = [channel.value for channel in Channel if not facts.preference.allows(channel)]
    if off:
        text = f"{facts.who} has switched off for {category_text(facts.category)}: {', '.join(off)}"
        yield TraceStep("preference", sentence(text))
    if facts.topic:
        status = "unsubscribed from" if facts.subscription is Status.UNSUBSCRIBED else "subscribed to"
        how = "" if facts.subscription is not None else ", because of no choice against it"
        yield TraceStep("topic", sentence(f"{facts.who} is {status} the topic '{facts.topic}'{how}"))
    yield TraceStep("config", _config_text(facts))


def _config_text(facts: TraceFacts) -> str:
    config = facts.config
    if config is DEFAULT:
        about = category_text(facts.category)
        return f"The project has no delivery config for {about}, so all of its channels are used at once."
    name = "the default delivery config" if config.key == DEFAULT_KEY else f"the delivery config '{config.key}'"
    if config.disabled:
        return sentence(f"{name} is disabled, so nothing is sent")
    steps = []
    for step in config.steps:
        delay = f" after {duration(step.delay_seconds)}" if step.delay_seconds else ""
        condition = facts.conditions.get(step.channel)
        steps.append(f"{step.channel.value}{delay}{f' if {condition}' if condition else ''}")
    disabled = [each.channel.value for each in config.channels if each.disabled]
    parts = [", then ".join(steps) or "no channel", *([f"disabled: {', '.join(disabled)}"] if disabled else [])]
    return sentence(f"{name} applies: {'; '.join(parts)}")


def _inbox_steps(facts: TraceFacts) -> Iterator[TraceStep]:
    for each in facts.occurrences:
        if each.name == "notification.suppressed":
            reason = rule_text(each.rule) if each.rule != "preference" else "of a preference or subscription"
            about = "" if each.users == 1 else f" of {each.users} users, perhaps of this one too,"
            yield TraceStep(
                "suppressed", f"It was kept out of the inbox{about} because {reason}.", each.at_ms, "in_app"
            )
        elif each.name == "notification.stored" and facts.item is None:
            # The event is appended a moment later, when the item may be deleted already.
            at_ms = min(each.at_ms, facts.deleted_ms or each.at_ms)
            yield TraceStep("stored", "It was stored in the inbox.", at_ms, "in_app")
    if facts.item is not None:
        yield TraceStep("stored", "It was stored in the inbox.", facts.sent_ms, "in_app")
        times = (("seen", facts.item.seen_at), ("read", facts.item.read_at), ("archived", facts.item.archived_at))
        for name, at in times:
            if at is not None:
                yield TraceStep(name, f"It was {name}.", at * 1000, "in_app")
    if facts.deleted_ms is not None:
        yield TraceStep("deleted", "It was deleted from the inbox.", facts.deleted_ms, "in_app")
    if facts.user_deleted_ms is not None:
        yield TraceStep("user_deleted", "The user was deleted.", facts.user_deleted_ms)
