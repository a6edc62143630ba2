"""Descriptors of Redis functions: the name, arguments, reply and traits of each function of the Lua library.

A store declares a descriptor for each function of its aggregate, in the module that calls it:

    def _renew(job: str, claim: int, now_ms: int, lease_ms: int) -> Arguments:
        return (job, claim, now_ms, lease_ms)

    RENEW = writing_function("renew_job", "queue", _renew, int, frees_memory=True)

    waiting = await client.call(RENEW(keys.JOB_QUEUE, job=..., claim=..., now_ms=..., lease_ms=...))

The signature of `_renew` names the arguments, and its body puts them in the order in which the Lua function reads them.
Calling a descriptor sends nothing: it returns a FunctionCall, which a FunctionClient sends and whose reply it decodes.
The library registers the functions that the descriptors define. Whether a function may be repeated, and whether a full
server runs it, is a trait of its descriptor. A test compares each descriptor with the header of its Lua function.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

import msgspec

from gateway.store.redis.protocol import Argument

Arguments = tuple[Argument, ...]
"""The arguments of a function, in the order of its Lua header."""

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Kind(Enum):
    """How the library wraps a function."""

    READING = "reading({})"
    """The function only reads, so a server that is out of memory runs it."""
    WRITING = "atomic({})"
    """If one of the function's commands fails, all of its writes are undone."""
    GUARDED = "guarded({}, true)"
    """The guard of a user's slot runs first. If one of the function's commands fails, all of its writes are undone."""
    EACH = "{}"
    """The function serves several users. For each of them, it undoes all writes if a command fails."""
    PEEKING = "guarded({})"
    """A guard that counts nothing runs first. The function only reads, so a server that is out of memory runs it."""

    @property
    def writes(self) -> bool:
        """Return whether a function of this kind may write."""
        return self in (Kind.WRITING, Kind.GUARDED, Kind.EACH)


class Traits(NamedTuple):
    """The properties of a function besides its signature."""

    kind: Kind
    frees_memory: bool = False
    """The function frees memory, ends access or completes work, so a server that is out of memory runs it too."""
    repeatable: bool = True
    """The function may be sent again after a lost reply, because it compares before it sets. A function that reports
    whether this call changed something must not be sent again: the second reply would report no change."""
    durable: bool = True
    """The function's writes must survive once acknowledged. With INBOX_DURABILITY=replica, a replica confirms them."""

    @property
    def flags(self) -> str:
        """Return the flags with which the function is registered, as Lua."""
        if not self.kind.writes:
            return "{'no-writes'}"
        return "{'allow-oom'}" if self.frees_memory else "{}"


class Function(Generic[P, R_co]):
    """One function of the library. `key` is the kind of key that it is called with, as in its header in Lua.

    Call a descriptor with the key and the arguments to get a FunctionCall.
    """

    __slots__ = ("decode", "key", "lua_name", "name", "pack", "traits", "when_full")

    def __init__(
        self,
        name: str,
        key: str,
        pack: Callable[P, Arguments],
        decode: Callable[[Any], R_co],
        traits: Traits,
        *,
        lua_name: str = "",
        when_full: bool = False,
    ):
        self.name = name
        self.key = key
        self.pack = pack
        self.decode = decode
        self.traits = traits
        self.lua_name = lua_name or name
        """The name of the Lua function that runs."""
        self.when_full: Function[P, R_co] | None = None
        """The same function for a server that is out of memory: it adds little, or trims other data."""
        if when_full:
            allowed = traits._replace(frees_memory=True)
            self.when_full = Function(f"{name}_when_full", key, pack, decode, allowed, lua_name=self.lua_name)

    def __call__(self, key: str, /, *args: P.args, **kwargs: P.kwargs) -> "FunctionCall[R_co]":
        """Return a call of this function with a key."""
        return FunctionCall(self, key, self.pack(*args, **kwargs))

    def forms(self) -> "Iterator[AnyFunction]":
        """Yield every function that the library registers for this descriptor."""
        yield self
        if self.when_full is not None:
            yield self.when_full

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


AnyFunction = Function[..., Any]


class FunctionCall(msgspec.Struct, Generic[R_co], frozen=True):
    """A function with its key and arguments, ready to be sent."""

    function: "Function[..., R_co]"
    key: str
    arguments: Arguments
    more_keys: tuple[str, ...] = ()
    """The keys after the first one. In a cluster they are in the same slot."""

    def when_full(self) -> "FunctionCall[R_co]":
        """Return the same call for a server that is out of memory."""
        assert self.function.when_full is not None, f"{self.function.name} has no such form"
        return FunctionCall(self.function.when_full, self.key, self.arguments)


def reading_function(name: str, key: str, pack: Callable[P, Arguments], decode: Callable[[Any], R]) -> Function[P, R]:
    """Return the descriptor of a function that only reads."""
    return Function(name, key, pack, decode, Traits(Kind.READING))


