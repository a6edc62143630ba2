"""The directory of a project: the index from external ids and emails to users, and the user index by creation."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from gateway.domain.address import client_network
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Identity, User
from gateway.runtime.random_ids import new_uuid
from gateway.store import keys
from gateway.store.errors import IdentityConflictError, NameTakenError, TooManyNewUsersError
from gateway.store.redis.client import CALLS_AT_ONCE, FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    no_arguments,
    nothing,
    reading_function,
    untouched,
    writing_function,
)
from gateway.store.redis.problems import StoreDataError, StoreWritesRefusedError
from gateway.telemetry.logs import log

ID_CHARACTERS = 36
"""The length of a UUID as text."""

CACHE_SECONDS = 30.0
CACHE_USERS = 100_000
"""How long, and how many, names of users are cached."""

CONTROL_USER = "user"
"""The first word of the control message that names a project and a user to drop from the cache."""

BROKEN_MARK = 6
"""The index of a value that the reply of `find` has only if the user's record cannot be read."""


def _resolve(recipients: Sequence[str]) -> Arguments:
    return tuple(recipients)


def _resolve_limited(
    address: str, project_limit: int, address_limit: int, external_id: str, email: str, new_id: str
) -> Arguments:
    return (address, project_limit, address_limit, external_id, email, new_id)


def _find(name: str) -> Arguments:
    return (name,)


def _names(user_id: str, external_id: str, email: str) -> Arguments:
    return (user_id, external_id, email)


def _read_index(first: int, count: int) -> Arguments:
    return (first, count)


RESOLVE = writing_function("resolve", "directory", _resolve, untouched)
RESOLVE_LIMITED = writing_function("resolve_limited", "directory", _resolve_limited, untouched)
FIND = reading_function("find", "directory", _find, untouched)
RENAME = writing_function("rename", "directory", _names, int)
FORGET = writing_function("forget", "directory", _names, nothing, frees_memory=True)
USER_INDEX_SIZE = reading_function("user_index_size", "directory", no_arguments, int)
READ_USER_INDEX = reading_function("read_user_index", "directory", _read_index, untouched)


class Named(Protocol):
    """What has normalized names of a user, one of them at least, such as an Identity."""

    @property
    def external_id(self) -> str | None:
        """The external id."""

    @property
    def email(self) -> str | None:
        """The email."""


class Resolved(NamedTuple):
    """A user, and whether it was just read from the directory and not from the cache."""

    user: User
    fresh: bool


