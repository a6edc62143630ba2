"""Channel tokens: where users receive notifications, such as app installations, browsers and chat rooms.

A token belongs to the user that registered it last, such as the next user of a shared phone. Its record lies in the
slot of its user, so that a sender of push notifications reads a single slot. The project's slot has the holders of each
token: the users that may have such a record. A registration takes four steps:

    claim     in the project's slot, the user becomes the owner, in front of all other holders
    remove    in the slots of the other holders, their records are removed
    put       in the user's slot, the record is written
    confirm   in the project's slot, the user becomes the only holder

So the project's slot always lists every user that may hold a token, and the next registration removes the token from
all others. After a crash that follows `remove`, no user holds the token until it is registered again. If two users
register at once, the later claim wins: a user that is no longer the owner at `confirm` removes its own record. Claims
are numbered, so that a late `remove` does not remove a later registration.

A discarded token stays with its user, until another user registers it or there are too many. The same token is named by
a digest of its kind and identity in both slots. Its id is that digest after the time at which it was created, so that
ids sort by age.

Gateways before channel tokens stored devices, in another form (`former_devices.py`). A user's devices are converted
before the first operation on the tokens of that user, by registering each as the token that it is.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from gateway.channels import inbox
from gateway.channels.token_kind import TokenKind
from gateway.domain.guard import UNGUARDED, Guard, UserDeletedError
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import User
from gateway.store import keys
from gateway.store.former_devices import READ_FORMER_DEVICES, former_device, former_token
from gateway.store.guarded import USE, UserFunctions, unwrapped
from gateway.store.integrations import CONTROL_INTEGRATION
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    UserCall,
    nothing,
    optional_bytes,
    reading_function,
    untouched,
    user_function,
    user_reading_function,
    writing_function,
)
from gateway.store.redis.problems import StoreDataError, decoding

MAX_LIVE = 100
"""The maximum number of live tokens of a kind and user. Apps change tokens and seldom discard old ones. The oldest are
discarded."""

MAX_DISCARDED = 100
"""The number of discarded tokens of a kind and user that a registration leaves."""

ANY_CLAIM = 2**53
"""A claim that is later than any claim of a token."""

_FORMER_DEVICES = b"former devices"

_MAX_CONVERSIONS = 10
"""A gateway of before channel tokens may store further devices meanwhile, but not for ever."""

_SHOWN_CHARACTERS = 4

_INBOX_PREFIX = "in_app:"
"""Tells inbox tokens from JWTs where a connection's token is checked. The Lua functions know it too."""


class TokenRecord(msgspec.Struct, omit_defaults=True, frozen=True):
    """What is stored of a token besides its times: its fields, without those that are absent.

    Of a credential there is a digest, and `authenticated_by`, the id of the credential with which it was registered.
    """

    fields: dict[str, Any]
    digest: str = ""
    authenticated_by: str = ""


class ChannelToken(NamedTuple):
    """A token as it is stored. The times are unix milliseconds, 0 for never."""

    id: UUID
    record: TokenRecord
    created_ms: int
    updated_ms: int
    discarded_ms: int

    @property
    def registered_ms(self) -> int:
        """The time of its last registration."""
        return max(self.created_ms, self.updated_ms)


class DiscardReason(Enum):
    """Why a registration ended another token."""

    MOVED = "moved"
    """Another user registered it, or it was registered as a token of another kind."""
    TOO_MANY = "too_many"
    """Its user has registered too many of its kind."""


class Ended(NamedTuple):
    """A token that a registration ended."""

    user_id: UserId
    kind: TokenKind
    token_id: UUID
    reason: DiscardReason


class Registration(NamedTuple):
    """A token that was registered, and those that ended thereby."""

    token: ChannelToken
    ended: Sequence[Ended]


class ChannelTokenPage(NamedTuple):
    """A page of tokens, newest first, and whether there are newer and older ones."""

    tokens: Sequence[ChannelToken]
    has_newer: bool
    has_older: bool


def _put(
    kind: str, field: bytes, claim: int, now_ms: int, token: bytes, revokes: int, former: str | bytes
) -> Arguments:
    return (kind, field, claim, now_ms, token, MAX_LIVE, MAX_DISCARDED, revokes, former)


