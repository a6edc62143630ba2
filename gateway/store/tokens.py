"""Tokens that the gateway issued to users and projects: their ids, times and names, never the tokens themselves."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.domain.guard import UNGUARDED, TokenRevokedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.errors import TooManyTokensError
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    nothing,
    optional_bytes,
    optional_int,
    reading_function,
    untouched,
    user_function,
    user_reading_function,
    writing_function,
)

MAX_TOKENS = 1000
"""The maximum number of unexpired tokens of a user or project. Discarded ones are removed to make room."""

MAX_REVOKED = 10_000
"""The maximum number of discarded, unexpired tokens of a user: a megabyte. `discard_before` removes them."""

REVOKED_MESSAGE = b"!revoked "
REVOKED_BEFORE_MESSAGE = b"!revoked_before "
"""The beginnings of messages that are published instead of an event when tokens are revoked. The token's id follows, or
the second before which tokens are not accepted."""

Owner = User | ProjectId


class Token(NamedTuple):
    """The stored data of a token. Times are unix seconds, `id` is a UUID that sorts by age, and `name` may be ""."""

    id: str
    created_at: int
    expires_at: int
    discarded_at: int | None
    name: str


class TokenPage(NamedTuple):
    """A page of tokens, newest first, and whether there are newer and older ones."""

    tokens: Sequence[Token]
    has_newer: bool
    has_older: bool


def _own(user_id: str, expires: int) -> Arguments:
    return (user_id, expires)


def _issue(token_id: str, now: int, expires: int, name: str) -> Arguments:
    return (token_id, now, expires, MAX_TOKENS, MAX_REVOKED, name)


def _list(now: int, size: int, way: str, cursor: str) -> Arguments:
    return (now, size, way, cursor)


def _token_at(token_id: str, now: int) -> Arguments:
    return (token_id, now)


def _discard_before(issued_before: int, now: int) -> Arguments:
    return (issued_before, now)


OWN_TOKEN = writing_function("own_token", "token owner", _own, nothing)
TOKEN_OWNER = reading_function("token_owner", "token owner", no_arguments, optional_bytes)
ISSUE_TOKEN = user_function("issue_token", _issue, int)
ISSUE_PROJECT_TOKEN = writing_function("issue_project_token", "project", _issue, int)
LIST_TOKENS = user_reading_function("list_tokens", _list, untouched)
LIST_PROJECT_TOKENS = reading_function("list_project_tokens", "project", _list, untouched)
DISCARD_TOKEN = user_function("discard_token", _token_at, optional_int, frees_memory=True)
DISCARD_PROJECT_TOKEN = writing_function("discard_project_token", "project", _token_at, optional_int, frees_memory=True)
DISCARD_TOKENS_BEFORE = user_function("discard_tokens_before", _discard_before, int, frees_memory=True)
PROJECT_TOKEN = reading_function("project_token", "project", _token_at, optional_bytes)


class TokenStore:
    """All issued tokens. Methods raise StoreUnavailableError, and UserDeletedError for a deleted user."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def issue(self, owner: Owner, token: Token) -> Token:
        """Store a new token, and return it with the second of its issue. Storing it again changes nothing.

        In the second in which the user's tokens were revoked, that is the next second. Raises TooManyTokensError.
        """
        if isinstance(owner, User):
            # The user of the token is stored first. Without it, the token could not be discarded by its id.
            place = keys.token_owner(owner.project_id, token.id)
            await self._client.call(OWN_TOKEN(place, owner.id, token.expires_at))
            call = ISSUE_TOKEN(token.id, now=token.created_at, expires=token.expires_at, name=token.name)
            created_at = await self._functions.call(owner, UNGUARDED, call)
        else:
            key = keys.project(owner)
            created_at = await self._client.call(
                ISSUE_PROJECT_TOKEN(key, token.id, now=token.created_at, expires=token.expires_at, name=token.name)
            )
        if not created_at:
            raise TooManyTokensError
        return token._replace(created_at=created_at)

    async def page(self, owner: Owner, size: int, after: str | None, before: str | None, now: int) -> TokenPage:
        """Return a page of an owner's unexpired tokens: those directly after or before a token id, or the newest."""
        way, cursor = ("after", after) if after else ("before", before) if before else ("", "")
        if isinstance(owner, User):
            reply = await self._functions.read(owner, UNGUARDED, LIST_TOKENS(now, size, way, cursor or ""))
        else:
            reply = await self._client.call(LIST_PROJECT_TOKENS(keys.project(owner), now, size, way, cursor or ""))
        has_newer, has_older, *rows = reply
        tokens = [_token(*row) for row in zip(rows[::2], rows[1::2], strict=True)]
        return TokenPage(tokens, bool(has_newer), bool(has_older))

    async def discard(self, owner: Owner, token_id: str, now: int) -> int | None:
        """Revoke a token on every node. Return when it was discarded, in unix seconds, None if it does not exist."""
        if isinstance(owner, User):
            return await self._functions.call(owner, UNGUARDED, DISCARD_TOKEN(token_id, now))
        return await self._client.call(DISCARD_PROJECT_TOKEN(keys.project(owner), token_id, now))

    async def discard_before(self, user: User, issued_before: int, now: int) -> int:
        """Revoke a user's tokens that were issued before a unix second. Return the second that applies from now on."""
        return await self._functions.call(user, UNGUARDED, DISCARD_TOKENS_BEFORE(issued_before, now))

    async def owner(self, project_id: ProjectId, token_id: str) -> UserId | None:
        """Return the user to whom a token was issued, None if there is no such token."""
        found = await self._client.call(TOKEN_OWNER(keys.token_owner(project_id, token_id)))
        return UserId(found.decode(errors="replace")) if found is not None else None

    async def check_project_token(self, project_id: ProjectId, token_id: str, now: int) -> bool:
        """Return whether a project's token was issued here. Raises TokenRevokedError if it was discarded."""
        state = await self._client.call(PROJECT_TOKEN(keys.project(project_id), token_id, now))
        if state == b"discarded":
            raise TokenRevokedError
        return state is not None


def _token(token_id: bytes, packed: bytes) -> Token:
    created, expires, discarded, name = packed.decode(errors="replace").split(" ", 3)
    return Token(token_id.decode(), int(created), int(expires), int(discarded) or None, name)