class Directory:
    """The users of all projects, with a short-lived cache in front. Methods raise StoreUnavailableError.

    The cache holds names, which change only when a user is renamed or deleted. The node that makes the change publishes
    it to all nodes at once. While a node's subscription to these messages is down, an entry is wrong for at most
    CACHE_SECONDS.
    """

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float]):
        self._client = client
        self._monotonic = monotonic
        self._cache: dict[tuple[ProjectId, str], tuple[float, User]] = {}
        self._names: dict[UserId, set[str]] = {}
        self._changes = 0
        """How many changes of names this worker has received."""
        self.on_created: Callable[[User], None] = lambda user: None
        """Called with each user that a call created, except by `resolve_or_create`."""
        self.is_full: Callable[[ProjectId, int], bool] = lambda project_id, adding: False
        """Returns whether a project may not have this many more users."""
        self.full_error: Callable[[ProjectId], Exception] = lambda project_id: RuntimeError("the project is full")
        """Returns the exception for a user whom such a project does not get."""

    def cached(self, project_id: ProjectId, identity: Named) -> User | None:
        """Return the user that an identity names, None if the user is not cached."""
        external_id, email = identity.external_id, identity.email
        entry = self._cache.get((project_id, f"x:{external_id}" if external_id else f"e:{email}"))
        if entry is None or entry[0] < self._monotonic():
            return None
        user = entry[1]
        # An identity with both names is a hit only if the cached user has both.
        return user if email is None or email == user.email else None

    async def resolve(self, project_id: ProjectId, identity: Identity) -> User:
        """Return the user that an identity names, created if there is none. Raises IdentityConflictError."""
        if (known := self.cached(project_id, identity)) is not None:
            return known
        now, before = self._monotonic(), self._changes
        if self.is_full(project_id, 1):
            await self.require_room(project_id, (identity,))
        (user,) = await self._resolve_or_find(project_id, (identity,), (0,))
        self._remember(user, now, before)
        return user

    async def resolve_limited(
        self, project_id: ProjectId, identity: Identity, address: Callable[[], str], limits: NewUserLimits
    ) -> User:
        """Return the user that an identity names, created if there is none and the limits allow it.

        The identity has one name. `address` returns the client's address. It is not called for a cached user. Raises
        TooManyNewUsersError.
        """
        now, before = self._monotonic(), self._changes
        if (known := self.cached(project_id, identity)) is not None:
            return known
        if self.is_full(project_id, 1):
            await self.require_room(project_id, (identity,))
        names = (identity.external_id or "", identity.email or "", new_uuid())
        origin = client_network(address()) if limits.per_address else ""
        try:
            rows = await self._client.call(RESOLVE_LIMITED(keys.directory(project_id), origin, *limits, *names))
            if rows[0] == -2:
                raise TooManyNewUsersError(rows[1], bool(rows[2]))
            user = decode_user(project_id, rows[0])
            if user.id == names[2]:
                self.on_created(user)
        except StoreWritesRefusedError as problem:
            (user,) = await self._find_known(project_id, [identity], problem)
        self._remember(user, now, before)
        return user

    async def resolve_many(
        self, project_id: ProjectId, identities: Sequence[Identity], *, is_accepted: bool = False
    ) -> list[Resolved]:
        """Return the users that identities name, in order. Missing users are created, in one atomic step.

        With `is_accepted`, that was accepted before, and happens even in a project that is full now. Raises
        IdentityConflictError, and `full_error`.
        """
        now, before = self._monotonic(), self._changes
        found = [self.cached(project_id, identity) for identity in identities]
        missing = [index for index, user in enumerate(found) if user is None]
        if missing:
            if not is_accepted and self.is_full(project_id, len(missing)):
                await self.require_room(project_id, [identities[index] for index in missing])
            fresh = await self._resolve_or_find(project_id, [identities[index] for index in missing], missing)
            for index, user in zip(missing, fresh, strict=True):
                found[index] = user
                self._remember(user, now, before)
        read = set(missing)
        return [Resolved(user, index in read) for index, user in enumerate(found) if user is not None]

    async def require_room(self, project_id: ProjectId, identities: Sequence[Named]) -> None:
        """Raise `full_error` if the project may not have as many more users as these name that do not exist."""
        named = [
            [f"x:{each.external_id}"] * bool(each.external_id) + [f"e:{each.email}"] * bool(each.email)
            for each in identities
        ]
        names = [name for each in named for name in each]
        known = set()
        for first in range(0, len(names), CALLS_AT_ONCE):
            some = names[first : first + CALLS_AT_ONCE]
            rows = await self._client.call_many([FIND(keys.directory(project_id), name) for name in some])
            known |= {name for name, row in zip(some, rows, strict=True) if row is not None}
        unknown = {tuple(each) for each in named if known.isdisjoint(each)}
        if unknown and self.is_full(project_id, len(unknown)):
            raise self.full_error(project_id)

    async def resolve_or_create(
        self, project_id: ProjectId, identities: Sequence[Identity], new_ids: Sequence[str]
    ) -> list[User]:
        """Return the users that identities name, past the cache. New users get the ids at their places in `new_ids`.

        Raises IdentityConflictError.
        """
        before = self._changes
        users = await self._resolve(project_id, identities, range(len(identities)), new_ids)
        now = self._monotonic()
        for user in users:
            self._remember(user, now, before)
        return users

    def forget_all(self) -> None:
        """Clear the cache, because any entry may be wrong."""
        self._changes += 1
        self._clear()

    def forget_cached(self, project_id: ProjectId, user_id: UserId) -> None:
        """Remove a user from the cache."""
        self._changes += 1
        for name in self._names.pop(user_id, ()):
            self._cache.pop((project_id, name), None)

    async def forget(self, user: User) -> None:
        """Remove the names of a deleted user from the directory, so that they can become another user's."""
        names = (user.external_id or "", user.email or "")
        await self._client.call(FORGET(keys.directory(user.project_id), user.id, *names))
        await self._publish_change(user)

    async def find(self, project_id: ProjectId, name: str) -> User | None:
        """Return the user of `x:external_id`, `e:email` or `u:user_id`, None if there is none. The cache is not used.

        If the user's record cannot be read, the user has only the name in the argument.
        """
        row = await self._client.call(FIND(keys.directory(project_id), name))
        if row is None:
            return None
        user = decode_user(project_id, row)
        if len(row) > BROKEN_MARK:
            log.error("directory_record_broken", project=project_id, user=user.id, suggestion="delete this user")
        return user

    async def by_id(self, project_id: ProjectId, user_id: UserId) -> User | None:
        """Return the user with this id, None if there is none."""
        now, before = self._monotonic(), self._changes
        entry = self._cache.get((project_id, f"u:{user_id}"))
        if entry is not None and entry[0] >= now:
            return entry[1]
        user = await self.find(project_id, f"u:{user_id}")
        if user is not None:
            self._remember(user, now, before)
        return user

    async def rename(self, user: User, external_id: str | None, email: str | None) -> User | None:
        """Replace the names of a user, and return the user; None if it was deleted. Raises NameTakenError."""
        arguments = (user.id, external_id or "", email or "")
        reply = await self._client.call(RENAME(keys.directory(user.project_id), *arguments))
        await self._publish_change(user)
        if reply < 0:
            raise NameTakenError("external_id" if reply == -1 else "email")
        return User(user.project_id, user.id, external_id, email) if reply else None

    async def user_index_size(self, project_id: ProjectId) -> int:
        """Return how many users the project ever had. Every place in its user index is lower."""
        return await self._client.call(USER_INDEX_SIZE(keys.directory(project_id)))

    async def read_user_index(self, project_id: ProjectId, first: int, count: int) -> list[User]:
        """Return the users at places `first` to `first + count - 1` of the user index, in order, without deleted ones.

        A new user gets the next place, and keeps it.
        """
        records = await self._client.call(READ_USER_INDEX(keys.directory(project_id), first, count))
        return decode_users(project_id, records)

    async def _publish_change(self, user: User) -> None:
        """Remove a user whose names have changed from the caches of all nodes, and from this one at once."""
        self.forget_cached(user.project_id, user.id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_USER} {user.project_id} {user.id}".encode())

    async def _resolve_or_find(
        self, project_id: ProjectId, identities: Sequence[Identity], indexes: Sequence[int]
    ) -> list[User]:
        try:
            return await self._resolve(project_id, identities, indexes)
        except StoreWritesRefusedError as problem:
            return await self._find_known(project_id, identities, problem)

    async def _find_known(
        self, project_id: ProjectId, identities: Sequence[Identity], problem: StoreWritesRefusedError
    ) -> list[User]:
        """Return users while the store accepts no writes. Raises `problem` if one would be created or renamed."""
        names = [f"x:{each.external_id}" if each.external_id else f"e:{each.email}" for each in identities]
        rows = await self._client.call_many([FIND(keys.directory(project_id), name) for name in names])
        users = [decode_user(project_id, row) for row in rows if row is not None]
        if len(users) < len(identities):
            raise problem
        for user, each in zip(users, identities, strict=True):
            if each.external_id not in (None, user.external_id) or each.email not in (None, user.email):
                raise problem
        return users

    async def _resolve(
        self,
        project_id: ProjectId,
        identities: Sequence[Identity],
        indexes: Sequence[int],
        new_ids: Sequence[str] = (),
    ) -> list[User]:
        arguments: list[str] = []
        own_ids = new_ids or [new_uuid() for _ in identities]
        for identity, new_id in zip(identities, own_ids, strict=True):
            arguments += (identity.external_id or "", identity.email or "", new_id)
        rows = await self._client.call(RESOLVE(keys.directory(project_id), arguments))
        if rows[0] == -1:
            raise IdentityConflictError([indexes[position] for position in rows[1:]])
        users = [decode_user(project_id, row) for row in rows]
        if not new_ids and len(users) == 1:
            if users[0].id == own_ids[0]:
                self.on_created(users[0])
        elif not new_ids:
            for user in dict.fromkeys(user for user, own_id in zip(users, own_ids, strict=True) if user.id == own_id):
                self.on_created(user)
        return users

    def _remember(self, user: User, now: float, before: int) -> None:
        """Cache a user that was read at `now`, unless names have changed since there were `before` changes."""
        # The message about a change may arrive after a reply that was sent before the change.
        if self._changes != before:
            return
        if len(self._cache) >= CACHE_USERS:
            self._clear()  # rare, and cheaper than keeping an order on every hit
        names = {f"u:{user.id}"}
        if user.external_id:
            names.add(f"x:{user.external_id}")
        if user.email:
            names.add(f"e:{user.email}")
        if known := self._names.get(user.id):
            # A name that the user no longer has may be another's by now.
            for name in known - names:
                self._cache.pop((user.project_id, name), None)
        self._names[user.id] = names
        entry = (now + CACHE_SECONDS, user)
        for name in names:
            self._cache[(user.project_id, name)] = entry

    def _clear(self) -> None:
        self._cache.clear()
        self._names.clear()


