"""What operations answer: the shapes of the v1 contract and our own, declared once for the OpenAPI document.

The store gives items and events as encoded JSON that is never decoded here, so these types describe; they do not
encode. The tests hold every real answer against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.domain.errors import Problem
from gateway.domain.event import POSITION_PATTERN
from gateway.domain.messages import CountsBody
from gateway.domain.notification import DELETE_EVENT, NEW_EVENT, BulkCommand, Command
from gateway.domain.preferences import UPDATE_EVENT as PREFERENCES_EVENT

_EVENT_NAMES = [
    *(NEW_EVENT, DELETE_EVENT, PREFERENCES_EVENT),
    *(row.transition.event_name for row in (*Command, *BulkCommand)),
]

Uuid: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Seconds: TypeAlias = Annotated[int, Meta(description="Unix seconds.")]
Hash: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})]
Place: TypeAlias = Annotated[
    str, Meta(pattern=f"^{POSITION_PATTERN}$", description="A place in the user's event log.", examples=["k3f9.42"])
]
EventName: TypeAlias = Annotated[str, Meta(extra_json_schema={"enum": _EVENT_NAMES})]


# ---- notifications


class Recipient(msgspec.Struct):
    """The user whose inbox the item is in."""

    id: str
    email: str | None
    external_id: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash


class SentNotification(msgspec.Struct):
    """What was sent."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    sent_at: Seconds


class Notification(msgspec.Struct):
    """One item of one user's inbox. What did not happen yet has no time."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    recipient: Recipient
    seen_at: Seconds | None
    sent_at: Seconds
    read_at: Seconds | None
    archived_at: Seconds | None


class SentNotificationAnswer(msgspec.Struct):
    """The answer to a notification that was sent."""

    notification: SentNotification


class NotificationAnswer(msgspec.Struct):
    """One notification."""

    notification: Notification


class NotificationList(msgspec.Struct):
    """A page of an inbox, newest first. `total` and the counts are of all that match, on whatever page."""

    project_id: int
    total: int
    total_pages: int
    per_page: int
    current_page: int
    unread_count: int
    unseen_count: int
    notifications: list[Notification]


# ---- what a user wants to be told


class ChannelPreference(msgspec.Struct):
    """Whether a category may use a channel."""

    slug: str
    label: str
    enabled: bool


class CategoryPreference(msgspec.Struct):
    """A category with all its channels."""

    slug: str
    label: str
    channels: list[ChannelPreference]


class Preferences(msgspec.Struct):
    """Every category that the project sends or the user has preferences for."""

    categories: list[CategoryPreference]


class PreferencesAnswer(msgspec.Struct):
    """A user's preferences."""

    notification_preferences: Preferences


class SubscribedCategory(msgspec.Struct):
    """What the user said about one category of a topic; `*` is all of them."""

    slug: str
    reason: str | None
    status: Literal["subscribed", "unsubscribed"]


class Subscription(msgspec.Struct):
    """What the user said about a topic."""

    topic: str
    categories: list[SubscribedCategory]


class SubscriptionAnswer(msgspec.Struct):
    """One topic."""

    subscription: Subscription


class SubscriptionList(msgspec.Struct, omit_defaults=True):
    """What the user said about topics. The numbers come where a page was asked for."""

    subscriptions: list[Subscription]
    total: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    per_page: int | UnsetType = UNSET
    current_page: int | UnsetType = UNSET


class PushSubscription(msgspec.Struct):
    """A device of the user's."""

    id: Uuid
    device_token: str
    platform: Literal["ios", "android", "safari"]


class PushSubscriptionAnswer(msgspec.Struct):
    """One device."""

    push_subscription: PushSubscription


# ---- users


class User(msgspec.Struct):
    """A user, as a backend administers it."""

    id: Uuid
    external_id: str | None
    email: str | None
    first_name: str | None
    last_name: str | None
    custom_attributes: Hash | None
    phone_numbers: list[str] | None


class UserAnswer(msgspec.Struct):
    """One user."""

    user: User


# ---- tokens

Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class IssuedToken(msgspec.Struct):
    """A token, which is shown this once."""

    token: str
    token_id: Uuid
    created_at: Time
    expires_at: Time


class TokenDescription(msgspec.Struct):
    """What is kept of a token."""

    id: Uuid
    created_at: Time
    expires_at: Time
    name: str | UnsetType = UNSET
    discarded_at: Time | UnsetType = UNSET


class Links(msgspec.Struct):
    """Where the other pages of a list are, if there are any."""

    first: str
    next: str | None
    prev: str | None


class TokenList(msgspec.Struct):
    """A page of tokens, newest first."""

    data: list[TokenDescription]
    links: Links