def writing_function(
    name: str,
    key: str,
    pack: Callable[P, Arguments],
    decode: Callable[[Any], R],
    *,
    frees_memory: bool = False,
    repeatable: bool = True,
    durable: bool = True,
    when_full: bool = False,
) -> Function[P, R]:
    """Return the descriptor of a function whose writes are undone if it fails. See Traits for the options."""
    traits = Traits(Kind.WRITING, frees_memory, repeatable, durable)
    return Function(name, key, pack, decode, traits, when_full=when_full)


class UserFunction(Generic[P, R_co]):
    """A function of a user's slot, which passes the caller's guard in the same step as its work.

    Call a descriptor with the arguments to get a UserCall; `gateway/store/guarded.py` adds the user and the guard.
    """

    __slots__ = ("counted", "decode", "pack", "uncounted", "when_full")

    def __init__(
        self,
        name: str,
        pack: Callable[P, Arguments],
        decode: Callable[[Any], R_co],
        traits: Traits,
        *,
        uncounted_lua_name: str = "",
        when_full: bool = False,
    ):
        self.pack = pack
        self.decode = decode
        self.counted: AnyFunction = Function(name, "user", pack, untouched, traits, when_full=when_full)
        """The function that runs for a caller whose calls are counted."""
        self.when_full = self.counted.when_full
        self.uncounted: AnyFunction | None = None
        """The function that runs for a caller whose calls are not counted. It only reads."""
        if uncounted_lua_name:
            peeking = Traits(Kind.PEEKING, durable=False)
            self.uncounted = Function(
                f"{name}_uncounted", "user", pack, untouched, peeking, lua_name=uncounted_lua_name
            )

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return self.counted.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> "UserCall[R_co]":
        """Return a call of this function, without its user and guard."""
        return UserCall(self, self.pack(*args, **kwargs))

    def forms(self) -> Iterator[AnyFunction]:
        """Yield every function that the library registers for this descriptor."""
        yield from self.counted.forms()
        if self.uncounted is not None:
            yield self.uncounted

    def __repr__(self) -> str:
        return f"<UserFunction {self.name}>"


class UserCall(msgspec.Struct, Generic[R_co], frozen=True):
    """A function of a user's slot with its arguments, without the user and the guard."""

    function: "UserFunction[..., R_co]"
    arguments: Arguments

    def with_guard(self, key: str, guard: Arguments) -> FunctionCall[Any]:
        """Return the call for the user with this key. The arguments of the guard precede the others."""
        return FunctionCall(self.function.counted, key, (*guard, *self.arguments))

    def when_full(self, key: str, guard: Arguments) -> FunctionCall[Any]:
        """Return the same call in the form for a server that is out of memory."""
        assert self.function.when_full is not None, f"{self.function.name} has no form for a full server"
        return FunctionCall(self.function.when_full, key, (*guard, *self.arguments))

    def peeking(self, key: str, guard: Arguments) -> FunctionCall[Any]:
        """Return the same call in the uncounted form."""
        assert self.function.uncounted is not None, f"{self.function.name} has no uncounted form"
        return FunctionCall(self.function.uncounted, key, (*guard, *self.arguments))


def user_function(
    name: str,
    pack: Callable[P, Arguments],
    decode: Callable[[Any], R],
    *,
    frees_memory: bool = False,
    repeatable: bool = True,
    when_full: bool = False,
) -> UserFunction[P, R]:
    """Return the descriptor of a function that changes data in a user's slot. See Traits for the options."""
    traits = Traits(Kind.GUARDED, frees_memory, repeatable)
    return UserFunction(name, pack, decode, traits, when_full=when_full)


def user_reading_function(
    name: str, pack: Callable[P, Arguments], decode: Callable[[Any], R], *, uncounted_lua_name: str = ""
) -> UserFunction[P, R]:
    """Return the descriptor of a function that reads data in a user's slot. Only its guard writes: it counts the call.

    `uncounted_lua_name` is the Lua function that runs if nothing is counted or nothing can be written. By default it is
    the same function.
    """
    traits = Traits(Kind.GUARDED, durable=False)
    return UserFunction(name, pack, decode, traits, uncounted_lua_name=uncounted_lua_name or name)


def function_of_users(name: str, pack: Callable[P, Arguments], decode: Callable[[Any], R]) -> Function[P, R]:
    """Return the descriptor of a function that changes data of several users, of each in an atomic step of its own."""
    return Function(name, "users", pack, decode, Traits(Kind.EACH))


AnyDescriptor = Function[..., Any] | UserFunction[..., Any]


def no_arguments() -> Arguments:
    """Pack the arguments of a function that takes none."""
    return ()


def untouched(reply: Any) -> Any:
    """Return the reply as it is."""
    return reply


def nothing(reply: Any) -> None:
    """Return None for a reply that carries no information."""


def optional_bytes(reply: Any) -> bytes | None:
    """Decode a string that may be missing."""
    return None if reply is None else bytes(reply)


def optional_int(reply: Any) -> int | None:
    """Decode an integer, perhaps as text, that may be missing."""
    return None if reply is None else int(reply)


def list_of_bytes(reply: Any) -> list[bytes]:
    """Decode a list of strings."""
    found: list[bytes] = reply
    return found
