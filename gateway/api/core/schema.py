"""What operations return, as the OpenAPI document describes it: `Answer`, and the JSON types that resources share.

The store returns items and events as encoded JSON that is never decoded here, so these types describe; they do not
encode. The tests compare every real response with them.
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
    str, Meta(pattern=f"^{POSITION_PATTERN}$", description="A place in the user's event log.", examples=["k3f9.42"])
]


class Errors(msgspec.Struct):
    """What was wrong: an entry for each failing parameter, or one with a stable `code`."""

    errors: list[Problem]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what comes with it: JSON of a type, or another media type, or nothing."""

    status: int
    description: str
    type: Any = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()
    """Names of HEADERS."""


HEADERS: Mapping[str, Mapping[str, Any]] = {
    "X-Inbox-Position": {
        "description": "The list's position: events up to this one are in it. None while the inbox had no event.",
        "schema": {"type": "string", "pattern": f"^{POSITION_PATTERN}$"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "Where it is.", "schema": {"type": "string"}},
}

NO_CONTENT = Answer(204, "Done")
