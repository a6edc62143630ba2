"""The work on one user that was taken: which messages are due, and what is recorded once their outcomes are known.

    taken ─► decide ─► messages ─► outcomes ─► results

Each entry has a state for each of its destinations, so that one that fails repeats nothing to the others.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.auth.unsubscribe_links import UnsubscribeLinks
from gateway.channels.message import Brand, Message, addressee_of
from gateway.channels.outcome import Dead, Delivered, Handed, Outcome, Unknown
from gateway.channels.provider import Provider
from gateway.delivery import compose, decide
from gateway.delivery.compose import Shown, Subject
from gateway.delivery.installed_templates import InstalledTexts
from gateway.delivery.policy import MAX_ATTEMPTS, Rules, Verdict
from gateway.domain.delivery import (
    DeliveryState,
    Entry,
    EntryRecord,
    EntryResult,
    Route,
    SkipReason,
    Taken,
    TokenState,
    UserResults,
    address_key,
    combined,
    delivery_id,
    skipped,
)
from gateway.domain.delivery_config import DeliveryConfigs
from gateway.domain.notification import ItemId
from gateway.sending.command import Overrides
from gateway.store.outbox import BYTES_AT_ONCE, MAX_SHARED
from gateway.telemetry.logs import log

LOST = "The process that sent this ended before it had an answer"
"""The reason of a message that may have been sent by a process that died."""

NO_RESULT = "The provider did not tell the result"

RECEIPT_PAUSE_SECONDS = 300.0
"""How long to wait before a provider that did not answer is asked for the result of a message again."""

_decode_large = lru_cache(maxsize=MAX_SHARED)(compose.decode_shown)
"""Decodes the content of a broadcast once for many recipients: it is one object for all of them."""

_replaced = msgspec.structs.replace

Render = Callable[[Subject, compose.Texts], compose.Texts]
"""Returns the texts of a message by the template of its channel and category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneContext:
    """What all work on a lane needs, as it is now.

    `provider` sends; None if the project has configured none. `config` is its configuration with the secrets.
    `overrides` are those of notifications by the text of their id. `unsubscribe` makes the links of emails.
    """

    route: Route
    rules: Rules
    provider: Provider | None
    config: Mapping[str, Any]
    config_id: str
    brand: Brand
    configs: DeliveryConfigs
    unsubscribe: UnsubscribeLinks | None = None
    render: Render | None = None


class Attempt:
    """One message to send, or one whose result is to be asked for: then `receipt` is set."""

    __slots__ = ("before", "entry", "key", "message", "outcome", "receipt")

    def __init__(self, entry: "EntryWork", key: bytes, before: TokenState, message: Message, receipt: str):
        self.entry = entry
        self.key = key
        self.before = before
        self.message = message
        self.receipt = receipt
        self.outcome: Outcome | None = None


class EntryWork:
    """One entry, with its attempts and the states of destinations that need none."""

    __slots__ = ("attempts", "entry", "kept", "notes", "skipped")

    def __init__(self, entry: Entry):
        self.entry = entry
        self.notes: tuple[str, ...] = ()
        self.attempts: list[Attempt] = []
        self.kept: list[TokenState] = []
        self.skipped: SkipReason | None = None


class _Destination(NamedTuple):
    key: bytes
    fields: Mapping[str, Any]
    registered_at: int = 0


