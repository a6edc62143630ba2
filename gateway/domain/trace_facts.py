"""What is known of one notification and one user: the facts of which a trace is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.domain.delivery import LaneStatus, LeftOut, NotificationDeliveries, Route
from gateway.domain.delivery_config import DEFAULT, DeliveryConfig
from gateway.domain.notification import State
from gateway.domain.preferences import Channel, Preference, Status


class Occurrence(NamedTuple):
    """An event of the project about the notification, with the values of its context that matter here.

    `name` is the name of its type. `users` is how many users it is about, 1 if it is about this one.
    """

    at_ms: int
    name: str
    rule: str = ""
    users: int = 1
    channel: str = ""
    provider: str = ""
    state: str = ""
    reason: str = ""
    category: str = ""
    topic: str = ""


class BroadcastFacts(NamedTuple):
    """The broadcast that sent the notification. `total` are the users whom it has reached, or failed to reach.

    `reached` is whether this user is among them, None if that is not known. `names_user` is whether it names the user,
    `matches` whether the user matches one of its conditions now, and `subscribers` whether it is for the subscribers of
    its topic.
    """

    created_ms: int
    status: str
    total: int
    failures: int = 0
    reached: bool | None = None
    names_user: bool = False
    matches: bool = False
    subscribers: bool = False


class TraceStep(NamedTuple):
    """A step. `at_ms` is None for what has no time, such as the present preferences.

    - `type` is what happened: `stored`, `config`, `delivery`, `attempt`, …
    - `channel`, `provider`, `state`, `code`, `attempts` and `next_ms` are those of a delivery. `code` is the provider's
      code or the gateway's reason.
    """

    type: str
    text: str
    at_ms: int | None = None
    channel: str = ""
    provider: str = ""
    state: str = ""
    code: str = ""
    attempts: int = 0
    next_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacts:
    """All facts. Times are unix milliseconds, None for what has not happened or is not known.

    - `who` names the user in sentences. It is no address.
    - `sent_ms` is when the request was accepted, from the item or from the id.
    - `item` is the state of the item, None if the inbox has none. `deleted_ms` is when it was deleted.
    - `stored` is whether an event says that it was in the inbox once.
    - `others` is how many other users got it, as far as events tell.
    - `is_content_known`: whether category and topic are known. Of what never became an item, they are not.
    - `preferences_changed_ms` is when the user last changed preferences before the notification was sent.
    - `preference` is that of the category, and `subscription` the status for the topic, as they are now.
    - `config` is the delivery config that applies, as it is now, and `conditions` the text of each `if` in it.
    - `lanes` are those of the project that have a status.
    - `occurrences` are events of the project, the oldest first.
    """

    now_ms: int
    who: str = "the user"
    sent_ms: int | None = None
    item: State | None = None
    deleted_ms: int | None = None
    stored: bool = False
    others: int = 0
    recipients: int = 0
    is_content_known: bool = True
    category: str = ""
    topic: str = ""
    user_created_ms: int | None = None
    user_deleted_ms: int | None = None
    preference: Preference = field(default_factory=Preference)
    preferences_changed_ms: int | None = None
    subscription: Status | None = None
    config: DeliveryConfig = DEFAULT
    conditions: Mapping[Channel, str] = field(default_factory=dict)
    deliveries: NotificationDeliveries | None = None
    lanes: Mapping[Route, LaneStatus] = field(default_factory=dict)
    broadcast: BroadcastFacts | None = None
    occurrences: Sequence[Occurrence] = ()

    @property
    def is_known(self) -> bool:
        """Return whether anything at all is known of the notification."""
        return bool(
            self.item is not None
            or self.deleted_ms is not None
            or self.deliveries is not None
            or self.broadcast is not None
            or self.occurrences
            or self.others
            or self.recipients
        )

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """Return the routes by which it is not sent although the project uses them."""
        return self.deliveries.left_out if self.deliveries is not None else ()
