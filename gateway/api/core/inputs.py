"""What an operation reads from a request: its body and its query parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.api.core.body import Body
from gateway.api.core.query import QueryParam, read_query
from gateway.domain.objects import Object

IGNORED_BODY_BYTES = 16 * 1024
"""The largest body that an operation without a body ignores: some clients send `null` or `{}` where none is needed."""

NO_BODY = Body("", Object(), example={}, max_bytes=IGNORED_BODY_BYTES)
"""The body of an operation that reads none. A small one is accepted and ignored."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The declared inputs of an operation."""

    body: Body
    query: tuple[QueryParam, ...]
    strict: bool
    """Whether names that are not declared are refused even if the project is not strict."""

    known_query: frozenset[str] = field(init=False)
    """The names of the query parameters."""

    empty_query: Mapping[str, Any] = field(init=False)
    """The values of the query parameters of a request without a query: none of them is required."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_query", frozenset(name for param in self.query for name in param.names))
        object.__setattr__(self, "empty_query", read_query((), self.query))
