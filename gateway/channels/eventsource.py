"""Event source: the name of where a project's events come from."""

from gateway.channels.integration_kind import IntegrationKind
from gateway.domain.objects import Object
from gateway.domain.params import Text

INTEGRATION = IntegrationKind(
    name="eventsource",
    title="Event source",
    config=Object(
        required=True,
        name="EventSourceConfig",
        fields={"source": Text(required=True, max_length=255, description="The name of the source.")},
    ),
    example={"source": "billing"},
)
