"""Project events: what happened in a project, for its log of events (`GET /v2/events`) and the live tail.

A row of `ProjectEventType` registers a type of event. Its number is stored, so it never changes and is never used
again. The context names things by id. It never has the text of a notification, a token or a secret.
"""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple
from uuid import UUID

import msgspec

from gateway.domain.ids import UserId

ContextValue = str | int | bool | None
"""A value of a context. None values are left out."""


class EventLevel(Enum):
    """How much attention an event deserves."""

    INFO = "info"
    WARNING = "warning"


class _Row(NamedTuple):
    code: int
    name: str
    level: EventLevel
    log: str
    context: Mapping[str, str]


_NOTIFICATION = {"notification_id": "The notification.", "broadcast_id": "The broadcast that sent it."}
_COUNT = {"count": "How many users the event is about, where it is not about one."}
_OF_MANY = {"of_many": "True if the request named several users."}
_ABOUT = {"category": "Its category.", "topic": "Its topic."}
_KEY = {"key_id": "Its `kid`."}
_INTEGRATION = {"integration": "The name of the integration.", "integration_id": "The stored configuration."}
_TOKEN = {"kind": "The kind of channel token, such as `mobile_push/apns`.", "token_id": "The token."}
_JWT = {"token_id": "The token.", "scope": "`user` or `project`."}
_ENDPOINT = {"endpoint_id": "The endpoint."}
_DELIVERY = {"delivery_id": "The provider's id of the delivery.", "event": "The provider's name of the event."}


