"""Tokens that the gateway issues: users' tokens, and projects' tokens, which replace the API secret in calls.

A token is a JWT. It is signed for the response and not stored. Its id, its times and its name are stored.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, page_response, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.api.v1.identity import NAMES, NamedUser, find_user, names_of
from gateway.auth.tokens import issued_token
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.guard import UserDeletedError
from gateway.domain.ids import UserId
from gateway.domain.objects import Object
from gateway.domain.params import Integer, Text
from gateway.domain.principal import Identity, Project, User
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.times import rfc3339
from gateway.runtime.random_ids import uuid_of_time
from gateway.store.directory import Directory
from gateway.store.errors import IdentityConflictError, TooManyTokensError
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import decoding
from gateway.store.tokens import Owner, Token, TokenStore

DEFAULT_EXPIRY_SECONDS = 365 * 24 * 3600
MAX_EXPIRY_SECONDS = 10 * DEFAULT_EXPIRY_SECONDS
"""These limits are our own, since v2 specifies neither. The API secret is the credential that does not expire."""

_EXPIRY = Integer(
    least=1,
    most=MAX_EXPIRY_SECONDS,
    description=f"For how many seconds the token is valid, by default {DEFAULT_EXPIRY_SECONDS} (a year).",
)
_NAME = "What the token is for; lists show it."

NEW_USER_TOKEN = Body(
    "",
    NamedUser(
        required=True,
        name="NewUserToken",
        description="`external_id`, `email` or both are needed.",
        fields={**NAMES, "expiry": _EXPIRY, "name": Text(max_length=255, description=_NAME)},
    ),
    example={"external_id": "ada", "expiry": 3600, "name": "Ada's phone"},
    refusals=(ErrorCode.TOO_MANY_TOKENS,),
)

NEW_PROJECT_TOKEN = Body(
    "",
    Object(
        required=True,
        name="NewProjectToken",
        fields={"expiry": _EXPIRY, "name": Text(required=True, max_length=255, description=_NAME)},
    ),
    example={"name": "Billing service", "expiry": 86400},
    refusals=(ErrorCode.TOO_MANY_TOKENS,),
)


class IssuedToken(msgspec.Struct):
    """A new token. No other response contains it."""

    token: str
    token_id: Uuid
    created_at: Time
    expires_at: Time


class TokenDescription(msgspec.Struct):
    """A token as it is listed."""

    id: Uuid
    created_at: Time
    expires_at: Time
    name: str | UnsetType = UNSET
    discarded_at: Time | UnsetType = UNSET


class TokenList(msgspec.Struct):
    """A page of tokens, newest first."""

    data: list[TokenDescription]
    links: Links


class DiscardedToken(msgspec.Struct):
    """A token that is no longer accepted."""

    token_id: Uuid
    discarded_at: Time


ISSUED = ResponseSpec(201, "The token", IssuedToken)
TOKENS = ResponseSpec(200, "A page", TokenList)
DISCARDED = ResponseSpec(200, "Discarded", DiscardedToken)


class _Issued(msgspec.Struct):
    """What the idempotency record stores of a new token: everything but the JWT, which is signed again each time."""

    token: Token
    user: tuple[str, str | None, str | None] | None = None


@dataclass(frozen=True, slots=True)
class TokensResource:
    """The operations on tokens, with the stores that they use."""

    tokens: TokenStore
    directory: Directory
    idempotency: Idempotency
    events: ProjectEvents

    async def issue_for_user(self, call: ProjectCall) -> Response:
        """Issue a token for a user, who is created if unknown. The token is not stored, and not shown again.

        A repetition of the request with the same `Idempotency-Key` returns the same token.
        """
        body = await call.body()
        values = call.fields(body)
        identity = Identity(*names_of(values))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            try:
                user = await self.directory.resolve(call.project.id, identity)
            except IdentityConflictError:
                raise invalid("The body has the external_id of one user and the email of another") from None
            token = await self._issue(user, plan)
            return encode(_Issued(token, (user.id, user.external_id, user.email)))

        return await self.idempotency.once(
            call, body, _plan(values), work, shown=lambda kept: _shown(call.project, kept)
        )

    async def issue_for_project(self, call: ProjectCall) -> Response:
        """Issue a token for the project's backend. It replaces the API key and secret in calls, and cannot sign tokens.

        The token is not stored, and not shown again. A repetition of the request with the same `Idempotency-Key`
        returns the same token.
        """
        body = await call.body()
        values = call.fields(body)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            return encode(_Issued(await self._issue(call.project.id, plan)))

        return await self.idempotency.once(
            call, body, _plan(values), work, shown=lambda kept: _shown(call.project, kept)
        )

    async def list_of_user(self, call: ProjectCall) -> Response:
        """Return a page of the unexpired tokens that were issued for a user, newest first.

        The path names the user by id, or as `external_id:…` or `email:…`.
        """
        user = await find_user(self.directory, call.project.id, call.text("user_or_token"))
        return await self._page(call, user)

    async def list_of_project(self, call: ProjectCall) -> Response:
        """Return a page of the project's unexpired tokens, newest first."""
        return await self._page(call, call.project.id)

    async def discard_of_user(self, call: ProjectCall) -> Response:
        """Discard a user's token by its id. It is refused from now on, and its live connections are closed."""
        token_id = str(call.uuid("user_or_token", "Token"))
        user_id = await self.tokens.owner(call.project.id, token_id)
        if user_id is None:
            raise not_found("Token")
        try:
            return await self._discard(User(call.project.id, user_id, None, None), token_id)
        except UserDeletedError:
            raise not_found("Token") from None  # the token was deleted with the user

    async def discard_of_project(self, call: ProjectCall) -> Response:
        """Discard a project's token by its id. It is refused from now on."""
        return await self._discard(call.project.id, str(call.uuid("token_id", "Token")))

    async def _issue(self, owner: Owner, plan: bytes) -> Token:
        token = planned(plan, Token)
        try:
            token = await self.tokens.issue(owner, token)
        except TooManyTokensError:
            raise api_error(ErrorCode.TOO_MANY_TOKENS) from None
        await self._write(ProjectEventType.JWT_ISSUED, owner, token.id)
        return token

    async def _page(self, call: ProjectCall, owner: Owner) -> Response:
        page = read_page(call.query())
        found = await self.tokens.page(owner, page.size, page.after, page.before, int(time.time()))
        return page_response(call, page, list(map(_described, found.tokens)), found.has_newer, found.has_older)

    async def _discard(self, owner: Owner, token_id: str) -> Response:
        discarded_at = await self.tokens.discard(owner, token_id, int(time.time()))
        if discarded_at is None:
            raise not_found("Token")
        await self._write(ProjectEventType.JWT_REVOKED, owner, token_id)
        return json_response({"token_id": token_id, "discarded_at": rfc3339(discarded_at)})

    async def _write(self, kind: ProjectEventType, owner: Owner, token_id: str) -> None:
        if isinstance(owner, User):
            event = ProjectEvent(kind, owner.id, {"token_id": token_id, "scope": "user"})
            await self.events.write(owner.project_id, event)
        else:
            await self.events.write(owner, ProjectEvent(kind, None, {"token_id": token_id, "scope": "project"}))


