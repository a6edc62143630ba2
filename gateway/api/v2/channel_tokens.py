"""Channel tokens: the operations of users and of backends on the tokens of each kind, generated from the kinds."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, USER, Call, Caller, ProjectCall, UserCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, page_response, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response, raw_json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v1.channel_token_events import write_discarded, write_registration
from gateway.api.v1.identity import find_user
from gateway.channels.registry import TOKEN_KINDS
from gateway.channels.token_kind import TokenKind
from gateway.domain.guard import UNGUARDED, Guard
from gateway.domain.objects import Object
from gateway.domain.params import Param
from gateway.domain.principal import User, UserPrincipal
from gateway.domain.times import rfc3339_ms
from gateway.store.channel_tokens import ChannelToken, ChannelTokenStore
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.project_events import ProjectEvents


class DiscardedChannelToken(msgspec.Struct):
    """A token that is no longer used."""

    id: Uuid
    discarded_at: Time


DISCARDED = ResponseSpec(200, "Discarded", DiscardedChannelToken)


@dataclass(frozen=True, slots=True)
class ChannelTokensResource:
    """The operations on channel tokens of all kinds, with the stores that they use."""

    tokens: ChannelTokenStore
    directory: Directory
    events: ProjectEvents
    idempotency: Idempotency
    now: Callable[[], Moment]

    async def save(self, kind: TokenKind, call: UserCall) -> Response:
        """Register the {kind} token of a client for the user.

        A token that another user registered moves to this user. One that the user has discarded is used again. Of more
        than 100 tokens the oldest are discarded.
        """
        body = await call.body()
        values = call.fields(body)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            return await self._register(kind, call, values, planned(plan, int))

        return await self.idempotency.once(call, body, encode(self.now().now_ms), work)

    async def replace(self, kind: TokenKind, call: UserCall) -> Response:
        """Register the {kind} token of a client for the user, as `POST` does."""
        values = call.fields(await call.body())
        return raw_json_response(await self._register(kind, call, values, self.now().now_ms))

    async def list_own(self, kind: TokenKind, call: UserCall) -> Response:
        """Return a page of the user's {kind} tokens, newest first. Discarded ones are left out."""
        return await self._page(kind, call, call.user, call.guard, live_only=True)

    async def get_own(self, kind: TokenKind, call: UserCall) -> Response:
        """Return a {kind} token of the user."""
        token = await self._find(kind, call, call.user, call.guard)
        if token.discarded_ms:
            raise not_found("Token")
        return json_response(described(token))

    async def discard_own(self, kind: TokenKind, call: UserCall) -> Response:
        """Discard a {kind} token of the user. Nothing is sent to it until it is registered again."""
        return await self._discard(kind, call, call.user, call.guard)

    async def list_of_user(self, kind: TokenKind, call: ProjectCall) -> Response:
        """Return a page of the {kind} tokens of a user, newest first, with those that were discarded."""
        return await self._page(kind, call, await self._user(call), UNGUARDED, live_only=False)

    async def get_of_user(self, kind: TokenKind, call: ProjectCall) -> Response:
        """Return a {kind} token of a user, which may be discarded."""
        return json_response(described(await self._find(kind, call, await self._user(call), UNGUARDED)))

    async def discard_of_user(self, kind: TokenKind, call: ProjectCall) -> Response:
        """Discard a {kind} token of a user. Nothing is sent to it until the user registers it again."""
        return await self._discard(kind, call, await self._user(call), UNGUARDED)

    async def _user(self, call: ProjectCall) -> User:
        return await find_user(self.directory, call.project.id, call.text("user_id"))

    async def _register(self, kind: TokenKind, call: UserCall, values: Mapping[str, Any], now_ms: int) -> bytes:
        principal = call.request.principal
        authenticated_by = principal.authenticated_by if isinstance(principal, UserPrincipal) else ""
        done = await self.tokens.register(call.user, kind, values, now_ms, call.guard, authenticated_by)
        await write_registration(self.events, call.user, kind, done)
        return encode(described(done.token))

    async def _page(
        self, kind: TokenKind, call: UserCall | ProjectCall, user: User, guard: Guard, live_only: bool
    ) -> Response:
        page = read_page(call.query())
        found = await self.tokens.page(user, kind, page.size, page.after, page.before, live_only, guard)
        return page_response(call, page, list(map(described, found.tokens)), found.has_newer, found.has_older)

    async def _find(self, kind: TokenKind, call: Call, user: User, guard: Guard) -> ChannelToken:
        token = await self.tokens.get(user, kind, call.uuid("token_id", "Token"), guard)
        if token is None:
            raise not_found("Token")
        return token

    async def _discard(self, kind: TokenKind, call: Call, user: User, guard: Guard) -> Response:
        token_id = call.uuid("token_id", "Token")
        discarded_ms = await self.tokens.discard(user, kind, token_id, self.now().now_ms, guard)
        if discarded_ms is None:
            raise not_found("Token")
        await write_discarded(self.events, user, kind, token_id, "request")
        return json_response({"id": token_id, "discarded_at": _time(discarded_ms)})


def described(token: ChannelToken) -> dict[str, Any]:
    """Return a token as responses have it."""
    return {
        "id": token.id,
        **token.record.fields,
        "created_at": _time(token.created_ms),
        "updated_at": _time(token.updated_ms),
        "discarded_at": _time(token.discarded_ms),
    }


