"""The resources of the v2 contract that this version does not have. A resource that is built moves to its own file."""

from gateway.api.core.unbuilt import not_built

OPERATIONS = not_built(
    *(
        f"POST /v2/integrations/{name}"
        for name in (
            *(f"{provider}/webhooks/incoming/{{integration_id}}" for provider in ("awssns", "github", "stripe")),
            *(f"{kind}/installations" for kind in ("inbox", "slack", "templates", "web_push")),
            *(f"{kind}/installations/start" for kind in ("inbox", "slack", "web_push")),
            "slack/installations/finish",
        )
    ),
    *(f"PUT /v2/integrations/{kind}/installations" for kind in ("inbox", "slack", "templates", "web_push")),
)
