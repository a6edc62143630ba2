"""Tokens that the gateway issued, of users and of projects: their ids and what is said of them, never themselves."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.domain.guard import UNGUARDED, TokenRevokedError
from gateway.domain.principal import ProjectId, User, UserId
from gateway.store import keys
from gateway.store.errors import TooManyTokensError
from gateway.store.guarded import UserFunctions
from gateway.store.redis.client import Argument, FunctionClient

MAX_TOKENS = 1000
"""Of one user, or of one project, that have not expired. Discarded ones give way, live ones do not."""

MAX_REVOKED = 10_000
"""Discarded tokens of one user that would count still. A megabyte; discarding all at once forgets them."""

REVOKED_MESSAGE = b"!revoked "
REVOKED_BEFORE_MESSAGE = b"!revoked_before "
"""How messages begin that are published in place of an event when tokens are revoked. The id or second follows."""

Owner = User | ProjectId


class Token(NamedTuple):
    """What is kept of a token. Times are unix seconds; `id` is a UUID that sorts by age; no name is ""."""

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


class TokenStore:
    """All tokens. Methods raise StoreUnavailableError, and UserDeletedError for a user that is gone."""

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)

    async def issue(self, owner: Owner, token: Token) -> None:
        """Keep a new token; the same one again changes nothing. Raises TooManyTokensError."""
        if isinstance(owner, User):
            # First the way from the token to its user: without it the token could not be discarded by its id.
            place = keys.token_owner(owner.project_id, token.id)
            await self._client.call("own_token", place, owner.id, token.expires_at)
        arguments = (token.id, token.created_at, token.expires_at, MAX_TOKENS, MAX_REVOKED, token.name)
        if not await self._call(owner, "issue_token", "issue_project_token", *arguments):
            raise TooManyTokensError

    async def page(self, owner: Owner, size: int, after: str | None, before: str | None, now: int) -> TokenPage:
        """List the tokens of an owner that have not expired: right after or before a token id, or the newest."""
        way, cursor = ("after", after) if after else ("before", before) if before else ("", "")
        answer = await self._call(owner, "list_tokens_uncounted", "list_project_tokens", now, size, way, cursor or "")
        has_newer, has_older, *rows = answer
        tokens = [_token(*row) for row in zip(rows[::2], rows[1::2], strict=True)]
        return TokenPage(tokens, bool(has_newer), bool(has_older))

    async def discard(self, owner: Owner, token_id: str, now: int) -> int | None:
        """Have a token count no more, on every node; give when it was discarded, None if there is no such token."""
        answer = await self._call(owner, "discard_token", "discard_project_token", token_id, now)
        return None if answer is None else int(answer)

    async def discard_before(self, user: User, issued_before: int, now: int) -> int:
        """Have no token of a user count that was issued before this second; give the second that holds now."""
        return int(await self._functions.call(user, UNGUARDED, "discard_tokens_before", issued_before, now))

    async def owner(self, project_id: ProjectId, token_id: str) -> UserId | None:
        """Give the user whom a token was issued for."""
        found = await self._client.call("token_owner", keys.token_owner(project_id, token_id))
        return UserId(found.decode(errors="replace")) if found is not None else None

    async def check_project_token(self, project_id: ProjectId, token_id: str, now: int) -> bool:
        """Say whether this project's token was issued here. Raises TokenRevokedError when it was discarded."""
        state = await self._client.call("project_token", keys.project(project_id), token_id, now)
        if state == b"discarded":
            raise TokenRevokedError
        return state is not None

    async def _call(self, owner: Owner, of_user: str, of_project: str, *arguments: Argument) -> Any:
        if isinstance(owner, User):
            return await self._functions.call(owner, UNGUARDED, of_user, *arguments)
        return await self._client.call(of_project, keys.project(owner), *arguments)


def _token(token_id: bytes, packed: bytes) -> Token:
    created, expires, discarded, name = packed.decode(errors="replace").split(" ", 3)
    return Token(token_id.decode(), int(created), int(expires), int(discarded) or None, name)