def _plan(values: Mapping[str, Any]) -> bytes:
    now_ms = int(time.time() * 1000)
    expires_at = now_ms // 1000 + (values["expiry"] or DEFAULT_EXPIRY_SECONDS)
    return encode(Token(uuid_of_time(now_ms), now_ms // 1000, expires_at, None, values["name"] or ""))


def _shown(project: Project, kept: bytes) -> bytes:
    """Return the body of the response that has a new token."""
    with decoding("an idempotency record"):
        issued = msgspec.json.decode(kept, type=_Issued, strict=False)
    token = issued.token
    user = None
    if issued.user is not None:
        user_id, external_id, email = issued.user
        user = User(project.id, UserId(user_id), external_id, email)
    return encode(
        {
            "token": issued_token(project, user, token),
            "token_id": token.id,
            "created_at": rfc3339(token.created_at),
            "expires_at": rfc3339(token.expires_at),
        }
    )


def _described(token: Token) -> dict[str, str]:
    described = {
        "id": token.id,
        "created_at": rfc3339(token.created_at),
        "expires_at": rfc3339(token.expires_at),
    }
    if token.name:
        described["name"] = token.name
    if token.discarded_at is not None:
        described["discarded_at"] = rfc3339(token.discarded_at)
    return described


_OF_USER = "/v2/jwt/user/{user_or_token}"
_R = TokensResource

OPERATIONS = [
    Operation(
        "POST",
        "/v2/jwt/user",
        PROJECT,
        _R.issue_for_user,
        "Issue a user's token",
        ISSUED,
        NEW_USER_TOKEN,
        idempotent=True,
    ),
    Operation("GET", _OF_USER, PROJECT, _R.list_of_user, "List a user's tokens", TOKENS, query=PAGING),
    Operation("DELETE", _OF_USER, PROJECT, _R.discard_of_user, "Discard a user's token", DISCARDED),
    Operation(
        "POST",
        "/v2/jwt/project",
        PROJECT,
        _R.issue_for_project,
        "Issue a project's token",
        ISSUED,
        NEW_PROJECT_TOKEN,
        idempotent=True,
    ),
    Operation("GET", "/v2/jwt/project", PROJECT, _R.list_of_project, "List the project's tokens", TOKENS, query=PAGING),
    Operation(
        "DELETE",
        "/v2/jwt/project/{token_id}",
        PROJECT,
        _R.discard_of_project,
        "Discard a project's token",
        DISCARDED,
    ),
]
