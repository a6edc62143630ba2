"""Who the users of a project are: external ids and emails to user ids."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import uuid4

from gateway.domain.address import client_network
from gateway.domain.new_user_limits import NewUserLimits
from gateway.domain.principal import Identity, ProjectId, User, UserId
from gateway.store import keys
from gateway.store.errors import IdentityConflictError, NameTakenError, TooManyNewUsersError
from gateway.store.redis.client import FunctionClient
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
"""Of a UUID, as text."""

CACHE_SECONDS = 30.0
CACHE_USERS = 100_000

CONTROL_USER = "user"
"""First word of the control message that names a project and a user to forget."""

BROKEN_MARK = 6
"""Where in the row of `find` it is said that the user's record cannot be read."""


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


class Resolved(NamedTuple):
    """A user, and whether the directory was asked just now rather than the cache."""

    user: User
    fresh: bool


class Directory:
    """The users of all projects, with a short-lived cache in front. Methods raise StoreUnavailableError.

    The cache holds what never changes but by an update or deletion of a user, which nodes tell each other at once;
    `CACHE_SECONDS` bounds how long that may go unnoticed while the pub/sub link is down.
    """

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float]):
        self._client = client
        self._monotonic = monotonic
        self._cache: dict[tuple[ProjectId, str], tuple[float, User]] = {}
        self._names: dict[UserId, set[str]] = {}

    async def resolve(self, project_id: ProjectId, identity: Identity) -> User:
        """Give the user that an identity names, created if new. Raises IdentityConflictError."""
        return (await self.resolve_many(project_id, [identity]))[0].user

    async def resolve_limited(
        self, project_id: ProjectId, identity: Identity, address: Callable[[], str], limits: NewUserLimits
    ) -> User:
        """Give the user that an identity names, created if new and if the limits allow it.

        The identity has one name. `address` gives the client's; it is not called for a user who is known here. Raises
        TooManyNewUsersError.
        """
        now = self._monotonic()
        if (known := self._cached(project_id, identity, now)) is not None:
            return known
        names = (identity.external_id or "", identity.email or "", str(uuid4()))
        origin = client_network(address()) if limits.per_address else ""
        try:
            rows = await self._client.call(RESOLVE_LIMITED(keys.directory(project_id), origin, *limits, *names))
            if rows[0] == -2:
                raise TooManyNewUsersError(rows[1], bool(rows[2]))
            user = decode_user(project_id, rows[0])
        except StoreWritesRefusedError as problem:
            (user,) = await self._known(project_id, [identity], problem)
        self._remember(user, now)
        return user

    async def resolve_many(self, project_id: ProjectId, identities: Sequence[Identity]) -> list[Resolved]:
        """Give the users that identities name, in order, all in one step. Raises IdentityConflictError."""
        now = self._monotonic()
        found = [self._cached(project_id, identity, now) for identity in identities]
        missing = [index for index, user in enumerate(found) if user is None]
        if missing:
            fresh = await self._ask_or_find(project_id, [identities[index] for index in missing], missing)
            for index, user in zip(missing, fresh, strict=True):
                found[index] = user
                self._remember(user, now)
        asked = set(missing)
        return [Resolved(user, index in asked) for index, user in enumerate(found) if user is not None]

    async def resolve_or_create(
        self, project_id: ProjectId, identities: Sequence[Identity], new_ids: Sequence[str]
    ) -> list[User]:
        """Give the users that identities name, past the cache; who is new gets the id given. Raises as resolve_many."""
        users = await self._ask(project_id, identities, range(len(identities)), new_ids)
        now = self._monotonic()
        for user in users:
            self._remember(user, now)
        return users

    def forget_all(self) -> None:
        """Drop the cache: any of it may be wrong."""
        self._cache.clear()
        self._names.clear()

    def forget_cached(self, project_id: ProjectId, user_id: UserId) -> None:
        """Drop what the cache knows of one user."""
        for name in self._names.pop(user_id, ()):
            self._cache.pop((project_id, name), None)

    async def forget(self, user: User) -> None:
        """Take a deleted user's names out of the directory, so that they may become another user's."""
        names = (user.external_id or "", user.email or "")
        await self._client.call(FORGET(keys.directory(user.project_id), user.id, *names))
        await self._tell(user)

    async def find(self, project_id: ProjectId, name: str) -> User | None:
        """Give the user of `x:external_id`, `e:email` or `u:user_id`, past the cache."""
        row = await self._client.call(FIND(keys.directory(project_id), name))
        if row is None:
            return None
        user = decode_user(project_id, row)
        if len(row) > BROKEN_MARK:
            log.error("directory_record_broken", project=project_id, user=user.id, suggestion="delete this user")
        return user

    async def by_id(self, project_id: ProjectId, user_id: UserId) -> User | None:
        """Give the user with this id, whatever their names are by now."""
        now = self._monotonic()
        entry = self._cache.get((project_id, f"u:{user_id}"))
        if entry is not None and entry[0] >= now:
            return entry[1]
        user = await self.find(project_id, f"u:{user_id}")
        if user is not None:
            self._remember(user, now)
        return user

    async def rename(self, user: User, external_id: str | None, email: str | None) -> User | None:
        """Give a user other names; None when it is gone. Raises NameTakenError when another user has one."""
        arguments = (user.id, external_id or "", email or "")
        answer = await self._client.call(RENAME(keys.directory(user.project_id), *arguments))
        await self._tell(user)
        if answer < 0:
            raise NameTakenError("external_id" if answer == -1 else "email")
        return User(user.project_id, user.id, external_id, email) if answer else None

    async def user_index_size(self, project_id: ProjectId) -> int:
        """Give how many users the project ever had: indexes in its user index are below that."""
        return await self._client.call(USER_INDEX_SIZE(keys.directory(project_id)))

    async def read_user_index(self, project_id: ProjectId, first: int, count: int) -> list[User]:
        """Give the users with an index from `first` to before `first + count`, in order; deleted ones are left out.

        A user gets the next index when created, and keeps it.
        """
        rows = await self._client.call(READ_USER_INDEX(keys.directory(project_id), first, count))
        return [decode_user(project_id, row) for row in rows]

    async def _tell(self, user: User) -> None:
        """Have every node forget a user whose names have changed, this one at once."""
        self.forget_cached(user.project_id, user.id)
        await self._client.publish(keys.CONTROL, f"{CONTROL_USER} {user.project_id} {user.id}".encode())

    async def _ask_or_find(
        self, project_id: ProjectId, identities: Sequence[Identity], indexes: Sequence[int]
    ) -> list[User]:
        try:
            return await self._ask(project_id, identities, indexes)
        except StoreWritesRefusedError as problem:
            return await self._known(project_id, identities, problem)

    async def _known(
        self, project_id: ProjectId, identities: Sequence[Identity], problem: StoreWritesRefusedError
    ) -> list[User]:
        """Give the users of a store that takes no writes. Raises the problem if one is new, or has a new name."""
        names = [f"x:{each.external_id}" if each.external_id else f"e:{each.email}" for each in identities]
        rows = await self._client.call_many([FIND(keys.directory(project_id), name) for name in names])
        users = [decode_user(project_id, row) for row in rows if row is not None]
        if len(users) < len(identities):
            raise problem
        for user, each in zip(users, identities, strict=True):
            if each.external_id not in (None, user.external_id) or each.email not in (None, user.email):
                raise problem
        return users

    async def _ask(
        self,
        project_id: ProjectId,
        identities: Sequence[Identity],
        indexes: Sequence[int],
        new_ids: Sequence[str] = (),
    ) -> list[User]:
        arguments: list[str] = []
        for identity, new_id in zip(identities, new_ids or [str(uuid4()) for _ in identities], strict=True):
            arguments += (identity.external_id or "", identity.email or "", new_id)
        rows = await self._client.call(RESOLVE(keys.directory(project_id), arguments))
        if rows[0] == -1:
            raise IdentityConflictError([indexes[position] for position in rows[1:]])
        return [decode_user(project_id, row) for row in rows]

    def _cached(self, project_id: ProjectId, identity: Identity, now: float) -> User | None:
        name = f"x:{identity.external_id}" if identity.external_id else f"e:{identity.email}"
        entry = self._cache.get((project_id, name))
        if entry is None or entry[0] < now:
            return None
        user = entry[1]
        # Both names were given: a hit only if the cached user goes by both.
        return user if identity.email in (None, user.email) else None

    def _remember(self, user: User, now: float) -> None:
        if len(self._cache) >= CACHE_USERS:
            self.forget_all()  # rare, and cheaper than keeping an order on every hit
        names = {f"{kind}:{name}" for kind, name in (("x", user.external_id), ("e", user.email)) if name}
        names.add(f"u:{user.id}")
        # A name that the user no longer has may be another's by now.
        for name in self._names.get(user.id, set()) - names:
            self._cache.pop((user.project_id, name), None)
        self._names[user.id] = names
        for name in names:
            self._cache[(user.project_id, name)] = (now + CACHE_SECONDS, user)


def decode_user(project_id: ProjectId, row: Sequence[bytes]) -> User:
    """Read what a function of the directory says of a user: its id and names; and some say more of the names."""
    try:
        user_id, external_id, email = (part.decode() for part in row[:3])
        if len(user_id) != ID_CHARACTERS:
            raise ValueError("this is no id")
        gone_at = (int(second or 0) for second in row[4:6])
        return User(project_id, UserId(user_id), external_id or None, email or None, *gone_at)
    except ValueError as problem:
        raise StoreDataError("The record of this user cannot be read", f"user {row[0]!r}: {problem}") from None