class DiscardedToken(msgspec.Struct):
    """A token that does not count any more."""

    token_id: Uuid
    discarded_at: Time


class RevokedTokens(msgspec.Struct):
    """No token of this user counts that was issued before."""

    issued_before: Seconds


class PublicJwk(msgspec.Struct):
    """A public key (RFC 7517): RSA has `n` and `e`, EC has `crv`, `x` and `y`."""

    kid: str
    use: Literal["sig"]
    alg: Literal["RS256", "ES256"]
    kty: Literal["RSA", "EC"]
    n: str | UnsetType = UNSET
    e: str | UnsetType = UNSET
    crv: Literal["P-256"] | UnsetType = UNSET
    x: str | UnsetType = UNSET
    y: str | UnsetType = UNSET


class PublicJwks(msgspec.Struct):
    """All public keys of a project."""

    keys: list[PublicJwk]


# ---- what is done later


class BroadcastSummary(msgspec.Struct):
    """How many recipients there were so far, failures among them."""

    total: int
    failures: int


class BroadcastProblem(msgspec.Struct):
    """Why a recipient could not be served, or why the broadcast ended."""

    message: str


class BroadcastStatus(msgspec.Struct):
    """How far a broadcast is. Of the errors it has the first 1000."""

    status: Literal["enqueued", "processing", "processed"]
    summary: BroadcastSummary
    errors: list[BroadcastProblem]


class Broadcast(msgspec.Struct):
    """What was sent, to whom, and how far it is."""

    id: Uuid
    title: str
    content: str | None
    action_url: str | None
    category: str
    topic: str | None
    custom_attributes: Hash | None
    created_at: Seconds
    recipients: list[Hash]
    overrides: Hash | None
    status: BroadcastStatus


class BroadcastAnswer(msgspec.Struct):
    """One broadcast."""

    broadcast: Broadcast


class BroadcastList(msgspec.Struct):
    """A page of broadcasts, newest first."""

    total: int
    total_pages: int
    per_page: int
    current_page: int
    broadcasts: list[Broadcast]


class BroadcastNotifications(msgspec.Struct):
    """A page of the items that recipients got. `total` counts those who deleted theirs, too."""

    total: int
    total_pages: int
    per_page: int
    current_page: int
    notifications: list[Notification]


class ImportSummary(msgspec.Struct, omit_defaults=True):
    """The rows done so far, by what became of them; empty in the answer to the import."""

    total: int | UnsetType = UNSET
    created: int | UnsetType = UNSET
    updated: int | UnsetType = UNSET
    failures: int | UnsetType = UNSET


class ImportProblem(msgspec.Struct, omit_defaults=True):
    """Why a row was not taken in, counted from 0; without a row, why the import ended."""

    message: str
    row: int | UnsetType = UNSET


class Import(msgspec.Struct):
    """An import and how far it is."""

    id: Uuid
    status: Literal["processing", "processed"]
    summary: ImportSummary
    errors: list[ImportProblem]


class ImportAnswer(msgspec.Struct, rename={"import_": "import"}):
    """One import."""

    import_: Import


# ---- projects


class Workspace(msgspec.Struct):
    """Whose projects these are."""

    id: int
    title: str


class Project(msgspec.Struct):
    """A project with its keys. The secret is null if it was encrypted with another INBOX_SECRET_KEY, and a null
    retention is the gateway's.
    """

    id: int
    name: str
    hmac_enabled: bool
    api_key: str
    api_secret: str | None
    allowed_origins: list[str]
    item_retention_count: int | None
    item_retention_seconds: int | None
    strict: bool
    workspace: Workspace


class ProjectAnswer(msgspec.Struct):
    """One project."""

    project: Project


class ProjectList(msgspec.Struct):
    """A page of a workspace's projects, oldest first."""

    projects: list[Project]


class ActiveUserCount(msgspec.Struct):
    """An estimate, off by `standard_error` of it in 68 of 100 cases, and by three times that hardly ever."""

    month: Annotated[str, Meta(examples=["2026-03"])]
    count: int
    standard_error: float


class ActiveUsersAnswer(msgspec.Struct):
    """How many users came in a month."""

    active_users: ActiveUserCount


# ---- the live side


class EventData(msgspec.Struct):
    """What changed: `id` and `notification` for one item, `at` and `filters` for a mark-all, or preferences."""

    id: Uuid | UnsetType = UNSET
    notification: Notification | UnsetType = UNSET
    at: Seconds | UnsetType = UNSET
    filters: Hash | UnsetType = UNSET
    notification_preferences: Preferences | UnsetType = UNSET
    client_id: Annotated[str, Meta(description="The X-MAGICBELL-CLIENT-ID of who did it.")] | UnsetType = UNSET


