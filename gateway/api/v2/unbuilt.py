"""The resources of v2 that are not built yet. One that is built leaves this list for a file of its own."""

from gateway.api.core.unbuilt import not_built

OPERATIONS = not_built(
    *(
        f"{method} /v2/{resource}{rest}"
        for resource in ("broadcasts", "channels", "events", "integrations", "users")
        for rest in ("", "/{path:path}")
        for method in ("GET", "POST", "PUT", "DELETE")
    )
)
