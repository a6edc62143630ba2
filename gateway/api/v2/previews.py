"""Previews of notifications: what each channel would show of a draft, without sending it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.identity import find_user
from gateway.api.v1.overrides import overrides
from gateway.api.v1.sending import MAX_TITLE, MAX_URL, NOTIFICATION
from gateway.api.v2.broadcasts import MAX_NAME
from gateway.api.v2.template_preview import SAMPLE_ID, SAMPLE_USER, saved_templates
from gateway.channels import inbox
from gateway.channels.email_brand import brand_of
from gateway.channels.email_message import Mail, mail_of
from gateway.channels.message import Addressee, Brand, Message, addressee_of, image_of
from gateway.channels.preview import look_of
from gateway.channels.routes import providers_of
from gateway.channels.template_renderer import TemplateRenderer, variables_of
from gateway.domain.delivery import Route
from gateway.domain.errors import ErrorCode
from gateway.domain.ids import UserId
from gateway.domain.objects import Object
from gateway.domain.params import Text
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.sending.command import ChannelOverride, Overrides
from gateway.store.active_channels import ActiveRoutes
from gateway.store.categories import CategoryStore
from gateway.store.directory import Directory
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.profiles import ProfileStore

MAX_CONTENT = 100_000
"""No channel but the inbox shows more."""

UNSUBSCRIBE_URL = "https://example.com/unsubscribe"
"""Stands in a preview for the link that each recipient has."""

DEFAULT_DOMAIN = "example.com"

PREVIEW = Body(
    "",
    Object(
        required=True,
        name="NewPreview",
        fields={
            "title": Text(max_length=MAX_TITLE),
            "content": Text(max_length=MAX_CONTENT),
            "action_url": Text(max_length=MAX_URL),
            "category": Text(max_length=MAX_NAME),
            "topic": Text(max_length=MAX_NAME),
            "custom_attributes": NOTIFICATION.fields["custom_attributes"],
            "overrides": overrides(MAX_TITLE, MAX_CONTENT, MAX_URL),
            "user": Text(
                max_length=300,
                description="The recipient: a user's id, or `external_id:…` or `email:…`. Without it, a sample.",
            ),
        },
    ),
    example={
        "title": "Your order has shipped",
        "content": "It arrives on Friday.",
        "action_url": "https://shop.example.com/orders/42",
        "overrides": {"channels": {"sms": {"content": "Arrives Friday."}}},
    },
    refusals=(ErrorCode.NOT_FOUND,),
)


class ChannelPreview(msgspec.Struct):
    """What a channel shows.

    `configured` is whether the project can deliver there. `content` is plain text as the channel shows it, but for the
    inbox, which may show HTML. `cut` is whether a text is too long and is shortened. `segments` is how many text
    messages it takes, null for other channels than `sms`. `faults` say why templates were not used.
    """

    channel: str
    configured: bool
    title: str
    content: str
    action_url: str | None
    cut: bool
    segments: int | None
    faults: list[str]


class MailPreview(msgspec.Struct):
    """A mail as it would be sent. `sender` is a mailbox, such as `Shop <mail@shop.example.com>`."""

    sender: str
    subject: str
    text: str
    html: str


class NotificationPreview(msgspec.Struct):
    """What a notification looks like on every channel.

    `brand` is the name that mails show. `email` is null if the configured sender is no valid address.
    `category_known` is whether the project has sent the category before, null without a category.
    """

    brand: str
    category_known: bool | None
    channels: list[ChannelPreview]
    email: MailPreview | None


PREVIEWED = ResponseSpec(200, "The preview", NotificationPreview)


_FIELDS = ("title", "content", "action_url")


@dataclass(frozen=True, slots=True)
class _Texts:
    """The texts of a message. `faults` say which templates were not used and why."""

    title: str
    content: str | None
    action_url: str | None
    subject: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Draft:
    """A draft with its recipient."""

    values: Mapping[str, Any]
    overrides: Overrides | None
    user: User | None
    addressee: Addressee

    def texts(self, channel: Channel) -> _Texts:
        """Return the texts on a channel: those of its override, otherwise the draft's own."""
        channels = self.overrides.channels if self.overrides is not None else None
        override: ChannelOverride | None = getattr(channels, channel.value, None)
        given = {} if override is None else msgspec.structs.asdict(override)
        fields = {name: self.values[name] if given.get(name) is None else given[name] for name in _FIELDS}
        return _Texts(**{**fields, "title": fields["title"] or ""})