class Event(msgspec.Struct):
    """One change of an inbox, the same on every transport. The counts are as of this event."""

    type: Literal["event"]
    position: Place
    name: EventName
    data: EventData
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


class EventPage(msgspec.Struct):
    """Events in order. Go on from `position`, at once if there is `more`; `reset` says why to fetch all first."""

    events: list[Event]
    position: Place
    more: bool
    reset: str | None
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


class ChannelConfig(msgspec.Struct):
    """The v1 contract's words for the live side."""

    region: str
    channel: str
    auth_url: str


class InboxConfig(msgspec.Struct):
    """How the inbox widget is to look."""

    features: Hash


class WebPushConfig(msgspec.Struct):
    """Whether this gateway delivers web push."""

    enabled: bool


class ChannelsConfig(msgspec.Struct):
    """The delivery channels besides the inbox."""

    web_push: WebPushConfig


class RealtimeConfig(msgspec.Struct):
    """Where the live side is."""

    protocol: str
    websocket_url: str
    sse_url: str
    events_url: str


class Config(msgspec.Struct):
    """How to connect."""

    ws: ChannelConfig
    inbox: InboxConfig
    channels: ChannelsConfig
    realtime: RealtimeConfig


# ---- the process


class Health(msgspec.Struct):
    """This process runs."""

    status: Literal["ok"]


class Readiness(msgspec.Struct):
    """Whether this process should get traffic, and why not."""

    status: Literal["ready", "not ready"]
    reason: str | UnsetType = UNSET


class Errors(msgspec.Struct):
    """What was wrong: an entry for each failing parameter, or one with a stable `code`."""

    errors: list[Problem]


# ---- answers


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what comes with it: JSON of a type, or another media type, or nothing."""

    status: int
    description: str
    type: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()
    """Names of HEADERS."""


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Inbox-Position": {
        "description": "The list's position: events up to this one are in it. None while the inbox had no event.",
        "schema": {"type": "string", "pattern": f"^{POSITION_PATTERN}$"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
}

NO_CONTENT = Answer(204, "Done")
SENT = Answer(201, "Sent", SentNotificationAnswer)
FOUND = Answer(200, "The notification", NotificationAnswer)
LISTED = Answer(200, "A page", NotificationList, headers=("X-Inbox-Position",))
PREFERENCES = Answer(200, "All categories", PreferencesAnswer)
SUBSCRIPTION = Answer(200, "The topic", SubscriptionAnswer)
SUBSCRIPTIONS = Answer(200, "All topics", SubscriptionList)
REGISTERED = Answer(201, "Registered", PushSubscriptionAnswer)
CREATED_USER = Answer(201, "The user", UserAnswer)
USER = Answer(200, "The user", UserAnswer)
ISSUED = Answer(201, "The token", IssuedToken)
TOKENS = Answer(200, "A page", TokenList)
DISCARDED = Answer(200, "Discarded", DiscardedToken)
REVOKED = Answer(200, "Revoked", RevokedTokens)
PUBLIC_KEYS = Answer(200, "The keys", PublicJwks)
BROADCASTING = Answer(201, "Accepted", BroadcastAnswer)
BROADCAST = Answer(200, "The broadcast", BroadcastAnswer)
BROADCASTS = Answer(200, "A page", BroadcastList)
BROADCAST_NOTIFICATIONS = Answer(200, "A page", BroadcastNotifications)
IMPORTING = Answer(201, "Accepted", ImportAnswer)
IMPORT = Answer(200, "The import", ImportAnswer)
PROJECT = Answer(200, "The project", ProjectAnswer)
PROJECTS = Answer(200, "A page", ProjectList)
ACTIVE_USERS = Answer(200, "The estimate", ActiveUsersAnswer)
EVENTS = Answer(200, "The events", EventPage)
CONFIG = Answer(200, "The addresses", Config)
HEALTHY = Answer(200, "It runs", Health)
READY = Answer(200, "Ready", Readiness)
NOT_READY = Answer(503, "Draining, or Redis cannot be reached", Readiness, headers=("Retry-After",))
METRICS = Answer(200, "The metrics", media_type="text/plain")
PAGE = Answer(200, "The page", media_type="text/html")
SCRIPT = Answer(200, "The module", media_type="text/javascript")
DOCUMENT = Answer(200, "The document", Hash)
ELSEWHERE = Answer(307, "Elsewhere", media_type="", headers=("Location",))
NOT_BUILT = Answer(501, "This operation is not built yet", Errors)