def _remove(kind: str, field: bytes, claim: int, revokes: int, former: str | bytes) -> Arguments:
    return (kind, field, claim, revokes, former)


def _discard(kind: str, field: bytes, created_ms: int | str, now_ms: int, revokes: int) -> Arguments:
    return (kind, field, created_ms, now_ms, revokes)


def _get(kind: str, field: bytes) -> Arguments:
    return (kind, field)


def _list(kind: str, live_only: int, size: int, way: str, cursor: bytes) -> Arguments:
    return (kind, live_only, size, way, cursor)


def _claim(field: bytes, user_id: str, former: str | bytes, kind: str) -> Arguments:
    return (field, user_id, former, kind)


def _confirm(field: bytes, user_id: str, former: str | bytes) -> Arguments:
    return (field, user_id, former)


def _release(field: bytes, user_id: str, claim: int | bytes) -> Arguments:
    return (field, user_id, claim)


def _field(field: bytes) -> Arguments:
    return (field,)


PUT_TOKEN = user_function("put_channel_token", _put, untouched)
REMOVE_TOKEN = user_function("remove_channel_token", _remove, int, frees_memory=True, repeatable=False)
DISCARD_TOKEN = user_function("discard_channel_token", _discard, untouched, frees_memory=True, repeatable=False)
GET_TOKEN = user_reading_function("get_channel_token", _get, untouched)
LIST_TOKENS = user_reading_function("list_channel_tokens", _list, untouched)
CLAIM_TOKEN = writing_function("claim_channel_token", "holders", _claim, untouched)
CONFIRM_TOKEN = writing_function("confirm_channel_token", "holders", _confirm, bool, frees_memory=True)
RELEASE_TOKEN = writing_function("release_channel_token", "holders", _release, nothing, frees_memory=True)
TOKEN_OWNER = reading_function("channel_token_owner", "holders", _field, optional_bytes)


