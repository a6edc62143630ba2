"""Why the store cannot be used, in one sentence that names the server and says what to do, and no secret."""

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.domain.redis_address import described
from gateway.server.supervisor import SupervisorError
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.redis.client import StoreUnavailableError

_CERTIFICATE = "a file that INBOX_REDIS_URL names for TLS (ssl_ca_certs, ssl_certfile, ssl_keyfile) cannot be read"

_CLOSED = (
    "it closes the connection: if it expects TLS, the address begins with rediss; if it asks for a certificate, "
    "?ssl_certfile=FILE&ssl_keyfile=FILE name it"
)


class _Reason(NamedTuple):
    """What a message of a library contains, what that means, and whether waiting may help."""

    word: str
    text: str
    may_heal: bool = False


_REASONS = (
    _Reason("No master found", "none of these sentinels names a reachable primary of that service", may_heal=True),
    _Reason(
        "Protocol error, got", "what answers there is no Redis, or expects TLS: then the address begins with rediss"
    ),
    _Reason("Connection closed by server", _CLOSED),
    _Reason("Connection reset by peer", _CLOSED, may_heal=True),
    _Reason("wrong version number", "that port does not speak TLS: the address begins with redis instead of rediss"),
    _Reason("record layer failure", "that port does not speak TLS: the address begins with redis instead of rediss"),
    _Reason(
        "CERTIFICATE_VERIFY_FAILED", "its TLS certificate is not trusted: name its authority with ?ssl_ca_certs=FILE"
    ),
    _Reason("[SSL", "TLS does not come about: is it the right port, and do the files fit that the address names?"),
    _Reason("[X509", _CERTIFICATE),
    _Reason("Error 2 connecting to ", _CERTIFICATE),
    _Reason("idna", "that is no name of a host"),
)
"""The first whose word is in the message counts."""

_MOVED = _Reason("MOVED ", "it is a node of a cluster: the address begins with redis+cluster")

_CONNECTING = re.compile(r"Error (?P<number>-?\d+) connecting to [^ ]+\. (?P<why>[^;]*?)\.(?=;|$)")
_HINTS = {
    "NOAUTH": "give the password as in redis://:password@host",
    "WRONGPASS": "check the user name and the password in INBOX_REDIS_URL",
    "DB index": "check the number after the last slash of INBOX_REDIS_URL",
    "NOPERM": "`inbox-gateway doctor` lists what is missing",
}


class StoreTroubleError(SupervisorError):
    """The store cannot be used. `may_heal` says whether waiting may help."""

    def __init__(self, message: str, *, may_heal: bool):
        super().__init__(message)
        self.may_heal = may_heal


class StoreFormatTroubleError(StoreTroubleError):
    """What is stored is of a format that this version does not know."""


class StoreWritesTroubleError(StoreTroubleError):
    """The store takes no writes, not even the gateway's functions, without which it cannot be read."""


def store_trouble(settings: Settings, problem: "StoreUnavailableError") -> StoreTroubleError:
    """Return what to raise when the store cannot be used."""
    from gateway.store.redis.problems import StoreFormatError, StoreRefusedError, StoreWritesRefusedError

    if isinstance(problem, StoreFormatError):
        text = f"{store_name(settings)} cannot be used: {problem.cause}; {problem.code.kind.suggestion.split(': ')[1]}"
        return StoreFormatTroubleError(text, may_heal=False)
    if isinstance(problem, StoreRefusedError):
        hint = next((hint for word, hint in _HINTS.items() if word in problem.detail), "")
        text = f"{store_name(settings)} refuses: {problem.cause}" + (f"; {hint}" if hint else "")
        return StoreTroubleError(text, may_heal=False)
    if isinstance(problem, StoreWritesRefusedError):
        text = f"{store_name(settings)} cannot be used: {problem.cause}"
        return StoreWritesTroubleError(text, may_heal=True)
    known = _known(settings, problem)
    text = f"{store_name(settings)} cannot be used: {reason_of(settings, problem)}"
    return StoreTroubleError(text, may_heal=known is None or known.may_heal)


def reason_of(settings: Settings, problem: "StoreUnavailableError") -> str:
    """Return the cause of what the store raised, as precisely as it is known."""
    if known := _known(settings, problem):
        return known.text
    if "no answer in time" in problem.detail and settings.redis_url.startswith("rediss"):
        return "no answer in time; a port that does not speak TLS never answers, and its address begins with redis"
    return _CONNECTING.sub(_system_reason, problem.detail)


def _known(settings: Settings, problem: "StoreUnavailableError") -> _Reason | None:
    if settings.embedded or settings.redis_url.startswith("unix"):
        return None  # the system's own words are plain there
    reasons = _REASONS if "+cluster" in settings.redis_url else (_MOVED, *_REASONS)
    return next((reason for reason in reasons if reason.word in problem.detail), None)


def store_name(settings: Settings) -> str:
    """Return what the store is called in messages."""
    if settings.embedded:
        return "the bundled Valkey"
    return f"the server of INBOX_REDIS_URL ({described(settings.redis_url)})"


def _system_reason(found: re.Match[str]) -> str:
    """Return the system's word for an error number; those below zero are of the resolver, which has its own text."""
    number = int(found["number"])
    return found["why"] if number <= 0 else os.strerror(number)
