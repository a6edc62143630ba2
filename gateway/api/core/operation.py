"""Operations: the rows of the route table.

A row declares the route, the caller, the handler, the inputs and the responses. It drives routing, decoding, access,
errors and the OpenAPI document. A handler is a method of a resource, a class that holds the stores that its handlers
use. The rows exist without any store. `bind` binds them to a resource when a worker starts.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import Caller, CallT
from gateway.api.core.inputs import NO_BODY, Inputs
from gateway.api.core.query import QueryParam
from gateway.api.core.schema import NO_CONTENT, ResponseSpec
from gateway.domain.admin import Role
from gateway.domain.errors import ErrorCode

R = TypeVar("R")

Handler = Callable[[Any], Awaitable[Response]]
"""Returns the response to a call. The type of the call is that of the operation's caller."""


class Operation(Generic[R]):
    """One row of the route table. The type parameter is the class of its resource.

    - `summary` and the docstring of `handler` describe it in the OpenAPI document.
    - `success` is its response, 204 by default; `failures` are responses besides the errors that follow from the row.
    - `body` and `query` declare what it reads.
    - `idempotent`: whether an `Idempotency-Key` makes it happen once.
    - `tag`: the section of the OpenAPI document, by default that of its caller.
    - `strict`: whether unknown names are refused in every project. The v1 contract lets clients send more than is read,
      so only operations that are not part of it are strict; those under `/v2/` always are.
    - `known_users_only`: whether a user for whom a backend calls, with the API secret in place of an HMAC, must exist
      already. The v1 contract demands it of some operations.
    - `is_live`: whether it is a form of the live connection, which accepts inbox tokens too.
    - `without_credentials`: the error of a request with no credentials. By default it is 401 under `/v2/`, and 404
      elsewhere, as the v1 contract has it.
    - `streams`: whether the response is sent in parts, and may not end by itself.
    - `token_use`: the name by which tokens for this operation alone are accepted, "" if there are none.
    - `role`: the lowest role of an admin who may call it. It applies to operations of admins alone.
    - `confirmed`: whether an admin must have given the password in the last minutes.
    - `audited`: whether a call of an admin leaves an entry in the audit log, although it only reads.
    """

    def __init__(
        self,
        method: str,
        path: str,
        caller: Caller[CallT],
        handler: Callable[[R, CallT], Awaitable[Response]],
        summary: str,
        success: ResponseSpec = NO_CONTENT,
        body: Body = NO_BODY,
        query: tuple[QueryParam, ...] = (),
        *,
        failures: tuple[ResponseSpec, ...] = (),
        idempotent: bool = False,
        tag: str = "",
        strict: bool = False,
        known_users_only: bool = False,
        is_live: bool = False,
        without_credentials: ErrorCode | None = None,
        streams: bool = False,
        token_use: str = "",
        role: Role = Role.VIEWER,
        confirmed: bool = False,
        audited: bool = False,
    ):
        is_v2 = path.startswith("/v2/")
        self.method = method
        self.path = path
        self.caller: Caller[Any] = caller
        self.handler: Callable[[R, Any], Awaitable[Response]] = handler
        self.summary = summary
        self.success = success
        self.failures = failures
        self.inputs = Inputs(body, query, strict or is_v2)
        self.idempotent = idempotent
        self.tag = tag
        self.streams = streams
        self.token_use = token_use
        self.role = role
        self.confirmed = confirmed
        self.audited = audited
        self.known_users_only = known_users_only
        self.is_live = is_live
        self.without_credentials = without_credentials or (
            ErrorCode.API_KEY_NOT_PROVIDED if is_v2 else ErrorCode.NOT_FOUND
        )

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def reads_body(self) -> bool:
        """Whether the operation reads a body."""
        return self.inputs.body is not NO_BODY


AnyOperation: TypeAlias = Operation[Any]
"""A row of any resource."""


class BoundOperation(NamedTuple):
    """An operation and its handler, bound to a resource."""

    row: AnyOperation
    handler: Handler


def bind(resource: R, operations: Sequence[Operation[R]]) -> list[BoundOperation]:
    """Return the operations of a resource with their handlers bound to it."""
    return [BoundOperation(row, partial(row.handler, resource)) for row in operations]