class UserWork:
    """The entries of one user on one route."""

    __slots__ = ("_context", "_installed", "entries", "taken")

    def __init__(
        self,
        taken: Taken,
        context: LaneContext,
        overrides: Mapping[ItemId, Overrides | None],
        now: float,
        installed: InstalledTexts | None = None,
    ):
        """Decide about all entries, and compose the messages.

        `overrides` are those of the notifications by id, and `installed` the templates of users.
        """
        self._installed = installed or {}
        self.taken = taken
        self._context = context
        self.entries = [self._begin(entry, overrides.get(entry.id.notification_id), now) for entry in taken.entries]

    @property
    def attempts(self) -> list[Attempt]:
        """Return the messages to send."""
        return [attempt for entry in self.entries for attempt in entry.attempts]

    def results(self, now: float) -> UserResults:
        """Return what is to be recorded. An attempt without an outcome was not made: it is due again at once."""
        dead: list[bytes] = []
        suppressed: dict[bytes, str] = {}
        results = [self._result(work, now) for work in self.entries]
        for work in self.entries:
            for attempt in work.attempts:
                if isinstance(attempt.outcome, Dead):
                    if self._context.route.token_kind:
                        dead.append(attempt.key)
                    else:
                        suppressed[attempt.key] = attempt.outcome.reason
        return UserResults(self.taken, results, dead, suppressed)

    def release(self) -> None:
        """Release the contents at once, which circular references would keep until the garbage collector runs."""
        for work in self.entries:
            work.attempts.clear()

    # -- the beginning

    def _begin(self, entry: Entry, overrides: Overrides | None, now: float) -> EntryWork:
        work = EntryWork(entry)
        shown, provider = _shown(entry), self._context.provider
        reason = self._reason(entry, shown, now)
        before = entry.record.tokens if entry.record is not None else ()
        if reason is not None and not before and not entry.was_lost:
            work.skipped = reason
        elif shown is not None and provider is not None:
            self._add_attempts(work, provider, shown, overrides, now, reason)
        else:
            work.kept = [_abandoned(state, reason or SkipReason.NO_INTEGRATION, now) for state in before]
            work.skipped = None if before else reason
        return work

    def _reason(self, entry: Entry, shown: Shown | None, now: float) -> SkipReason | None:
        """Return why nothing more must be sent of an entry."""
        attributes = shown.custom_attributes if shown is not None else None
        reason = decide.skip_reason(entry, self._context.configs, attributes, now)
        if reason is None and shown is None:
            return SkipReason.DELETED
        return SkipReason.NO_INTEGRATION if reason is None and self._context.provider is None else reason

    def _add_attempts(
        self,
        work: EntryWork,
        provider: Provider,
        shown: Shown,
        overrides: Overrides | None,
        now: float,
        skip: SkipReason | None,
    ) -> None:
        """Add the attempts that are due. With `skip`, nothing more is sent, but results are still asked for."""
        destinations = self._destinations()
        before = {state.key: state for state in (work.entry.record.tokens if work.entry.record is not None else ())}
        live = {destination.key for destination in destinations}
        work.kept += [_abandoned(state, SkipReason.NO_TOKEN, now) for key, state in before.items() if key not in live]
        subject: Subject | None = None
        texts = compose.Texts()
        for destination in destinations:
            state = self._present(work.entry, destination.key, before.get(destination.key), now)
            if skip is not None and state.state is not DeliveryState.HANDED:
                state = _abandoned(state, skip, now)
            if state.state.is_final or state.next_ms > max(now * 1000, work.entry.due_ms):
                work.kept.append(state)
                continue
            if subject is None:
                subject = self._subject(work.entry, shown, overrides)
                texts = compose.texts_of(subject)
                if self._context.render is not None:
                    texts = self._context.render(subject, texts)
                    work.notes = texts.faults
            message = compose.message(
                subject,
                texts,
                delivery=delivery_id(self.taken.user_id, work.entry.id, destination.key),
                provider=provider.name,
                destination=destination.fields,
                registered_at=destination.registered_at,
                token_kind=self._context.route.token_kind,
                config=self._context.config,
                config_id=self._context.config_id,
                attempt=state.attempts + 1,
            )
            receipt = state.provider_id if state.state is DeliveryState.HANDED else ""
            work.attempts.append(Attempt(work, destination.key, state, message, receipt))
        if not work.attempts and not work.kept:
            work.skipped = SkipReason.NO_ADDRESS if decide.uses_address(self._context.route) else SkipReason.NO_TOKEN

    def _destinations(self) -> list[_Destination]:
        recipient = self.taken.recipient
        match self._context.route:
            case Route.EMAIL:
                address = recipient.get("email")
                return [_Destination(address_key(address), {"email": address})] if address else []
            case Route.SMS:
                numbers = dict.fromkeys(recipient.get("phone_numbers") or ())
                return [_Destination(address_key(number), {"phone_number": number}) for number in numbers]
        return [_Destination(each.key, each.fields, each.registered_ms // 1000) for each in self.taken.tokens]

    def _present(self, entry: Entry, key: bytes, before: TokenState | None, now: float) -> TokenState:
        """Return the state of a destination at this moment."""
        state = before or TokenState(key)
        if state.state.is_final or state.state is DeliveryState.HANDED:
            return state
        if key in self.taken.suppressed:
            return _ended(state, DeliveryState.SKIPPED, SkipReason.SUPPRESSED.value, now)
        if not entry.was_lost or state.next_ms > now * 1000:
            return state
        if not self._context.rules.repeats_unknown:
            return _replaced(_ended(state, DeliveryState.UNKNOWN, LOST, now), may_have_sent=True)
        lost = state.attempts + 1
        if lost >= MAX_ATTEMPTS:
            return _ended(state, DeliveryState.UNKNOWN, LOST, now)
        return _replaced(state, attempts=lost, may_have_sent=True)

    def _subject(self, entry: Entry, shown: Shown, overrides: Overrides | None) -> Subject:
        taken, context = self.taken, self._context
        assert context.provider is not None
        return Subject(
            project_id=taken.lane.project_id,
            user_id=taken.user_id,
            notification_id=str(UUID(bytes=entry.id.notification_id)),
            channel=context.provider.channel,
            shown=shown,
            overrides=overrides,
            addressee=addressee_of(taken.recipient),
            brand=context.brand,
            sent_at=entry.sent_at,
            expires_at=decide.expires_at(entry),
            unread=taken.counts.unread,
            unseen=taken.counts.unseen,
            installed=self._installed.get((taken.user_id, entry.category)),
            unsubscribe_url=self._unsubscribe_url(entry.category),
        )

    def _unsubscribe_url(self, category: str) -> str:
        """Return the link that ends the emails of a category, "" where a user may not do that."""
        links = self._context.unsubscribe if self._context.route is Route.EMAIL else None
        if links is None or self._context.configs.of_category(category).required:
            return ""
        return links.url(self.taken.lane.project_id, self.taken.user_id, category)

    # -- the end

    def _result(self, work: EntryWork, now: float) -> EntryResult:
        now_ms = int(now * 1000)
        if work.skipped is not None:
            return EntryResult(work.entry.id, skipped(work.skipped, now_ms, work.entry.record))
        left = decide.expires_at(work.entry) - now
        states = [*work.kept, *(self._after(attempt, left, now_ms) for attempt in work.attempts)]
        state = combined(each.state for each in states)
        before = work.entry.record
        record = EntryRecord(
            state,
            _reason_of(states, state),
            before.started_ms if before is not None and before.started_ms else now_ms,
            now_ms if state.is_final else 0,
            self._context.provider.name if self._context.provider is not None else "",
            tuple(states),
            work.notes or (before.notes if before is not None else ()),
        )
        if state.is_final:
            return EntryResult(work.entry.id, record)
        waiting = [each.next_ms for each in states if not each.state.is_final]
        return EntryResult(work.entry.id, record, min(waiting))

    def _after(self, attempt: Attempt, left: float, now_ms: int) -> TokenState:
        """Return the state of a destination after an attempt."""
        before, outcome = attempt.before, attempt.outcome
        if before.state is DeliveryState.HANDED:
            return self._after_receipt(attempt, left, now_ms)
        if outcome is None:  # nothing was sent
            return _replaced(before, state=DeliveryState.RETRY, next_ms=now_ms)
        verdict = self._context.rules.verdict(outcome, before.attempts + 1, left, random.random())
        return _state_after(before, verdict, now_ms)

    def _after_receipt(self, attempt: Attempt, left: float, now_ms: int) -> TokenState:
        """Return the state of a destination whose provider was asked for the result."""
        before, outcome = attempt.before, attempt.outcome
        match outcome:
            case None if left <= RECEIPT_PAUSE_SECONDS:
                return _ended(before, DeliveryState.UNKNOWN, NO_RESULT, now_ms / 1000)
            case Handed(_, after) if left <= after:
                return _ended(before, DeliveryState.UNKNOWN, NO_RESULT, now_ms / 1000)
            case None:  # it was not asked, or did not answer
                return _replaced(before, next_ms=now_ms + int(RECEIPT_PAUSE_SECONDS * 1000))
            case Unknown(reason):
                return _ended(before, DeliveryState.UNKNOWN, reason, now_ms / 1000)
            case Delivered():
                return _ended(before, DeliveryState.DELIVERED, "", now_ms / 1000)
        verdict = self._context.rules.verdict(outcome, before.attempts, left, random.random())
        return _state_after(before, verdict, now_ms)


def _state_after(before: TokenState, verdict: Verdict, now_ms: int) -> TokenState:
    has_arrived = verdict.state is DeliveryState.DELIVERED
    return TokenState(
        before.key,
        verdict.state,
        max(verdict.attempts, 0),
        verdict.reason,
        verdict.provider_id,
        before.started_ms or now_ms,
        now_ms if verdict.wait is None else 0,
        0 if verdict.wait is None else now_ms + int(verdict.wait * 1000),
        not has_arrived and (verdict.may_have_sent or before.may_have_sent),
    )


def _ended(before: TokenState, state: DeliveryState, reason: str, now: float) -> TokenState:
    return _replaced(before, state=state, reason=reason, ended_ms=int(now * 1000), next_ms=0)


def _abandoned(before: TokenState, reason: SkipReason, now: float) -> TokenState:
    """Return the state of a destination to which nothing more is sent."""
    if before.state.is_final:
        return before
    if before.state is DeliveryState.HANDED:
        return _ended(before, DeliveryState.UNKNOWN, "The provider can no longer be asked for the result", now)
    return _ended(before, DeliveryState.SKIPPED, reason.value, now)


def _reason_of(states: Sequence[TokenState], combined_state: DeliveryState) -> str:
    """Return the reason of the first destination that has the state of its entry."""
    return next((each.reason for each in states if each.state is combined_state), "")


def _shown(entry: Entry) -> Shown | None:
    """Return the content of an entry, None if there is none that can be read."""
    if not entry.content:
        return None
    try:
        return (
            _decode_large(entry.content) if len(entry.content) > BYTES_AT_ONCE else compose.decode_shown(entry.content)
        )
    except msgspec.MsgspecError as problem:
        log.error("delivery_content_broken", notification=entry.id.notification_id.hex(), problem=str(problem))
        return None