class ProjectEventType(Enum):
    """The types of project events: number, name, level, the sentence for people, and the fields of the context."""

    def __init__(self, code: int, label: str, level: EventLevel, log: str, context: Mapping[str, str]):
        # Attributes, because properties would cost more, and events of sending are many.
        self.code = code
        self.label = label
        self.level = level
        self.log = log
        self.context = context
        self.allowed = frozenset(context)
        """The names of the fields that a context may have."""

    ACCEPTED = _Row(
        101,
        "notification.accepted",
        EventLevel.INFO,
        "A notification to several users was accepted.",
        {
            **_NOTIFICATION,
            **_ABOUT,
            "recipients": "How many recipients the request named.",
            "stored": "How many of them have it in their inbox.",
            "suppressed": "From how many a rule kept it.",
        },
    )
    STORED = _Row(
        102,
        "notification.stored",
        EventLevel.INFO,
        "A notification was stored in the inbox.",
        {**_NOTIFICATION, **_COUNT, **_OF_MANY},
    )
    SUPPRESSED = _Row(
        103,
        "notification.suppressed",
        EventLevel.INFO,
        "A notification was not stored in the inbox, because of a rule.",
        {
            **_NOTIFICATION,
            **_COUNT,
            **_OF_MANY,
            "rule": "The rule, such as `preference`.",
            "category": "The category of the notification, if it has one.",
            "topic": "The topic of the notification, if it has one.",
        },
    )
    DELIVERY_ENDED = _Row(
        121,
        "delivery.ended",
        EventLevel.INFO,
        "A delivery of a notification to a user ended.",
        {
            "notification_id": "The notification.",
            "channel": "Its channel, or `webhook`.",
            "provider": "The provider that was used last.",
            "state": "`delivered`, `skipped`, `refused`, `dead`, `failed` or `unknown`.",
            "reason": "Why, by the code of the provider or of the gateway.",
            "attempts": "How many attempts there were.",
        },
    )
    BROADCAST_CHANGED = _Row(
        111,
        "broadcast.changed",
        EventLevel.INFO,
        "A broadcast changed its status.",
        {
            "broadcast_id": "The broadcast.",
            "status": "Its new status.",
            **_ABOUT,
            "audience": "Whom it is for: `everyone`, `condition`, `subscribers` or `users`.",
            "recipients": "How many recipients the request named.",
            "total": "How many users it is about.",
            "failures": "For how many of them it failed.",
        },
    )
    DELIVERY_RETRIED = _Row(
        122,
        "delivery.retried",
        EventLevel.INFO,
        "A delivery that had ended is tried again, because somebody asked for it.",
        {"notification_id": "The notification.", "channel": "Its channel."},
    )
    DELIVERY_FAILED = _Row(
        124,
        "delivery.failed",
        EventLevel.WARNING,
        "A delivery of a notification to a user failed. The event is written beside `delivery.ended`, so that the log "
        "keeps the newest failures however many deliveries succeed.",
        {
            "notification_id": "The notification.",
            "channel": "Its channel, or `webhook`.",
            "provider": "The provider that was used last.",
            "state": "`refused`, `dead`, `failed` or `unknown`.",
            "reason": "Why, by the code of the provider or of the gateway.",
            "attempts": "How many attempts there were.",
        },
    )
    DELIVERY_CONTRADICTED = _Row(
        123,
        "delivery.contradicted",
        EventLevel.WARNING,
        "A provider reported later that a message, which had ended as delivered, did not arrive.",
        {
            "notification_id": "The notification.",
            "channel": "Its channel.",
            "provider": "The provider.",
            "state": "What the provider reported: `undelivered` or `failed`.",
            "reason": "Why, by the code of the provider.",
        },
    )
    USER_CREATED = _Row(201, "user.created", EventLevel.INFO, "A user was created.", {})
    USER_DELETED = _Row(202, "user.deleted", EventLevel.INFO, "A user was deleted.", {})
    IMPORT_DONE = _Row(
        211,
        "import.done",
        EventLevel.INFO,
        "An import of users is done.",
        {"import_id": "The import.", "total": "How many rows it had.", "failures": "How many of them failed."},
    )
    TOKEN_REGISTERED = _Row(
        301, "channel_token.registered", EventLevel.INFO, "A channel token was registered.", {**_TOKEN}
    )
    TOKEN_DISCARDED = _Row(
        302,
        "channel_token.discarded",
        EventLevel.INFO,
        "A channel token was discarded.",
        {**_TOKEN, "reason": "Why, such as `request` or `moved`."},
    )
    ADDRESS_SUPPRESSED = _Row(
        303,
        "address.suppressed",
        EventLevel.WARNING,
        "Nothing more is sent to an address of a user.",
        {"channel": "The channel, such as `email`.", "reason": "Why: `bounced` or `complaint`."},
    )
    ADDRESS_RELEASED = _Row(
        304,
        "address.released",
        EventLevel.INFO,
        "Messages are sent to the addresses of a user again.",
        {"channel": "The channel, such as `email`."},
    )
    PREFERENCES_CHANGED = _Row(
        311,
        "preferences.changed",
        EventLevel.INFO,
        "A user's preferences were changed.",
        {"categories": "How many categories the request named."},
    )
    JWT_ISSUED = _Row(401, "jwt.issued", EventLevel.INFO, "A token of the API was issued.", {**_JWT})
    JWT_REVOKED = _Row(402, "jwt.revoked", EventLevel.INFO, "A token of the API was revoked.", {**_JWT})
    JWT_REVOKED_BEFORE = _Row(
        403,
        "jwt.revoked_before",
        EventLevel.INFO,
        "All tokens of a user that were issued before a time were revoked.",
        {"issued_before": "The time, in unix seconds."},
    )
    KEY_REGISTERED = _Row(411, "key.registered", EventLevel.INFO, "A public key was registered.", {**_KEY})
    KEY_REMOVED = _Row(412, "key.removed", EventLevel.INFO, "A public key was removed.", {**_KEY})
    INTEGRATION_SAVED = _Row(501, "integration.saved", EventLevel.INFO, "An integration was saved.", {**_INTEGRATION})
    INTEGRATION_DELETED = _Row(
        502, "integration.deleted", EventLevel.INFO, "An integration was deleted.", {**_INTEGRATION}
    )
    INSTALLATION_SAVED = _Row(
        503,
        "installation.saved",
        EventLevel.INFO,
        "A user saved an installation of an integration.",
        {"integration": "The name of the integration."},
    )
    DELIVERY_CONFIG_CHANGED = _Row(
        511, "delivery_config.changed", EventLevel.INFO, "A delivery config was changed.", {"key": "Its key."}
    )
    WEBHOOK_ACCEPTED = _Row(
        521,
        "webhook.accepted",
        EventLevel.INFO,
        "A webhook of a provider was accepted.",
        {**_INTEGRATION, **_DELIVERY, "notifications": "How many notifications it caused."},
    )
    WEBHOOK_REFUSED = _Row(
        522,
        "webhook.refused",
        EventLevel.WARNING,
        "A webhook of a provider was refused.",
        {**_INTEGRATION, "reason": "Why, such as `signature`."},
    )
    LANE_PARKED = _Row(
        531,
        "delivery.parked",
        EventLevel.WARNING,
        "Deliveries wait, because a provider refuses the configuration.",
        {
            "channel": "The channel.",
            "provider": "The provider.",
            "reason": "The provider's reason.",
            "remedy": "What to do.",
        },
    )
    LIMIT_REACHED = _Row(
        562,
        "project.limit_reached",
        EventLevel.WARNING,
        "A limit of the project refused a request; at most once a minute and worker.",
        {"limit": "The field of the project.", "max": "Its value.", "used": "What was used."},
    )
    LANE_RESUMED = _Row(
        532,
        "delivery.resumed",
        EventLevel.INFO,
        "Deliveries that waited are sent again.",
        {"lane": "The channel or the push service."},
    )
    ENDPOINT_SAVED = _Row(
        541,
        "webhook_endpoint.saved",
        EventLevel.INFO,
        "An endpoint of outgoing webhooks was created or changed.",
        {**_ENDPOINT},
    )
    ENDPOINT_DELETED = _Row(
        542, "webhook_endpoint.deleted", EventLevel.INFO, "An endpoint of outgoing webhooks was deleted.", {**_ENDPOINT}
    )
    ENDPOINT_ROTATED = _Row(
        543,
        "webhook_endpoint.rotated",
        EventLevel.INFO,
        "An endpoint of outgoing webhooks got a new signing secret.",
        {**_ENDPOINT},
    )
    ENDPOINT_DISABLED = _Row(
        544,
        "webhook_endpoint.disabled",
        EventLevel.WARNING,
        "An endpoint of outgoing webhooks was disabled.",
        {**_ENDPOINT, "reason": "`request`, `failures` for nothing but failures for five days, or `gone` for a 410."},
    )
    ENDPOINT_ENABLED = _Row(
        545, "webhook_endpoint.enabled", EventLevel.INFO, "An endpoint of outgoing webhooks was enabled.", {**_ENDPOINT}
    )
    PROJECT_CHANGED = _Row(
        601,
        "project.changed",
        EventLevel.INFO,
        "The project's configuration was changed.",
        {"fields": "The names of the fields, separated by commas."},
    )


