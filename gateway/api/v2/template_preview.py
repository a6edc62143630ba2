"""Previews of templates: what a message would say, without sending it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.identity import find_user
from gateway.api.v2.items import decode_item
from gateway.channels import templates
from gateway.channels.message import Addressee, addressee_of
from gateway.channels.template_renderer import (
    MAIL_FIELDS,
    TemplateRenderer,
    installed_names,
    templates_of,
    variables_of,
)
from gateway.domain.errors import ErrorCode, invalid
from gateway.domain.ids import ProjectId
from gateway.domain.notification import ItemId
from gateway.domain.objects import Hash, Object
from gateway.domain.params import Choice, Text
from gateway.domain.preferences import Channel
from gateway.domain.principal import User
from gateway.domain.times import rfc3339
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.profiles import ProfileStore

SAMPLE_ID = "01930000-0000-7000-8000-000000000000"

SAMPLE_USER = Addressee(
    external_id="ada", email="ada@example.com", first_name="Ada", last_name="Lovelace", phone_numbers=("+15550100",)
)

_TEMPLATE = Text(max_length=templates.MAX_BYTES)

PREVIEW = Body(
    "",
    Object(
        required=True,
        name="NewTemplatePreview",
        fields={
            "channel": Choice(
                required=True, options=templates.CHANNEL_NAMES, description="The channel of the message."
            ),
            "templates": Object(
                name="TemplateTexts",
                description="The templates to try, by field. Without it, the saved ones.",
                fields=dict.fromkeys(MAIL_FIELDS, _TEMPLATE),
            ),
            "user": Text(
                max_length=300,
                description="The recipient: a user's id, or `external_id:…` or `email:…`. Without it, a sample.",
            ),
            "notification_id": Text(max_length=36, description="A notification in the inbox of this user."),
            "notification": Object(
                name="SampleNotification",
                description="A notification to try. Without it and `notification_id`, a sample.",
                fields={
                    "title": Text(max_length=255),
                    "content": Text(max_length=100_000),
                    "action_url": Text(max_length=2048),
                    "category": Text(max_length=255),
                    "topic": Text(max_length=255),
                    "custom_attributes": Hash(max_bytes=6000),
                },
            ),
        },
    ),
    example={
        "channel": "email",
        "templates": {"subject": "{{ project.name }}: {{ notification.title }}", "content": "Hi {{ recipient.name }}"},
        "notification": {"title": "Your order has shipped"},
    },
    refusals=(ErrorCode.NOT_FOUND,),
)


class PreviewFault(msgspec.Struct):
    """Why a template was not used. `field` is its place, such as `email.categories.orders.title`."""

    field: str
    message: str


class MissingVariable(msgspec.Struct):
    """A variable of a template that has no value here, with its line."""

    field: str
    variable: str


class TemplatePreview(msgspec.Struct):
    """The texts of a message.

    `subject` is that of a mail, and null elsewhere. `used` are the templates from which the texts come. A field without
    one, or with one in `faults`, has the notification's own text. `missing` are variables that have no value.
    """

    channel: str
    title: str
    content: str | None
    action_url: str | None
    subject: str | None
    used: list[str]
    faults: list[PreviewFault]
    missing: list[MissingVariable]


PREVIEWED = ResponseSpec(200, "The texts", TemplatePreview)


class _Sample(msgspec.Struct):
    """What a message is made of, before templates."""

    id: str = SAMPLE_ID
    title: str = "A sample notification"
    content: str | None = "This is its content."
    action_url: str | None = "https://example.com"
    category: str | None = None
    topic: str | None = None
    custom_attributes: Mapping[str, Any] = {}
    sent_at: int = 0


@dataclass(frozen=True, slots=True)
class TemplatePreviewResource:
    """The operation that previews templates, with the stores that it uses."""

    integrations: IntegrationStore
    installations: InstallationStore
    directory: Directory
    profiles: ProfileStore
    inboxes: InboxStore
    renderer: TemplateRenderer = field(default_factory=TemplateRenderer)

    async def preview(self, call: ProjectCall) -> Response:
        """Return the texts of a message as templates give them, without sending it.

        Without `templates`, they are the saved ones: those of the project, and those that the user has installed. A
        template that fails is named with the line of its fault, and the message has the notification's own text in its
        place, as when it is sent. `missing` names the variables that have no value, with their lines.
        """
        values = call.fields(await call.body())
        channel = Channel(values["channel"])
        user = await find_user(self.directory, call.project.id, values["user"]) if values["user"] else None
        sample = await self._notification(values, user)
        found = await self._templates(call, values, channel, user, sample.category)
        variables = variables_of(
            notification_id=sample.id,
            title=sample.title,
            content=sample.content,
            action_url=sample.action_url,
            category=sample.category,
            topic=sample.topic,
            custom_attributes=sample.custom_attributes,
            sent_at=rfc3339(sample.sent_at or int(datetime.now(UTC).timestamp())),
            recipient=SAMPLE_USER if user is None else addressee_of((await self.profiles.read_many([user]))[0]),
            project_name=call.project.name,
        )
        rendered = self.renderer.render(found, channel, variables)
        texts, faulty = rendered.texts, {fault.field for fault in rendered.faults}
        preview = TemplatePreview(
            channel=channel.value,
            title=texts.get("title", sample.title),
            content=texts.get("content", sample.content),
            action_url=texts.get("action_url", sample.action_url),
            subject=texts.get("subject", texts.get("title", sample.title)) if channel is Channel.EMAIL else None,
            used=list(rendered.used),
            faults=[PreviewFault(fault.field, fault.reason) for fault in rendered.faults],
            missing=[
                MissingVariable(place, variable)
                for name, (place, source) in found.items()
                if place not in faulty
                for variable in self.renderer.missing(name, source, variables)
            ],
        )
        return json_response(msgspec.structs.asdict(preview))

    async def _templates(
        self, call: ProjectCall, values: Mapping[str, Any], channel: Channel, user: User | None, category: str | None
    ) -> dict[str, tuple[str, str]]:
        """Return the templates to try, or the saved ones. Raises ApiError 422 for those to try."""
        if values["templates"] is not None:
            tried = {name: text for name, text in values["templates"].items() if text is not None}
            config: Mapping[str, Any] = {channel.value: tried}
            problems = call_problems(config)
            if problems:
                raise invalid(*problems)
            return templates_of(config, None, channel, None)
        return await saved_templates(
            self.integrations, self.installations, call.project.id, channel, category, user=user
        )

    async def _notification(self, values: Mapping[str, Any], user: User | None) -> _Sample:
        if values["notification_id"] is None:
            given = {name: value for name, value in (values["notification"] or {}).items() if value is not None}
            return _Sample(**given)
        if user is None:
            raise invalid("Param 'notification_id' needs 'user'")
        try:
            item_id = ItemId(UUID(values["notification_id"]).bytes)
        except ValueError:
            raise not_found("Notification") from None
        (encoded,) = await self.inboxes.get_each([user], item_id)
        if encoded is None:
            raise not_found("Notification")
        item = decode_item(encoded)
        return _Sample(
            id=item.id,
            title=item.title,
            content=item.content,
            action_url=item.action_url,
            category=item.category or None,
            topic=item.topic,
            custom_attributes=msgspec.json.decode(item.custom_attributes) or {},
            sent_at=item.sent_at or 0,
        )


async def saved_templates(
    integrations: IntegrationStore,
    installations: InstallationStore,
    project_id: ProjectId,
    channel: Channel,
    category: str | None,
    *,
    user: User | None,
) -> dict[str, tuple[str, str]]:
    """Return the templates that apply to a message: those of the project, and what the user has installed."""
    saved = await integrations.read(project_id, templates.INTEGRATION)
    installed = None
    if saved is not None and user is not None:
        for name in installed_names(channel, category):
            found = await installations.read(user, name)
            if found is not None:
                installed = str(found.plain["text"])
                break
    return templates_of(None if saved is None else saved.plain, installed, channel, category)


def call_problems(config: Mapping[str, Any]) -> list[str]:
    """Return the faults of templates that a request tries, by their names in its body."""
    problems: list[str] = []
    templates.INTEGRATION.check(config, problems)
    (channel,) = config
    return [problem.replace(f"Param '{channel}.", "Param 'templates.") for problem in problems]


OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        "/v2/integrations/templates/preview",
        PROJECT,
        TemplatePreviewResource.preview,
        "Preview: Templates",
        PREVIEWED,
        PREVIEW,
        tag="Integrations",
    )
]
