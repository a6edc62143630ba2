"""The resources of the v2 contract that this version does not have. A resource that is built moves to its own file."""

from gateway.api.core.unbuilt import not_built

OPERATIONS = not_built(
    *(
        f"{method} /v2/{resource}{rest}"
        for resource in ("integrations", "users")
        for rest in ("", "/{path:path}")
        for method in ("GET", "POST", "PUT", "DELETE")
    )
)
