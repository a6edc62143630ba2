"""Deliveries: how far each notification is on each route to a user, and what the lanes of a project have to do.

A **route** is a way to a user that has lanes, limits and failures of its own: a channel, or one of the push services of
mobile_push. A notification has one **entry** for each route by which it is to be sent. An entry is due at a time, and
its **record** has the state of each of its tokens. A **lane** is a route of a project: the users with entries there.

    entry   SCHEDULED ─► SENDING ─► DELIVERED | SKIPPED | REFUSED | DEAD | FAILED | UNKNOWN
                ▲           │
                └─ RETRY ◄──┘   or HANDED, until the provider tells the result

The states of an entry follow from those of its tokens (`combined`), so that one bad token repeats nothing to others.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import msgspec

from gateway.domain.event import Counts
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.notification import ItemId, State
from gateway.domain.preferences import Channel


class RouteSpec(NamedTuple):
    """What a route is. `code` is stored, so it never changes.

    `channel` is None for webhooks. `token_kind` is the path of the kind of tokens, "" where the destination is an
    address of the user. `integrations` are those of which a project needs one to use the route; without any, it needs
    tokens only.
    """

    code: str
    channel: Channel | None
    token_kind: str = ""
    integrations: tuple[str, ...] = ()


class Route(Enum):
    """The routes. Their order is that of the bits in the replies of the functions that create entries."""

    APNS = RouteSpec("a", Channel.MOBILE_PUSH, "mobile_push/apns", ("apns",))
    FCM = RouteSpec("f", Channel.MOBILE_PUSH, "mobile_push/fcm", ("fcm",))
    EXPO = RouteSpec("x", Channel.MOBILE_PUSH, "mobile_push/expo")
    WEB_PUSH = RouteSpec("p", Channel.WEB_PUSH, "web_push", ("web_push",))
    EMAIL = RouteSpec("e", Channel.EMAIL, "", ("ses", "sendgrid", "mailgun", "smtp", "ping_email"))
    SLACK = RouteSpec("s", Channel.SLACK, "slack")
    SMS = RouteSpec("m", Channel.SMS, "", ("twilio",))
    TEAMS = RouteSpec("t", Channel.TEAMS, "teams")
    WEBHOOKS = RouteSpec("w", None)

    @property
    def code(self) -> str:
        """Return the character by which the route is stored."""
        return self.value.code

    @property
    def channel(self) -> Channel | None:
        """Return the channel, None for webhooks."""
        return self.value.channel

    @property
    def token_kind(self) -> str:
        """Return the path of the kind of its tokens, "" if it has none."""
        return self.value.token_kind


ADDRESSES: Mapping[Route, str] = {Route.EMAIL: "email", Route.SMS: "phone_numbers"}
"""The field of a user's record with the addresses of a route that has no tokens."""

ROUTES_BY_CODE: Mapping[str, Route] = {route.code: route for route in Route}


def routes_of(channel: Channel) -> tuple[Route, ...]:
    """Return the routes of a channel, () for the inbox."""
    return tuple(route for route in Route if route.channel is channel)


class Lane(NamedTuple):
    """A route of a project."""

    project_id: ProjectId
    route: Route


# ---- states and records


class DeliveryState(Enum):
    """How far an entry, or one token of it, is. The values are stored."""

    SCHEDULED = "s"
    SENDING = "n"
    RETRY = "r"
    HANDED = "h"
    DELIVERED = "d"
    SKIPPED = "k"
    REFUSED = "x"
    DEAD = "t"
    FAILED = "f"
    UNKNOWN = "u"

    @property
    def is_final(self) -> bool:
        """Return whether nothing more happens."""
        return self not in _PENDING


_PENDING = (DeliveryState.SCHEDULED, DeliveryState.SENDING, DeliveryState.RETRY, DeliveryState.HANDED)

FAILURES = frozenset((DeliveryState.REFUSED, DeliveryState.DEAD, DeliveryState.FAILED, DeliveryState.UNKNOWN))
"""The ends at which a message did not reach the user, or may not have."""

_RANKED = (
    *(DeliveryState.SENDING, DeliveryState.HANDED, DeliveryState.RETRY, DeliveryState.SCHEDULED),
    *(DeliveryState.DELIVERED, DeliveryState.UNKNOWN, DeliveryState.FAILED, DeliveryState.REFUSED),
    *(DeliveryState.DEAD, DeliveryState.SKIPPED),
)


class SkipReason(Enum):
    """Why an entry was skipped, or no entry was made of a route. The values are stored."""

    READ = "read"
    ARCHIVED = "archived"
    DELETED = "deleted"
    PREFERENCE = "preference"
    UNSUBSCRIBED = "unsubscribed"
    CONDITION = "condition"
    DISABLED = "disabled"
    NO_TOKEN = "no_token"  # noqa: S105
    NO_ADDRESS = "no_address"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    NO_INTEGRATION = "no_integration"
    CANCELED = "canceled"


