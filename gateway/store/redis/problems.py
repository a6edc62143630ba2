"""The exceptions for calls that the store could not serve: one tree, divided by cause.

    StoreUnavailableError        the store cannot be reached, or cannot serve the call now
      StoreWritesRefusedError    it refuses writes, and can still be read
        StoreFullError           it has no memory left
        StoreReadOnlyError       another reason, such as a full disk or too few replicas
      StoreRefusedError          it refuses the gateway, or a command that the gateway needs: an operator must act
      StoreDataError             stored data is not what the gateway wrote
        StoreFormatError         it has a format that this version does not know
      StoreEmptyError            it has lost its data, or this project

Only this module turns error replies of Redis into exceptions. The text of an exception is for clients: it names the
cause, and no key, user, server or secret. `detail` is for the log and the command line.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from gateway.domain.errors import ErrorCode
from gateway.telemetry.logs import log

MAX_DETAIL_CHARACTERS = 300

REPEAT_SECONDS = 60.0
"""The least time between two log lines about the same broken record."""

MAX_REMEMBERED = 1000


class StoreUnavailableError(Exception):
    """The store cannot be reached, or cannot serve the call now. The call may have run nevertheless."""

    code: ClassVar[ErrorCode] = ErrorCode.REDIS_UNAVAILABLE
    retry_after_seconds: ClassVar[int] = 1

    def __init__(self, cause: str = "", detail: str = "", replied: bool = False):
        self.cause = cause or self.code.kind.message
        self.detail = detail or self.cause
        """The message of the server or the system, for operators."""
        self.replied = replied
        """Whether the server replied with an error, so that the connection to it works."""
        super().__init__(self.cause)


class StoreWritesRefusedError(StoreUnavailableError):
    """The store refuses writes now. It can still be read."""


class StoreFullError(StoreWritesRefusedError):
    """The store has no memory left to write."""

    code = ErrorCode.STORE_FULL
    retry_after_seconds = 5


class StoreReadOnlyError(StoreWritesRefusedError):
    """The store refuses writes for another reason, such as a full disk or too few replicas."""

    code = ErrorCode.STORE_READ_ONLY


class StoreRefusedError(StoreUnavailableError):
    """The store refuses the gateway, or a command that it needs, until an operator changes the configuration."""

    code = ErrorCode.STORE_REFUSED
    retry_after_seconds = 5


class StoreDataError(StoreUnavailableError):
    """Stored data is not what the gateway wrote: a value of another type, or one that cannot be read."""

    code = ErrorCode.STORE_DATA_BROKEN
    retry_after_seconds = 5


class StoreFormatError(StoreDataError):
    """Stored data has a format that this version does not know: a newer one, or one from before format 1."""

    code = ErrorCode.STORE_FORMAT_UNKNOWN


class StoreEmptyError(StoreUnavailableError):
    """The store has lost its data, for example by FLUSHALL, or this project."""

    code = ErrorCode.STORE_EMPTY


@contextlib.contextmanager
def decoding(what: str) -> Iterator[None]:
    """Raise StoreDataError if a stored value cannot be decoded within the block; `what` names it."""
    try:
        yield
    except (ValueError, TypeError, LookupError, msgspec.MsgspecError) as problem:
        log.error("store_record_broken", record=what, problem=str(problem))
        raise StoreDataError(f"{what.capitalize()} in the store cannot be read", f"{what}: {problem}") from None


_NO_PERMISSION = "Redis's access list does not allow a command, key or channel that the gateway needs"

_BY_WORD: dict[str, tuple[type[StoreUnavailableError], str]] = {
    "NOAUTH": (StoreRefusedError, "Redis requires a password, and the gateway has none"),
    "WRONGPASS": (StoreRefusedError, "Redis does not accept the gateway's user name or password"),
    "NOPERM": (StoreRefusedError, _NO_PERMISSION),
    "DENIED": (StoreRefusedError, "Redis is in protected mode and refuses connections from other machines"),
    "OOM": (StoreFullError, "Redis has reached its maxmemory and accepts no writes"),
    "MISCONF": (StoreReadOnlyError, "Redis cannot save to its disk and accepts no writes"),
    "READONLY": (StoreReadOnlyError, "Redis is a replica, or is about to become one, and accepts no writes"),
    "NOREPLICAS": (StoreReadOnlyError, "Redis has too few replicas to take writes"),
    "MASTERDOWN": (StoreUnavailableError, "Redis is a replica without its primary"),
    "BUSY": (StoreUnavailableError, "Redis is busy with a script"),
    "UNKILLABLE": (StoreUnavailableError, "Redis is busy with a script"),
    "LOADING": (StoreUnavailableError, "Redis is loading its data"),
    "CLUSTERDOWN": (StoreUnavailableError, "The Redis cluster does not serve this part of the data"),
    "TRYAGAIN": (StoreUnavailableError, "The Redis cluster is moving this part of the data"),
    "MOVED": (StoreUnavailableError, "The Redis cluster has moved this part of the data"),
    "ASK": (StoreUnavailableError, "The Redis cluster is moving this part of the data"),
    "CROSSSLOT": (StoreUnavailableError, "The Redis cluster found keys of a call on different servers"),
    "FORMAT": (StoreFormatError, "What is stored is of a format that this version of the gateway does not know"),
    "BROKEN": (StoreDataError, "A record in the store cannot be read"),
    "WRONGTYPE": (StoreDataError, "A key in the store holds a value of another type"),
}
"""The exception and its text for an error reply, by the first word of the reply."""

_BY_TEXT: tuple[tuple[str, type[StoreUnavailableError], str], ...] = (
    ("max number of clients", StoreUnavailableError, "Redis accepts no more connections"),
    ("ACL failure in script", StoreRefusedError, _NO_PERMISSION),
    ("can't run this command", StoreRefusedError, _NO_PERMISSION),
    ("can't access at least one of the keys", StoreRefusedError, _NO_PERMISSION),
    ("can't publish to the channel", StoreRefusedError, _NO_PERMISSION),
    ("Function not found", StoreUnavailableError, "The gateway's functions are not loaded in Redis"),
    # The reply of Redis to a client that sends the library before it has authenticated.
    ("unauthenticated", StoreRefusedError, "Redis requires a password, and the gateway has none"),
    ("AUTH <password>", StoreRefusedError, "Redis has no password, and the gateway sends one"),
    ("DB index", StoreRefusedError, "Redis has no database with the number that the gateway uses"),
    ("unknown command", StoreRefusedError, "Redis lacks a command that the gateway needs"),
    ("user_function", StoreDataError, "A function failed on what is stored"),
    ("on @", StoreDataError, "A function failed on what is stored"),
)
"""The same for any other error reply, by the first of these texts that it contains."""

_WORD = re.compile(r"[A-Z][A-Z_]{1,30}\b")


def store_error(reply: str) -> StoreUnavailableError:
    """Return the exception for an error reply of Redis."""
    found = _WORD.match(reply)
    word = found.group() if found else ""
    detail = _without_arguments(reply)
    if word in _BY_WORD:
        kind, sentence = _BY_WORD[word]
        return kind(f"{sentence} ({word})", detail, replied=True)
    for text, kind, sentence in _BY_TEXT:
        if text in reply:
            return kind(sentence, detail, replied=True)
    return StoreUnavailableError(f"Redis replied with an error ({word or 'unknown'})", detail, replied=True)


def _without_arguments(reply: str) -> str:
    """Return a reply without the command's arguments. Some replies repeat them, and they may contain personal data."""
    return reply.partition(", with args")[0][:MAX_DETAIL_CHARACTERS]


class BrokenRecords:
    """Logs records that cannot be read, each at most once in REPEAT_SECONDS."""

    def __init__(self) -> None:
        self._logged_at: dict[tuple[str, str], float] = {}

    def report(self, function: str, key: str | bytes, problem: StoreDataError) -> None:
        """Log that a function or a command failed on data in the slot of a key."""
        name = key if isinstance(key, str) else key.decode(errors="replace")
        # The key of an idempotency record ends with a text that a client chose.
        name = name.partition(":idempotency:")[0]
        now = time.monotonic()
        if now - self._logged_at.get((function, name), -REPEAT_SECONDS) < REPEAT_SECONDS:
            return
        if len(self._logged_at) >= MAX_REMEMBERED:
            self._logged_at.clear()
        self._logged_at[(function, name)] = now
        log.error("store_record_broken", function=function, key=name, problem=problem.detail)
