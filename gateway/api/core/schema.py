"""The responses of operations, as the OpenAPI document describes them: `ResponseSpec`, and types that resources share.

Items and events come from the store as encoded JSON and are not decoded. So these types describe responses; they do
not encode them. The tests compare every real response with its type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from gateway.domain.errors import Problem
from gateway.domain.event import POSITION_PATTERN

Uuid: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Seconds: TypeAlias = Annotated[int, Meta(description="Unix seconds.")]
Time: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Hash: TypeAlias = Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": True})]
Place: TypeAlias = Annotated[
    str, Meta(pattern=f"^{POSITION_PATTERN}$", description="A position in the user's event log.", examples=["k3f9.42"])
]


class Errors(msgspec.Struct):
    """Why a request failed: an entry for each invalid parameter, or one entry with a stable `code`."""

    errors: list[Problem]


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """A response that an operation may return: JSON of a type, another media type, or no body."""

    status: int
    description: str
    type: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()
    """Names of HEADERS."""

    @property
    def has_body(self) -> bool:
        """Whether the response has a body. A 204 has none, and neither has one of 3xx here: it leads elsewhere."""
        return self.status != 204 and not 300 <= self.status < 400


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Inbox-Position": {
        "description": "The position of the inbox: the list, or the change, is included in the state after this event. "
        "Absent while the inbox has had no event.",
        "schema": {"type": "string", "pattern": f"^{POSITION_PATTERN}$"},
    },
    "Location": {"description": "Where the browser goes on.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer", "minimum": 0},
    },
}

NO_CONTENT = ResponseSpec(204, "Done")
