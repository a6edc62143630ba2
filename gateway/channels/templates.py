"""Templates of messages, by channel and category."""

from gateway.channels.integration_kind import InstallationKind, IntegrationKind
from gateway.domain.objects import FreeObject, Object
from gateway.domain.params import Choice, Text
from gateway.domain.preferences import Channel

MAX_BYTES = 32 * 1024

CHANNELS = tuple(channel.value for channel in Channel)

INSTALLATION = InstallationKind(
    name="templates",
    title="Templates",
    config=Object(
        required=True,
        name="NewTemplate",
        description="A template of your messages on one channel, for one category or for all.",
        fields={
            "category": Text(max_length=255, description="The category of the notifications; without it, all."),
            "channel": Choice(required=True, options=CHANNELS, description="The channel of the messages."),
            "text": Text(required=True, max_length=MAX_BYTES, description="The template."),
        },
    ),
    example={"channel": "email", "category": "orders", "text": "{{ notification.title }}"},
    nullable=("category",),
    identity=("channel", "category"),
)

INTEGRATION = IntegrationKind(
    name="templates",
    title="Templates",
    config=FreeObject(required=True, name="TemplatesConfig", max_bytes=MAX_BYTES),
    example={"email": {"title": "{{ notification.title }}"}},
)
