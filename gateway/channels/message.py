"""A message: one notification for one destination, with all that an adapter needs to send it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Channel

MAX_IMAGE_URL = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How a project looks in mails. `color` is a CSS color; "" is unset."""

    name: str
    logo_url: str = ""
    color: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressee:
    """The user who gets a message, by the names and attributes that the user's record has."""

    external_id: str | None = None
    email: str | None = field(default=None, repr=False)
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    phone_numbers: tuple[str, ...] = field(default=(), repr=False)
    custom_attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


def addressee_of(recipient: Mapping[str, Any]) -> Addressee:
    """Return the user of a message, from the attributes of the user's record."""
    return Addressee(
        external_id=recipient.get("external_id"),
        email=recipient.get("email"),
        first_name=recipient.get("first_name"),
        last_name=recipient.get("last_name"),
        phone_numbers=tuple(recipient.get("phone_numbers") or ()),
        custom_attributes=recipient.get("custom_attributes") or {},
    )


def image_of(attributes: Mapping[str, Any] | None) -> str:
    """Return the address of the image that a notification has as `custom_attributes.image_url`, "" for none."""
    found = (attributes or {}).get("image_url")
    return found if isinstance(found, str) and found.startswith("https://") and len(found) <= MAX_IMAGE_URL else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. Texts are final: overrides by channel and templates are applied already.

    - `id` is the same at every repetition, so that the provider or the device can recognize one.
    - `destination` are the fields of the channel token; `{"email": …}` or `{"phone_number": …}` for an address.
      `registered_at` is the unix second at which the token was registered last, 0 if that is not known.
    - `token_kind` is the path of the token's kind, such as `mobile_push/apns`, "" for an address.
    - `config` is the configuration of the integration with its secrets, {} if the provider needs none. `config_id`
      identifies it, for what an adapter caches.
    - `content` may be HTML, as the sender wrote it; None if there is none.
    - `extra` are the fields of `overrides.providers` for this provider, to merge last.
    - `unread` and `unseen` are the counts of the inbox at the time of sending.
    - `expires_at` is the unix second after which the message is of no use.
    - `unsubscribe_url` is set where the user may switch the category off for this channel.
    - `image_url` is an image to show, "" for none.
    - `subject` is that of a mail, "" for the title.
    """

    id: UUID
    project_id: ProjectId
    user_id: UserId
    notification_id: str
    channel: Channel
    title: str = field(repr=False)
    content: str | None = field(default=None, repr=False)
    action_url: str | None = field(default=None, repr=False)
    category: str | None = None
    topic: str | None = None
    custom_attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sent_at: int
    expires_at: int
    attempt: int = 1
    destination: Mapping[str, Any] = field(repr=False)
    registered_at: int = 0
    token_kind: str = ""
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    config_id: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    addressee: Addressee = field(default_factory=Addressee, repr=False)
    brand: Brand
    unread: int = 0
    unseen: int = 0
    image_url: str = ""
    subject: str = field(default="", repr=False)
    unsubscribe_url: str = field(default="", repr=False)
