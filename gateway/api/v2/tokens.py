"""Tokens: issuing, listing and discarding those of users and of projects, and the keys that customers sign with."""

import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.idempotency import once, planned
from gateway.api.core.operation import Call, Operation, Scope, encode, json_response
from gateway.api.core.paging import PAGING, Links, links, read_page
from gateway.api.core.params import Anything, Array, Body, Integer, Object, Text
from gateway.api.core.schema import Answer, Seconds, Time, Uuid
from gateway.api.v1.identity import NAMES, NamedUser
from gateway.api.v1.users import find_user
from gateway.auth.jwks import MAX_KEYS, read_keys
from gateway.auth.tokens import issued_token
from gateway.domain.errors import ErrorCode, api_error, invalid
from gateway.domain.guard import UserDeletedError
from gateway.domain.principal import Identity, Project, User, UserId, normalize_email
from gateway.domain.signing import PublicKey
from gateway.store.errors import IdentityConflictError, TooManyTokensError
from gateway.store.redis.problems import decoding
from gateway.store.tokens import Owner, Token

DEFAULT_EXPIRY_SECONDS = 365 * 24 * 3600
MAX_EXPIRY_SECONDS = 10 * DEFAULT_EXPIRY_SECONDS
"""Ours: v2 names neither. Who needs a token for longer needs a secret."""

_EXPIRY = Integer(
    least=1,
    most=MAX_EXPIRY_SECONDS,
    description=f"Seconds that the token counts; {DEFAULT_EXPIRY_SECONDS} (a year) unless said.",
)
_NAME = "What the token is for, to find it in the list."

USER_TOKEN = Body(
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
"""What `POST /v2/jwt/user` takes."""

PROJECT_TOKEN = Body(
    "",
    Object(
        required=True,
        name="NewProjectToken",
        fields={"expiry": _EXPIRY, "name": Text(required=True, max_length=255, description=_NAME)},
    ),
    example={"name": "Billing service", "expiry": 86400},
    refusals=(ErrorCode.TOO_MANY_TOKENS,),
)
"""What `POST /v2/jwt/project` takes."""

REVOCATION = Body(
    "",
    Object(
        required=True,
        name="TokenRevocation",
        fields={
            "issued_before": Integer(
                least=0,
                most=2**53,
                description="Unix seconds, not in the future; unless said, the end of this very second.",
            )
        },
    ),
    example={},
)
"""What `POST /users/{user}/revoke_tokens` takes."""

KEYS = Body(
    "",
    Object(
        required=True,
        name="NewPublicKeys",
        fields={
            "keys": Array(
                required=True,
                max_items=MAX_KEYS,
                item=Anything(
                    description="A public JWK (RFC 7517; RSA of 2048 bits or more, or EC on P-256), "
                    'or {"pem": "-----BEGIN PUBLIC KEY-----…", "kid": "…"}.'
                ),
            )
        },
    ),
    example={
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "kid": "2025-01",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            }
        ]
    },
)
"""What `PUT /v2/jwt/keys` takes; the key of the example is that of RFC 7517, A.1."""


class IssuedToken(msgspec.Struct):
    """A token, which is shown this once."""

    token: str
    token_id: Uuid
    created_at: Time
    expires_at: Time


class TokenDescription(msgspec.Struct):
    """What is kept of a token."""

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
    """A token that does not count any more."""

    token_id: Uuid
    discarded_at: Time


class RevokedTokens(msgspec.Struct):
    """No token of this user counts that was issued before."""

    issued_before: Seconds


class PublicJwk(msgspec.Struct):
    """A public key (RFC 7517): RSA has `n` and `e`, EC has `crv`, `x` and `y`."""

    kid: str
    use: Literal["sig"]
    alg: Literal["RS256", "ES256"]
    kty: Literal["RSA", "EC"]
    n: str | UnsetType = UNSET
    e: str | UnsetType = UNSET
    crv: Literal["P-256"] | UnsetType = UNSET
    x: str | UnsetType = UNSET
    y: str | UnsetType = UNSET


class PublicJwks(msgspec.Struct):
    """All public keys of a project."""

    keys: list[PublicJwk]


