"""Templates of messages, by channel and category."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.domain.objects import FreeObject

MAX_BYTES = 32 * 1024

INTEGRATION = IntegrationKind(
    name="templates",
    title="Templates",
    config=FreeObject(required=True, name="TemplatesConfig", max_bytes=MAX_BYTES),
    example={"email": {"title": "{{ notification.title }}"}},
)
