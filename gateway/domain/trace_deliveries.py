"""The parts of a trace that are about the channels besides the inbox."""

from collections.abc import Iterable, Iterator

from gateway.domain.delivery import DeliveryState, EntryRecord, Known, LaneStatus, LeftOut, Route, TokenState
from gateway.domain.preferences import Channel
from gateway.domain.trace_facts import Occurrence, TraceFacts, TraceStep
from gateway.domain.trace_sentences import (
    channel_message,
    clock,
    duration,
    listed,
    message_of,
    provider_name,
    sentence,
    targets,
    why_skipped,
    with_article,
)


def _delay_of(facts: TraceFacts, route: Route) -> int:
    step = facts.config.channel(route.channel) if route.channel is not None else None
    return step.delay_seconds if step is not None else 0


def channel_verdicts(facts: TraceFacts) -> Iterator[str]:
    """Yield the parts of the verdict that are about the other channels."""
    entries = facts.deliveries.entries if facts.deliveries is not None else ()
    for entry in entries:
        yield _entry_verdict(facts, entry)
    if not entries:
        yield from _ended_verdicts(facts)
    yield from _left_out_verdicts(facts, {entry.route.channel for entry in entries})


def _ended_verdicts(facts: TraceFacts) -> Iterator[str]:
    """Yield what events tell of deliveries whose records are gone with the item."""
    for each in facts.occurrences:
        if each.name == "delivery.ended":
            noun = channel_message(Channel(each.channel)) if each.channel in _CHANNELS else each.channel
            yield _event_text(facts, each, noun)


_CHANNELS = frozenset(channel.value for channel in Channel)


def _event_text(facts: TraceFacts, each: Occurrence, noun: str) -> str:
    when = clock(each.at_ms, facts.sent_ms)
    if each.state == "delivered":
        return f"{with_article(noun)} was accepted by {provider_name(each.provider)} at {when}"
    if each.state == "skipped":
        route = next((route for route in Route if route.channel and route.channel.value == each.channel), None)
        return f"no {noun} was sent" + (f" because {why_skipped(facts, route, each.reason)}" if route else "")
    code = f" ({each.reason})" if each.reason else ""
    return f"{with_article(noun)} ended as {each.state} at {when}{code}"


def _left_out_verdicts(facts: TraceFacts, sent: set[Channel | None]) -> Iterator[str]:
    """Yield which channels were left out and why: one part for each reason."""
    by_reason: dict[str, list[str]] = {}
    for channel, group in _grouped(facts.left_out):
        if channel in sent:
            continue  # such as FCM of a user whose only device is an iPhone
        reason = why_skipped(facts, group[0].route, group[0].reason.value)
        noun = channel_message(channel) if channel is not None else message_of(group[0].route)
        by_reason.setdefault(reason, []).append(noun)
    for reason, nouns in by_reason.items():
        yield f"no {listed(nouns, 'or')} was sent because {reason}"


def _grouped(left_out: Iterable[LeftOut]) -> list[tuple[Channel | None, list[LeftOut]]]:
    groups: dict[Channel | None, list[LeftOut]] = {}
    for each in left_out:
        groups.setdefault(each.route.channel, []).append(each)
    return list(groups.items())


def _entry_verdict(facts: TraceFacts, entry: Known) -> str:
    record = entry.record or EntryRecord()
    noun, provider = message_of(entry.route), provider_name(record.provider)
    when = clock(record.ended_ms, facts.sent_ms) if record.ended_ms else ""
    code = f" ({record.reason})" if record.reason else ""
    match record.state:
        case DeliveryState.DELIVERED:
            return f"{with_article(noun)} was accepted by {provider} at {when}{_share(entry, record)}"
        case DeliveryState.HANDED:
            return f"{with_article(noun)} was handed to {provider}, which has not told the result yet"
        case DeliveryState.SKIPPED:
            reason = why_skipped(facts, entry.route, record.reason, _delay_of(facts, entry.route))
            return f"no {noun} was sent because {reason}"
        case DeliveryState.REFUSED:
            return f"{provider} refused the {noun}{code}"
        case DeliveryState.DEAD:
            return f"no {noun} was delivered because {provider} knows no such {_target(entry.route)} any more{code}"
        case DeliveryState.FAILED:
            tries = max((token.attempts for token in record.tokens), default=0)
            return f"the {noun} failed for good after {tries} attempt{'' if tries == 1 else 's'}{code}"
        case DeliveryState.UNKNOWN:
            return f"it is not known whether the {noun} arrived: {provider} took the request and did not answer{code}"
    if entry.is_held or record.state is DeliveryState.SENDING:
        return f"{with_article(noun)} is being sent"
    return _pending(facts, entry, record, noun)


def _share(entry: Known, record: EntryRecord) -> str:
    """Return to how many of several destinations a message was delivered, "" if to all."""
    done = sum(token.state is DeliveryState.DELIVERED for token in record.tokens)
    return f", for {done} of {targets(entry.route.channel, len(record.tokens))}" if done < len(record.tokens) else ""


def _target(route: Route) -> str:
    return targets(route.channel, 1).partition(" ")[2]