class TokenState(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """The state of one token, address or endpoint within an entry. Times are unix milliseconds, 0 for never.

    `key` identifies it: `Token.key`. `attempts` counts those that the schedule limits. `reason` is the provider's code,
    and `provider_id` its id of the message, or the receipt while the state is HANDED. With `may_have_sent`, an attempt
    had no answer. Further fields may be appended, with defaults.
    """

    key: bytes
    state: DeliveryState = DeliveryState.SCHEDULED
    attempts: int = 0
    reason: str = ""
    provider_id: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    next_ms: int = 0
    may_have_sent: bool = False


class EntryRecord(msgspec.Struct, array_like=True, frozen=True, omit_defaults=True):
    """The record of an entry. Times are unix milliseconds, 0 for never.

    `reason` says why the entry as a whole ended, such as a SkipReason. `provider` is the provider that was used last.
    `notes` are for the trace: why a template was not used. Further fields may be appended, with defaults.
    """

    state: DeliveryState = DeliveryState.SCHEDULED
    reason: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    provider: str = ""
    tokens: tuple[TokenState, ...] = ()
    notes: tuple[str, ...] = ()


def combined(states: Iterable[DeliveryState]) -> DeliveryState:
    """Return the state of an entry with tokens in these states; SKIPPED for none.

    It is not final while one of them is not, and DELIVERED if one of them is and all have ended.
    """
    found = set(states)
    return next((state for state in _RANKED if state in found), DeliveryState.SKIPPED)


def skipped(reason: SkipReason, now_ms: int, before: EntryRecord | None = None) -> EntryRecord:
    """Return the record of an entry that is skipped as a whole."""
    record = before or EntryRecord()
    return EntryRecord(
        DeliveryState.SKIPPED, reason.value, record.started_ms, now_ms, record.provider, record.tokens, record.notes
    )


# ---- what a worker takes from a user's outbox


class Token(NamedTuple):
    """A live channel token of a user, or an endpoint of a project.

    `key` identifies it among the tokens of its kind. `fields` are those with which it was registered. `registered_ms`
    is when it was registered last, in unix milliseconds.
    """

    id: UUID
    key: bytes
    fields: Mapping[str, Any]
    registered_ms: int


class EntryId(NamedTuple):
    """An entry of a user: a notification, and a route."""

    notification_id: ItemId
    route: Route


class Entry(NamedTuple):
    """An entry that was taken.

    - `record` is what was recorded before, None at the first attempt. With `was_lost`, the worker that took the entry
      before has reported nothing: tokens of `record` that are not final may have got the message.
    - `item` is the state of the item now; None if it was deleted, which no entry outlives. What is in no inbox because
      `in_app` is off for it (`is_in_inbox`) is unread.
    - `content` is the JSON object of the notification, complete. `category` and `topic` are "" for none.
    - `is_wanted`: whether the preferences and subscriptions of the user allow the route now. If not, `objection` is
      PREFERENCE or UNSUBSCRIBED.
    - `sent_at` is the unix second at which the notification was sent, and `due_ms` when the entry became due; or if the
      call was repeated, when its lease ends.
    """

    id: EntryId
    record: EntryRecord | None
    was_lost: bool
    item: State | None
    sent_at: int
    content: bytes = b""
    category: str = ""
    topic: str = ""
    is_wanted: bool = True
    due_ms: int = 0
    is_in_inbox: bool = True
    objection: SkipReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The due entries of one user on one route, with all that a message needs.

    `recipient` has external_id, email, first_name, last_name, phone_numbers and custom_attributes, as far as they are
    set. `suppressed` are the keys of addresses (`address_key`) that never work, with the reasons. Without entries,
    `next_ms` is when the next one is due, None if there is none: report it to the lane. With `is_large`, there is one
    that is to be taken alone.
    """

    lane: Lane
    user_id: UserId
    claim: int
    entries: Sequence[Entry] = ()
    tokens: Sequence[Token] = ()
    counts: Counts = Counts(0, 0, 0, 0)
    recipient: Mapping[str, Any] = field(default_factory=dict, repr=False)
    suppressed: Mapping[bytes, str] = field(default_factory=dict)
    next_ms: int | None = None
    is_large: bool = False


def delivery_id(user_id: UserId, entry: EntryId, key: bytes) -> UUID:
    """Return the id of a message, the same at every repetition: of a user, an entry, and a token or an address."""
    return uuid5(UUID(bytes=entry.notification_id), f"{user_id} {entry.route.code} {key.hex()}")


def address_key(address: str) -> bytes:
    """Return the key of an email address or phone number, a digest, by which its state is stored."""
    return b"\1" + hashlib.sha256(address.casefold().encode()).digest()[:10]


# ---- what a worker reports


class EntryResult(NamedTuple):
    """The outcome of a taken entry. It is taken again at `next_ms`, which is None exactly if its state is final."""

    id: EntryId
    record: EntryRecord
    next_ms: int | None = None


class UserResults(NamedTuple):
    """The outcomes of entries that were taken of one user.

    `dead` are the keys of channel tokens to discard, `suppressed` those of addresses that never work, with the reasons.
    A token that was registered again since it was taken is not discarded.
    """

    taken: Taken
    results: Sequence[EntryResult]
    dead: Sequence[bytes] = ()
    suppressed: Mapping[bytes, str] = {}


class Recorded(NamedTuple):
    """What became of reported results.

    `next_ms` is when the user's next entry of the lane is due, None for never: report it to the lane. `refused` are
    entries that a later claim has taken, or that no longer exist. `discarded` are the tokens that this call discarded.
    """

    next_ms: int | None
    refused: Sequence[EntryId] = ()
    discarded: Sequence[UUID] = ()


class OutboxPlan(NamedTuple):
    """By which routes a notification is to be sent, each with its delay in milliseconds.

    With `in_inbox` false, it becomes no item, because the delivery config keeps it out of the inbox.
    """

    delays: tuple[tuple[Route, int], ...]
    in_inbox: bool = True

    @property
    def text(self) -> str:
        """Return the plan as the Lua functions read it: `e:300000 a:0`, after a `-` if there is no item."""
        return ("" if self.in_inbox else "-") + " ".join(f"{route.code}:{delay}" for route, delay in self.delays)


class LeftOut(NamedTuple):
    """A route by which a notification is not sent although the project uses it, and why."""

    route: Route
    reason: SkipReason


class Known(NamedTuple):
    """An entry as traces and plans show it. `due_ms` is None once it has ended.

    While a worker has it (`is_held`), `due_ms` is the end of the worker's lease.
    """

    route: Route
    due_ms: int | None
    record: EntryRecord | None
    is_held: bool = False


class NotificationDeliveries(NamedTuple):
    """All that is known of the deliveries of one notification to one user.

    `is_in_inbox` is false for a notification that is only sent on other channels. `content` is then its JSON object.
    """

    entries: Sequence[Known]
    left_out: Sequence[LeftOut]
    is_in_inbox: bool
    content: bytes = b""


# ---- lanes


class Claim(NamedTuple):
    """Users of a lane whom a worker may serve until `lease_ms` (unix milliseconds of Redis's clock).

    `number` grows with each claim. `lease_score` identifies the lease in the lane. With `is_probe`, the lane's breaker
    is half open: it gave out one user, and the report decides whether more follow.
    """

    lane: Lane
    users: Sequence[UserId]
    number: int
    lease_ms: int
    lease_score: str
    is_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneReport:
    """What a lane learns from a claim that ended.

    - `messages` is how many were sent, throttled ones not counted, for the lane's rate.
    - `delivered` and `failed` count messages. Failures are those that speak against the provider: no connection, no
      answer, errors of its own. The breaker opens after several of them without a delivery.
    - `arrived` is how many the provider took, those left out that `blame` was given.
    - `not_before_ms`: nothing is claimed before, because the provider throttles the lane.
    - `per_second` and `burst` are the rate of the lane's provider, 0 for none. None leaves it as it is.
    """

    messages: int = 0
    delivered: int = 0
    failed: int = 0
    arrived: int = 0
    not_before_ms: int = 0
    per_second: float | None = None
    burst: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Destinations of a claim that failed for good, or perhaps did.

    `dead` are users with dead tokens, and `doubted` those for whom the destination or the configuration is at fault,
    each with the reason for which the lane is parked if there are many. `arrived` counts what the provider took.
    """

    arrived: int
    dead: Sequence[UserId] = ()
    dead_reason: str = ""
    doubted: Sequence[UserId] = ()
    doubted_reason: str = ""

    @property
    def is_empty(self) -> bool:
        """Return whether no destination failed."""
        return not self.dead and not self.doubted


class LaneState(Enum):
    """Whether a lane sends."""

    RUNNING = "running"
    THROTTLED = "throttled"
    FAILING = "failing"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStatus:
    """A lane as metrics and operators see it. Times are unix milliseconds, 0 for never.

    `waiting` is how many users have entries there, `first_due_ms` when the first of these is due. `parked` is the
    reason for which the lane is parked, "" if it is not.
    """

    lane: Lane
    waiting: int
    first_due_ms: int
    not_before_ms: int = 0
    failures: int = 0
    is_open: bool = False
    parked: str = ""
    parked_ms: int = 0

    def state(self, now_ms: float) -> LaneState:
        """Return whether the lane sends at a time."""
        if self.parked:
            return LaneState.PARKED
        if self.is_open:
            return LaneState.FAILING
        return LaneState.THROTTLED if self.not_before_ms > now_ms else LaneState.RUNNING

    def lag_seconds(self, now_ms: float) -> float:
        """Return for how long the first user is due, 0 if none is."""
        return max(0.0, (now_ms - self.first_due_ms) / 1000) if self.first_due_ms else 0.0


class Reservation(NamedTuple):
    """Whether a destination takes a message. If `granted`, send it in `wait_ms`; else ask again after that time."""

    granted: bool
    wait_ms: int