def _time(ms: int) -> str | None:
    return rfc3339_ms(ms) if ms else None


# ---- the rows of a kind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token(Object):
    """The fields of a token, which must identify it."""

    kind: TokenKind

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check the fields, then that they identify a token."""
        faults = len(problems)
        fields = Object.check(self, value, path, problems)
        if len(problems) == faults and self.kind.identity(fields) is None:
            problems.append(self.kind.missing_identity)
        return fields

    def shape(self) -> dict[str, Any]:
        """Return the schema of the fields, without the objects that lack every identity."""
        shape = Object.shape(self)
        if any(all(path in shape.get("required", ()) for path in paths) for paths in self.kind.identities):
            return shape
        lacking = [_joined("anyOf", [_absent(path) for path in paths]) for paths in self.kind.identities]
        return {**shape, "not": _joined("allOf", lacking)}


def _joined(keyword: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {keyword: schemas}


def _absent(path: str) -> dict[str, Any]:
    """Return the schema of the objects that have nothing at a path."""
    name, _, rest = path.partition(".")
    null = {"type": "null"}
    return {"properties": {name: {"anyOf": [null, _absent(rest)]} if rest else null}}


def body_of(kind: TokenKind) -> Body:
    """Return the body with which a token of a kind is registered."""
    param = _Token(required=True, name=f"New{kind.component}Token", fields=kind.fields, kind=kind)
    return Body("", param, example=kind.example)


def response_of(kind: TokenKind) -> type[msgspec.Struct]:
    """Return the type of a token of a kind in responses."""
    fields: list[tuple[str, Any, Any]] = [("id", Uuid, ...), ("created_at", Time, ...)]
    for name, param in kind.fields.items():
        shown = Annotated[Any, Meta(extra_json_schema=_shown_schema(param))]
        fields.append((name, shown, ...) if param.required else (name, shown | UnsetType, UNSET))
    fields += [("updated_at", Time | None, None), ("discarded_at", Time | None, None)]
    required_first = sorted(fields, key=lambda field: field[2] is not ...)
    described = [field[:2] if field[2] is ... else field for field in required_first]
    text = f"A {kind.title} token of a user."
    return msgspec.defstruct(f"{kind.component}Token", described, namespace={"__doc__": text}, module=__name__)


def _shown_schema(param: Param) -> dict[str, Any]:
    """Return the schema of a stored value. Tokens that v1 stored need not keep the limits of v2."""
    description = {"description": param.description} if param.description else {}
    return {**_without_limits(param.shape()), **description}


def _without_limits(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    limits = ("minLength", "maxLength", "pattern")
    return {name: _without_limits(value) for name, value in schema.items() if name not in limits}


CallT = TypeVar("CallT", bound=Call)

_Handler = Callable[[ChannelTokensResource, TokenKind, CallT], Awaitable[Response]]


def operations_of(kind: TokenKind) -> Iterator[Operation[ChannelTokensResource]]:
    """Yield the rows of one kind."""
    own, of_user = f"/v2/channels/{kind.path}/tokens", f"/v2/users/{{user_id}}/channels/{kind.path}/tokens"
    token, body, resource, title = response_of(kind), body_of(kind), ChannelTokensResource, f"{kind.title} token"
    listing = msgspec.defstruct(
        f"{kind.component}TokenList",
        [("data", list[token]), ("links", Links)],  # type: ignore[valid-type] # a type made at run time
        namespace={"__doc__": f"A page of {kind.title} tokens, newest first."},
        module=__name__,
    )
    one, page, created = (
        ResponseSpec(200, "The token", token),
        ResponseSpec(200, "A page", listing),
        ResponseSpec(201, "Saved", token),
    )

    def row(
        method: str,
        path: str,
        caller: Caller[CallT],
        handler: _Handler[CallT],
        summary: str,
        success: ResponseSpec,
        **more: Any,
    ) -> Operation[ChannelTokensResource]:
        async def of_kind(resource: ChannelTokensResource, call: CallT) -> Response:
            return await handler(resource, kind, call)

        of_kind.__doc__ = (handler.__doc__ or "").replace("{kind}", kind.title)
        return Operation(method, path, caller, of_kind, summary.format(title), success, **more)

    yield row("GET", own, USER, resource.list_own, "List your {}s", page, query=PAGING)
    yield row("POST", own, USER, resource.save, "Save your {}", created, body=body, idempotent=True)
    yield row("PUT", own, USER, resource.replace, "Save your {} again", one, body=body)
    yield row("GET", f"{own}/{{token_id}}", USER, resource.get_own, "Fetch your {}", one)
    yield row("DELETE", f"{own}/{{token_id}}", USER, resource.discard_own, "Discard your {}", DISCARDED)
    yield row("GET", of_user, PROJECT, resource.list_of_user, "List a user's {}s", page, query=PAGING)
    yield row("GET", f"{of_user}/{{token_id}}", PROJECT, resource.get_of_user, "Fetch a user's {}", one)
    yield row("DELETE", f"{of_user}/{{token_id}}", PROJECT, resource.discard_of_user, "Discard a user's {}", DISCARDED)


OPERATIONS = [row for kind in TOKEN_KINDS if kind.offered for row in operations_of(kind)]