@dataclass(frozen=True, slots=True)
class PreviewsResource:
    """The operation that shows drafts, with the stores that it uses."""

    integrations: IntegrationStore
    installations: InstallationStore
    directory: Directory
    profiles: ProfileStore
    routes: ActiveRoutes
    categories: CategoryStore
    renderer: TemplateRenderer = field(default_factory=TemplateRenderer)

    async def preview(self, call: ProjectCall) -> Response:
        """Return what every channel would show of a notification, without sending it.

        Overrides and the saved templates are applied, and texts are cut, as when it is sent. The mail is complete, with
        the project's brand; its link to unsubscribe leads nowhere.
        """
        draft = await self._draft(call)
        look = await self.integrations.read(call.project.id, inbox.INTEGRATION)
        brand = brand_of(call.project.name, None if look is None else look.plain)
        routes = await self.routes.of_project(call.project.id)
        configured = {Channel.IN_APP, *(route.channel for route in routes if route.channel is not None)}
        previews, email = [], None
        for channel in Channel:
            message, texts = await self._message(call, draft, channel, brand)
            shown = look_of(message)
            if channel is Channel.EMAIL:
                email = _mail(message)
            previews.append(
                ChannelPreview(
                    channel=channel.value,
                    configured=channel in configured,
                    title=shown.title,
                    content=shown.content,
                    action_url=message.action_url,
                    cut=shown.is_cut,
                    segments=shown.segments or None,
                    faults=list(texts.faults),
                )
            )
        category = draft.values["category"]
        known = category in await self.categories.all(call.project.id) if category else None
        return json_response(msgspec.structs.asdict(NotificationPreview(brand.name, known, previews, email)))

    async def _draft(self, call: ProjectCall) -> _Draft:
        values = call.fields(await call.body())
        given = msgspec.convert(values["overrides"], Overrides) if values["overrides"] else None
        if not values["user"]:
            return _Draft(values, given, None, SAMPLE_USER)
        user = await find_user(self.directory, call.project.id, values["user"])
        (profile,) = await self.profiles.read_many([user])
        return _Draft(values, given, user, addressee_of(profile))

    async def _message(
        self, call: ProjectCall, draft: _Draft, channel: Channel, brand: Brand
    ) -> tuple[Message, _Texts]:
        """Return the message on a channel, and its texts."""
        values, now = draft.values, int(time.time())
        texts = draft.texts(channel)
        if channel is not Channel.IN_APP:
            texts = await self._rendered(call, draft, channel, texts)
        message = Message(
            id=UUID(SAMPLE_ID),
            project_id=call.project.id,
            user_id=draft.user.id if draft.user is not None else UserId(""),
            notification_id=SAMPLE_ID,
            channel=channel,
            title=texts.title,
            content=texts.content,
            action_url=texts.action_url or None,
            category=values["category"] or None,
            topic=values["topic"] or None,
            custom_attributes=values["custom_attributes"] or {},
            sent_at=now,
            expires_at=now,
            destination={"email": draft.addressee.email or f"user@{DEFAULT_DOMAIN}"},
            config=await self._mail_config(call) if channel is Channel.EMAIL else {},
            addressee=draft.addressee,
            brand=brand,
            unread=1,
            unseen=1,
            image_url=image_of(values["custom_attributes"]),
            subject=texts.subject,
            unsubscribe_url=UNSUBSCRIBE_URL if channel is Channel.EMAIL else "",
        )
        return message, texts

    async def _rendered(self, call: ProjectCall, draft: _Draft, channel: Channel, texts: _Texts) -> _Texts:
        """Return the texts that the saved templates give."""
        values = draft.values
        category = values["category"] or None
        found = await saved_templates(
            self.integrations, self.installations, call.project.id, channel, category, user=draft.user
        )
        variables = variables_of(
            notification_id=SAMPLE_ID,
            title=texts.title,
            content=texts.content,
            action_url=texts.action_url,
            category=category,
            topic=values["topic"],
            custom_attributes=values["custom_attributes"],
            sent_at=datetime.now(UTC).isoformat(),
            recipient=draft.addressee,
            project_name=call.project.name,
        )
        rendered = self.renderer.render(found, channel, variables)
        faults = tuple(str(fault) for fault in rendered.faults)
        return replace(texts, **rendered.texts, faults=faults)

    async def _mail_config(self, call: ProjectCall) -> Mapping[str, Any]:
        """Return the configuration of the provider that sends the project's mail, without its secrets."""
        for provider in providers_of(Route.EMAIL):
            if provider.integration is not None:
                saved = await self.integrations.cached(call.project.id, provider.integration)
                if saved is not None:
                    return saved.plain
        return {}


def _mail(message: Message) -> MailPreview | None:
    mail = mail_of(message, f"notifications@{message.config.get('domain') or DEFAULT_DOMAIN}")
    if not isinstance(mail, Mail):
        return None
    return MailPreview(mail.sender.header, mail.subject, mail.text, mail.html)


OPERATIONS = [
    Operation(
        "POST",
        "/v2/previews",
        PROJECT,
        PreviewsResource.preview,
        "Preview a notification",
        PREVIEWED,
        PREVIEW,
    ),
]