ISSUED = Answer(201, "The token", IssuedToken)
TOKENS = Answer(200, "A page", TokenList)
DISCARDED = Answer(200, "Discarded", DiscardedToken)
REVOKED = Answer(200, "Revoked", RevokedTokens)
PUBLIC_KEYS = Answer(200, "The keys", PublicJwks)


class _Issued(msgspec.Struct):
    """What is kept of an issue for repetitions of the request: all but the token, which is signed anew each time."""

    token: Token
    user: tuple[str, str | None, str | None] | None = None


async def issue_for_user(call: Call) -> Response:
    """Issue a token for a user, who is created if unknown. It is shown once and not stored.

    With an `Idempotency-Key` a repetition of the request gets the same token.
    """
    body = await call.body()
    values = call.fields(body)
    email = values["email"]
    identity = Identity(values["external_id"] or None, normalize_email(email) if email else None)

    async def run(plan: bytes, remember: bool) -> bytes:
        try:
            user = await call.services.directory.resolve(call.project.id, identity)
        except IdentityConflictError:
            raise invalid("The body has the external_id of one user and the email of another") from None
        token = await _issue(call, user, plan)
        return encode(_Issued(token, (user.id, user.external_id, user.email)))

    return await once(call, body, _plan(values), run, shown=lambda kept: _shown(call.project, kept))


async def issue_for_project(call: Call) -> Response:
    """Issue a token that replaces the project's API secret in calls, but cannot sign. It is shown once.

    With an `Idempotency-Key` a repetition of the request gets the same token.
    """
    body = await call.body()
    values = call.fields(body)

    async def run(plan: bytes, remember: bool) -> bytes:
        return encode(_Issued(await _issue(call, call.project.id, plan)))

    return await once(call, body, _plan(values), run, shown=lambda kept: _shown(call.project, kept))


async def list_of_user(call: Call) -> Response:
    """List the tokens issued for a user that have not expired, newest first.

    The user is named by id, `external_id:…` or `email:…`.
    """
    return await _list(call, await find_user(call, "user_or_token"))


async def list_of_project(call: Call) -> Response:
    """List the project's tokens that have not expired, newest first."""
    return await _list(call, call.project.id)


async def discard_of_user(call: Call) -> Response:
    """Discard a user's token by its id: it is refused from now on, and its connections are closed."""
    token_id = _token_id(call.text("user_or_token"))
    user_id = await call.services.tokens.owner(call.project.id, token_id)
    if user_id is None:
        raise _no_such_token()
    try:
        return await _discard(call, User(call.project.id, user_id, None, None), token_id)
    except UserDeletedError:
        raise _no_such_token() from None  # its token went with the user


async def discard_of_project(call: Call) -> Response:
    """Discard a project's token: it is refused from now on."""
    return await _discard(call, call.project.id, _token_id(call.text("token_id")))


async def revoke_of_user(call: Call) -> Response:
    """Revoke all tokens of a user that were issued before a moment, whoever signed them, and close their connections.

    A token without `iat` is older than any moment. HMACs are not tokens: they are valid as long as the API secret is.
    """
    values = call.fields(await call.body() or b"{}")
    now = int(time.time())
    before = values["issued_before"]
    if before is not None and before > now + 1:
        raise invalid("Param 'issued_before' must not be in the future")
    user = await find_user(call)
    holds = await call.services.tokens.discard_before(user, now + 1 if before is None else before, now)
    return json_response({"issued_before": holds})


async def list_keys(call: Call) -> Response:
    """List the public keys that sign tokens of the project's users."""
    # Past the cache: who has just put keys sees them, whichever node answers.
    projects = await call.services.authenticator.projects([call.project.api_key])
    found = projects[call.project.api_key] or call.project
    return _keys(found.public_keys)


async def put_keys(call: Call) -> Response:
    """Replace the public keys that sign tokens of the project's users.

    Connections that a key proved which is left out are closed. `kid` is the RFC 7638 thumbprint where none is given.
    """
    values = call.fields(await call.body())
    problems: list[str] = []
    keys = read_keys(values["keys"], "keys", problems)
    if problems:
        raise invalid(*problems)
    project = await call.services.projects.set_keys(call.project.api_key, keys)
    if project is None:
        raise api_error(ErrorCode.INCORRECT_API_KEY)
    return _keys(project.public_keys)