def decode_user(project_id: ProjectId, row: Sequence[bytes]) -> User:
    """Return the user in a reply of a directory function: id, external_id, email and sometimes deletion times.

    Raises StoreDataError.
    """
    try:
        user_id, external_id, email = row[0].decode(), row[1].decode(), row[2].decode()
        if len(user_id) != ID_CHARACTERS:
            raise ValueError("not a user id")
        deleted_at = [int(second or 0) for second in row[4:6]]
        return User(project_id, UserId(user_id), external_id or None, email or None, *deleted_at)
    except ValueError as problem:
        raise StoreDataError("The record of this user cannot be read", f"user {row[0]!r}: {problem}") from None


class _Record(msgspec.Struct):
    """A user's record in the directory: external_id and email, "" for none, and the place in the user index."""

    x: str
    e: str
    n: float | None = None


_decode_record = msgspec.json.Decoder(_Record).decode


def decode_users(project_id: ProjectId, records: Sequence[bytes]) -> list[User]:
    """Return the users of ids and records in turn.

    A user whose record cannot be read is left out, so that the others can still be found.
    """
    users: list[User] = []
    for user_id, record in zip(records[::2], records[1::2], strict=True):
        try:
            names = _decode_record(record)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        users.append(User(project_id, UserId(user_id.decode()), names.x or None, names.e or None))
    return users