BY_CODE = {each.code: each for each in ProjectEventType}
BY_LABEL = {each.label: each for each in ProjectEventType}


class ProjectEvent(msgspec.Struct, frozen=True):
    """An event that is not in the log yet. Raises ValueError for a context field that its type does not document.

    `user_id` is the user whom it concerns, None where it concerns none or many.
    """

    type: ProjectEventType
    user_id: UserId | None = None
    context: Mapping[str, ContextValue] = {}

    def __post_init__(self) -> None:
        if not self.type.allowed.issuperset(self.context):
            raise ValueError(f"{self.type.label} has no context {sorted(self.context.keys() - self.type.allowed)}")


class EventPlace(NamedTuple):
    """The place of an event in its project's log. Places sort by time. No two events of a project share one."""

    ms: int
    number: int
    """Tells the events of a millisecond apart: 0 to MAX_NUMBER."""

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


MAX_NUMBER = 0xFFFF


def event_id(place: EventPlace, code: int) -> str:
    """Return the id of an event, a UUID of version 7 (RFC 9562, section 5.7), which sorts by time.

    In place of random bits it has the number within the millisecond and the type.
    """
    high = place.ms << 16 | 7 << 12 | place.number >> 4
    low = 2 << 62 | (place.number & 15) << 58 | code << 42
    return str(UUID(int=high << 64 | low))


def place_of(event_id: str) -> tuple[EventPlace, int]:
    """Return the place and the type's number of an event id. Raises ValueError if it is not a UUID.

    A UUID that is not the id of an event is a place too, at which there is no event.
    """
    value = UUID(event_id).int
    high, low = value >> 64, value & (1 << 64) - 1
    return EventPlace(high >> 16, (high & 0xFFF) << 4 | low >> 58 & 15), low >> 42 & 0xFFFF