class ChannelTokenStore:
    """Users' channel tokens. Methods raise StoreUnavailableError and the exceptions of UserFunctions.

    Repeating a call that failed completes the change.
    """

    def __init__(self, client: FunctionClient):
        self._client = client
        self._functions = UserFunctions(client)
        self.on_first: Callable[[ProjectId], None] = lambda project_id: None
        """Called when this process has registered the first token of a kind in a project."""

    async def register(
        self,
        user: User,
        kind: TokenKind,
        values: Mapping[str, Any],
        now_ms: int,
        guard: Guard = UNGUARDED,
        authenticated_by: str = "",
        same_of: Sequence[TokenKind] = (),
    ) -> Registration:
        """Register a token for a user, and remove it from all other users.

        `values` have an identity. A token that the user has discarded becomes live again. The token with the same
        values of each other kind of `same_of` is discarded, whoever has it.
        """
        await self._functions.call(user, guard, USE())
        ended = await self._discard_of_kinds(
            user.project_id, [one for one in same_of if one is not kind], values, now_ms
        )
        record = _record(kind, values, authenticated_by)
        former = former_token(kind, values)
        done = await self._register(user, kind, field_of(kind, values), record, now_ms, former)
        return Registration(done.token, [*ended, *done.ended])

    async def page(
        self,
        user: User,
        kind: TokenKind,
        size: int,
        after: str | None,
        before: str | None,
        live_only: bool,
        guard: Guard = UNGUARDED,
    ) -> ChannelTokenPage:
        """Return a page of a user's tokens of a kind: those directly after or before a token id, or the newest."""
        way, cursor = ("after", after) if after else ("before", before) if before else ("", None)
        call = LIST_TOKENS(kind.path, int(live_only), size, way, _cursor(UUID(cursor)) if cursor else b"")
        has_newer, has_older, *rows = await self._read(user, guard, call)
        tokens = [read_token(*row) for row in _pairs(rows)]
        return ChannelTokenPage(tokens, bool(has_newer), bool(has_older))

    async def get(self, user: User, kind: TokenKind, token_id: UUID, guard: Guard = UNGUARDED) -> ChannelToken | None:
        """Return a token of a user by its id, None if there is no such token."""
        field = _field_of_id(token_id)
        packed = await self._read(user, guard, GET_TOKEN(kind.path, field))
        token = read_token(field, packed) if packed is not None else None
        return token if token is not None and token.id == token_id else None

    async def discard(
        self, user: User, kind: TokenKind, token_id: UUID, now_ms: int, guard: Guard = UNGUARDED
    ) -> int | None:
        """Discard a token by its id. Return when it was discarded in unix ms, None if there is no such token.

        The live connections that were opened by it end on every node.
        """
        call = DISCARD_TOKEN(
            kind.path, _field_of_id(token_id), _created_ms(token_id), now_ms, int(kind.opens_connections)
        )
        reply = await self._converted(user, guard, call)
        return None if reply is None else int(reply[0])

    async def discard_same(
        self, user: User, kind: TokenKind, values: Mapping[str, Any], now_ms: int, guard: Guard = UNGUARDED
    ) -> UUID | None:
        """Discard the token with the identity of these values, if they have one. Return its id if it was live."""
        if kind.identity(values) is None:
            return None
        call = DISCARD_TOKEN(kind.path, field_of(kind, values), "", now_ms, int(kind.opens_connections))
        reply = await self._converted(user, guard, call)
        return _id(int(reply[2]), field_of(kind, values)) if reply is not None and reply[1] else None

    async def find_credential(
        self, project_id: ProjectId, kind: TokenKind, text: str
    ) -> tuple[User, ChannelToken] | None:
        """Return the token that is this credential, discarded or not, and its user without names; None if unknown."""
        values = {kind.credential: text}
        field = field_of(kind, values)
        owner = await self._client.call(TOKEN_OWNER(keys.token_holders(project_id), field))
        if owner is None:
            return None
        user = User(project_id, UserId(owner.decode(errors="replace")), None, None)
        packed = await self._read(user, UNGUARDED, GET_TOKEN(kind.path, field))
        if packed is None:
            return None
        token = read_token(field, packed)
        return (user, token) if token.record.digest == _digest(text) else None

    async def convert(self, user: User) -> None:
        """Convert the devices of a user that are stored in their former form."""
        await self._converted(user, UNGUARDED, GET_TOKEN("", b""))

    async def _read(self, user: User, guard: Guard, call: UserCall[Any]) -> Any:
        reply = await self._functions.read(user, guard, call)
        return reply if reply != _FORMER_DEVICES else await self._converted(user, guard.uncounted, call)

    async def _converted(self, user: User, guard: Guard, call: UserCall[Any]) -> Any:
        """Run a function. If the user still has devices in their former form, convert these and run it again."""
        for _ in range(_MAX_CONVERSIONS):
            reply = await self._functions.call(user, guard, call)
            if reply != _FORMER_DEVICES:
                return reply
            guard = guard.uncounted
            rows = await self._functions.read(user, guard, READ_FORMER_DEVICES())
            for name, packed in _pairs(rows):
                kind, values, registered_ms = former_device(name, packed)
                record = TokenRecord(present(values))
                await self._register(user, kind, field_of(kind, values), record, registered_ms, name)
        raise StoreDataError("the devices of a user cannot be converted")

    async def _register(
        self, user: User, kind: TokenKind, field: bytes, record: TokenRecord, now_ms: int, former: str | bytes
    ) -> Registration:
        holders, revokes = keys.token_holders(user.project_id), int(kind.opens_connections)
        claim, is_first, *others = await self._client.call(CLAIM_TOKEN(holders, field, user.id, former, kind.path))
        if is_first:
            await self._publish_first(user.project_id, kind)
        ended = await self._remove_from(
            [User(user.project_id, UserId(other.decode()), None, None) for other in others],
            kind,
            field,
            REMOVE_TOKEN(kind.path, field, claim, revokes, former),
        )
        put = PUT_TOKEN(kind.path, field, claim, now_ms, msgspec.json.encode(record), revokes, former)
        created, updated, discarded, removed = await self._functions.call(user, UNGUARDED, put)
        for since, name in _pairs(discarded):
            ended.append(Ended(user.id, kind, _id(int(since), name), DiscardReason.TOO_MANY))
        if removed:
            await self._client.call_many(
                [RELEASE_TOKEN(holders, name, user.id, since) for name, since in _pairs(removed)]
            )
        if not await self._client.call(CONFIRM_TOKEN(holders, field, user.id, former)):
            await self._functions.call(user, UNGUARDED, REMOVE_TOKEN(kind.path, field, claim, revokes, ""))
            await self._client.call(RELEASE_TOKEN(holders, field, user.id, claim))
        token = ChannelToken(_id(int(created), field), record, int(created), int(updated), 0)
        return Registration(token, ended)

    async def _publish_first(self, project_id: ProjectId, kind: TokenKind) -> None:
        """Report that a project uses a kind of tokens, which the workers have cached otherwise."""
        self.on_first(project_id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_INTEGRATION} {project_id} {kind.path}".encode())

    async def _discard_of_kinds(
        self, project_id: ProjectId, kinds: Sequence[TokenKind], values: Mapping[str, Any], now_ms: int
    ) -> list[Ended]:
        if not kinds:
            return []
        holders = keys.token_holders(project_id)
        owners = await self._client.call_many([TOKEN_OWNER(holders, field_of(kind, values)) for kind in kinds])
        ended = []
        for kind, owner in zip(kinds, owners, strict=True):
            if owner is not None:
                user = User(project_id, UserId(owner.decode(errors="replace")), None, None)
                with contextlib.suppress(UserDeletedError):
                    if token_id := await self.discard_same(user, kind, values, now_ms):
                        ended.append(Ended(user.id, kind, token_id, DiscardReason.MOVED))
        return ended

    async def _remove_from(
        self, users: Sequence[User], kind: TokenKind, field: bytes, removal: UserCall[int]
    ) -> list[Ended]:
        if not users:
            return []
        replies = await self._functions.send_many(users, [removal] * len(users))
        ended = []
        for user, reply in zip(users, replies, strict=True):
            # A user who was deleted holds no token.
            with contextlib.suppress(UserDeletedError):
                if created := unwrapped(reply, user, UNGUARDED):
                    ended.append(Ended(user.id, kind, _id(created, field), DiscardReason.MOVED))
        return ended


