"""The resources of the v2 contract that this version does not have. A resource that is built moves to its own file."""

from gateway.api.core.unbuilt import not_built

OPERATIONS = not_built(
    *(
        f"POST /v2/integrations/{provider}/webhooks/incoming/{{integration_id}}"
        for provider in ("awssns", "github", "stripe")
    ),
)