def rfc3339(unix: int) -> str:
    """Write unix seconds as v2 writes times."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _new_id(now_ms: int) -> str:
    """Make a UUID that sorts by time (RFC 9562, version 7)."""
    random = secrets.randbits(74)
    value = now_ms << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(UUID(int=value))


def _plan(values: Mapping[str, Any]) -> bytes:
    now_ms = int(time.time() * 1000)
    expires_at = now_ms // 1000 + (values["expiry"] or DEFAULT_EXPIRY_SECONDS)
    return encode(Token(_new_id(now_ms), now_ms // 1000, expires_at, None, values["name"] or ""))


async def _issue(call: Call, owner: Owner, plan: bytes) -> Token:
    token = planned(plan, Token)
    try:
        await call.services.tokens.issue(owner, token)
    except TooManyTokensError:
        raise api_error(ErrorCode.TOO_MANY_TOKENS) from None
    return token


def _shown(project: Project, kept: bytes) -> bytes:
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


async def _list(call: Call, owner: Owner) -> Response:
    page = read_page(call.query())
    found = await call.services.tokens.page(owner, page.size, page.after, page.before, int(time.time()))
    first = found.tokens[0].id if found.tokens else None
    last = found.tokens[-1].id if found.tokens else None
    return json_response(
        {
            "data": [_described(token) for token in found.tokens],
            "links": links(
                call.forwarded.prefix + call.request.scope["path"],
                page.size,
                first if found.has_newer else None,
                last if found.has_older else None,
            ),
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


async def _discard(call: Call, owner: Owner, token_id: str) -> Response:
    discarded_at = await call.services.tokens.discard(owner, token_id, int(time.time()))
    if discarded_at is None:
        raise _no_such_token()
    return json_response({"token_id": token_id, "discarded_at": rfc3339(discarded_at)})


def _keys(public_keys: tuple[PublicKey, ...]) -> Response:
    return json_response({"keys": [key.jwk for key in public_keys]})


def _token_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise _no_such_token() from None


def _no_such_token() -> Exception:
    return api_error(ErrorCode.NOT_FOUND, "Token not found")


OPERATIONS = [
    Operation(
        "POST",
        "/users/{user}/revoke_tokens",
        Scope.ADMIN,
        revoke_of_user,
        "Revoke a user's tokens",
        REVOKED,
        REVOCATION,
        own=True,
    ),
    Operation(
        "POST",
        "/v2/jwt/user",
        Scope.ADMIN,
        issue_for_user,
        "Issue a user's token",
        ISSUED,
        USER_TOKEN,
        idempotent=True,
    ),
    Operation(
        "GET", "/v2/jwt/user/{user_or_token}", Scope.ADMIN, list_of_user, "List a user's tokens", TOKENS, query=PAGING
    ),
    Operation(
        "DELETE", "/v2/jwt/user/{user_or_token}", Scope.ADMIN, discard_of_user, "Discard a user's token", DISCARDED
    ),
    Operation(
        "POST",
        "/v2/jwt/project",
        Scope.ADMIN,
        issue_for_project,
        "Issue a project's token",
        ISSUED,
        PROJECT_TOKEN,
        idempotent=True,
    ),
    Operation(
        "GET", "/v2/jwt/project", Scope.ADMIN, list_of_project, "List the project's tokens", TOKENS, query=PAGING
    ),
    Operation(
        "DELETE", "/v2/jwt/project/{token_id}", Scope.ADMIN, discard_of_project, "Discard a project's token", DISCARDED
    ),
    Operation("GET", "/v2/jwt/keys", Scope.ADMIN, list_keys, "List public keys", PUBLIC_KEYS),
    Operation("PUT", "/v2/jwt/keys", Scope.ADMIN, put_keys, "Replace public keys", PUBLIC_KEYS, KEYS),
]