def _pairs(flat: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not None, those of nested objects too."""
    return {
        name: present(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }


def field_of(kind: TokenKind, values: Mapping[str, Any]) -> bytes:
    """Return the name of a token with these values in its hashes. Raises ValueError if they have no identity.

    It begins with a NUL, which the name of no former device does. 74 bits of SHA-256 follow: nobody finds another token
    with the digest of a given one. They lie as in a UUID of version 8 (RFC 9562, 5.8).
    """
    identity = kind.identity(values)
    if identity is None:
        raise ValueError("a token without identity")
    digest = bytearray(hashlib.sha256(f"{kind.path}\n{identity}".encode()).digest()[:10])
    digest[0] = digest[0] & 0x0F | 0x80
    digest[2] = digest[2] & 0x3F | 0x80
    return b"\0" + digest


def _id(created_ms: int, field: bytes) -> UUID:
    return UUID(bytes=created_ms.to_bytes(6) + field[1:])


def connection_token_id(text: str) -> str:
    """Return the id with which live connections that were opened by this inbox token remember it."""
    return _INBOX_PREFIX + field_of(inbox.TOKEN, {inbox.TOKEN.credential: text}).hex()


def _created_ms(token_id: UUID) -> int:
    return int.from_bytes(token_id.bytes[:6])


def _field_of_id(token_id: UUID) -> bytes:
    return b"\0" + token_id.bytes[6:]


def _cursor(token_id: UUID) -> bytes:
    return f"{_created_ms(token_id):015}".encode() + _field_of_id(token_id)


def _record(kind: TokenKind, values: Mapping[str, Any], authenticated_by: str) -> TokenRecord:
    fields = present(values)
    if not kind.credential:
        return TokenRecord(fields)
    text = fields[kind.credential]
    fields[kind.credential] = "…" + text[-_SHOWN_CHARACTERS:]
    return TokenRecord(fields, _digest(text), authenticated_by)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_token(field: bytes, packed: bytes) -> ChannelToken:
    """Return the token that is stored in a field. Raises StoreDataError."""
    with decoding("a channel token"):
        _, created, updated, discarded, encoded = packed.split(b" ", 4)
        record = msgspec.json.decode(encoded, type=TokenRecord)
        return ChannelToken(_id(int(created), field), record, int(created), int(updated), int(discarded))