def _pending(facts: TraceFacts, entry: Known, record: EntryRecord, noun: str) -> str:
    """Return what a message waits for."""
    lane = facts.lanes.get(entry.route)
    due = entry.due_ms or 0
    tries = max((token.attempts for token in record.tokens), default=0)
    if record.state is DeliveryState.RETRY and tries:  # a parked lane spends no attempts
        code = f" ({record.reason})" if record.reason else ""
        what = f"{with_article(noun)} has failed {'once' if tries == 1 else f'{tries} times'}{code}"
    else:
        what = f"{with_article(noun)} has not been sent"
    if lane is not None and (held := _held(facts, lane, due)):
        return f"{what} and waits because {held}"
    if due > facts.now_ms:
        return f"{what} and is {'tried again' if record.state is DeliveryState.RETRY else 'due'} at {_due(facts, due)}"
    return f"{what} and waits for a delivery worker since {clock(due, facts.sent_ms)}"


def _due(facts: TraceFacts, due: int) -> str:
    wait = max(1, round((due - facts.now_ms) / 1000))
    return f"{clock(due, facts.sent_ms)}, in {duration(wait)}"


def _held(facts: TraceFacts, lane: LaneStatus, due: int) -> str:
    """Return why the lane sends nothing, "" if it does."""
    name = _lane_name(lane.lane.route)
    if lane.parked:
        return (
            f"all {name} of the project are stopped ({lane.parked}): correct the configuration of the provider, which "
            "resumes them"
        )
    if due > facts.now_ms:
        return ""
    if lane.is_open:
        return f"the provider of {name} has failed {lane.failures} times in a row, and is tried again from time to time"
    if lane.not_before_ms > facts.now_ms:
        return f"the provider of {name} takes nothing before {clock(lane.not_before_ms, facts.sent_ms)}"
    return ""


def _lane_name(route: Route) -> str:
    noun = message_of(route)
    head, _, by = noun.partition(" by ")
    plural = "SMS" if head == "SMS" else f"{head}s"
    return f"{plural} by {by}" if by else plural


def delivery_steps(facts: TraceFacts) -> Iterator[TraceStep]:
    """Yield what was left out, and what became of each delivery and its destinations."""
    for each in facts.left_out:
        noun, reason = message_of(each.route), why_skipped(facts, each.route, each.reason.value)
        text = sentence(f"no {noun} was to be sent because {reason}")
        yield TraceStep("left_out", text, facts.sent_ms, _channel(each.route), code=each.reason.value)
    known = facts.deliveries.entries if facts.deliveries is not None else ()
    for entry in known:
        yield from _entry_steps(facts, entry)
    for event in facts.occurrences:
        if event.name == "delivery.contradicted":
            noun = channel_message(Channel(event.channel)) if event.channel in _CHANNELS else event.channel
            code = f" ({event.reason})" if event.reason else ""
            text = f"{provider_name(event.provider)} reported later that the {noun} did not arrive{code}."
            yield TraceStep("reported", text, event.at_ms, event.channel, event.provider, event.state, event.reason)
    if known:
        return
    for event in facts.occurrences:
        if event.name == "delivery.ended":
            noun = channel_message(Channel(event.channel)) if event.channel in _CHANNELS else event.channel
            text = sentence(_event_text(facts, event, noun))
            yield TraceStep("delivery", text, event.at_ms, event.channel, event.provider, event.state, event.reason)


def _entry_steps(facts: TraceFacts, entry: Known) -> Iterator[TraceStep]:
    record, channel = entry.record or EntryRecord(), _channel(entry.route)
    if record.state is DeliveryState.SCHEDULED or (entry.record is None):
        delay = _delay_of(facts, entry.route)
        how = f" after a delay of {duration(delay)}" if delay else ""
        text = sentence(f"{with_article(message_of(entry.route))} was scheduled{how}")
        yield TraceStep("scheduled", text, facts.sent_ms, channel, state="scheduled", next_ms=entry.due_ms)
    for note in record.notes:
        text = f"A template was not used, and the notification's own text was sent instead: {note}."
        yield TraceStep("template", text, record.started_ms or None, channel)
    for number, token in enumerate(record.tokens, 1):
        yield _token_step(entry, record, token, number)
    yield TraceStep(
        "delivery",
        sentence(_entry_verdict(facts, entry)),
        record.ended_ms or record.started_ms or None,
        channel,
        record.provider,
        record.state.name.lower(),
        record.reason,
        max((token.attempts for token in record.tokens), default=0),
        entry.due_ms,
    )
    lane = facts.lanes.get(entry.route)
    if not record.state.is_final and lane is not None and lane.parked:
        text = f"All {_lane_name(entry.route)} of the project are stopped: {lane.parked}."
        yield TraceStep("parked", text, lane.parked_ms or None, channel, code=lane.parked)


def _token_step(entry: Known, record: EntryRecord, token: TokenState, number: int) -> TraceStep:
    """Return the step of one destination: its last attempt."""
    which = f"{_target(entry.route)} {number} of {len(record.tokens)}"
    tries = f"{token.attempts} attempt{'' if token.attempts == 1 else 's'}"
    state = token.state.name.lower()
    text = f"For {which}: {state} after {tries}" if token.attempts else f"For {which}: {state}"
    if token.reason:
        text += f", {token.reason}"
    if token.may_have_sent and token.state is not DeliveryState.DELIVERED:
        text += "; an attempt had no answer, so it may have arrived"
    return TraceStep(
        "attempt",
        f"{text}.",
        token.ended_ms or token.started_ms or None,
        _channel(entry.route),
        record.provider,
        state,
        token.reason,
        token.attempts,
        token.next_ms or None,
    )


def _channel(route: Route) -> str:
    return route.channel.value if route.channel is not None else "webhook"
