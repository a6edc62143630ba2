"""Error messages for a store that cannot be used: the server, the cause and the remedy, without any secret."""

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.cli.errors import StoreFormatUnknownError, StoreNotWritableError, StoreUnusableError
from gateway.domain.errors import UNKNOWN_FORMAT_REMEDY
from gateway.domain.redis_address import described
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.store.redis.client import StoreUnavailableError

_CERTIFICATE = "a file that INBOX_REDIS_URL names for TLS (ssl_ca_certs, ssl_certfile, ssl_keyfile) cannot be read"

_CLOSED = (
    "the server closed the connection: if it expects TLS, use rediss:// in the address; if it requires a client "
    "certificate, add ?ssl_certfile=FILE&ssl_keyfile=FILE"
)


class _Reason(NamedTuple):
    """A part of a library's message, its meaning, and whether a later attempt may succeed."""

    word: str
    text: str
    may_recover: bool = False


_REASONS = (
    _Reason("No master found", "none of these sentinels reports a reachable primary of that service", may_recover=True),
    _Reason(
        "Protocol error, got",
        "the server does not speak the Redis protocol, or it expects TLS: then use rediss:// in the address",
    ),
    _Reason("Connection closed by server", _CLOSED),
    _Reason("Connection reset by peer", _CLOSED, may_recover=True),
    _Reason("Connection lost", _CLOSED, may_recover=True),
    _Reason("wrong version number", "the port does not speak TLS: use redis:// instead of rediss:// in the address"),
    _Reason("record layer failure", "the port does not speak TLS: use redis:// instead of rediss:// in the address"),
    _Reason(
        "CERTIFICATE_VERIFY_FAILED",
        "its TLS certificate is not trusted: name the certificate authority with ?ssl_ca_certs=FILE",
    ),
    _Reason("[SSL", "the TLS handshake failed: check the port, and the certificate files that the address names"),
    _Reason("[X509", _CERTIFICATE),
    _Reason("Error 2 connecting to ", _CERTIFICATE),
    _Reason("idna", "this is not a valid host name"),
)
"""The first entry whose word is in the message applies."""

_MOVED = _Reason("MOVED ", "it is a node of a cluster: use redis+cluster:// in the address")

_CONNECTING = re.compile(r"Error (?P<number>-?\d+) connecting to [^ ]+\. (?P<why>[^;]*?)\.(?=;|$)")
_HINTS = {
    "NOAUTH": "write the password as in redis://:password@host",
    "WRONGPASS": "check the user name and the password in INBOX_REDIS_URL",
    "DB index": "check the number after the last slash of INBOX_REDIS_URL",
    "NOPERM": "`inbox-gateway doctor` lists what is missing",
}


def store_error(settings: Settings, problem: "StoreUnavailableError") -> StoreUnusableError:
    """Return the command's exception for one of the store."""
    from gateway.store.redis.problems import StoreFormatError, StoreRefusedError, StoreWritesRefusedError

    if isinstance(problem, StoreFormatError):
        text = f"{store_name(settings)} cannot be used: {problem.cause}; {UNKNOWN_FORMAT_REMEDY}"
        return StoreFormatUnknownError(text, may_recover=False)
    if isinstance(problem, StoreRefusedError):
        hint = next((hint for word, hint in _HINTS.items() if word in problem.detail), "")
        text = f"{store_name(settings)} refuses: {problem.cause}" + (f"; {hint}" if hint else "")
        return StoreUnusableError(text, may_recover=False)
    if isinstance(problem, StoreWritesRefusedError):
        text = f"{store_name(settings)} cannot be used: {problem.cause}"
        return StoreNotWritableError(text, may_recover=True)
    known = _known(settings, problem)
    text = f"{store_name(settings)} cannot be used: {reason_of(settings, problem)}"
    return StoreUnusableError(text, may_recover=known is None or known.may_recover)


def reason_of(settings: Settings, problem: "StoreUnavailableError") -> str:
    """Return the most precise cause of a store exception, for a message."""
    if known := _known(settings, problem):
        return known.text
    if "no reply in time" in problem.detail and settings.redis_url.startswith("rediss"):
        return "no reply in time; a port that does not speak TLS never replies: then use redis:// in the address"
    return _CONNECTING.sub(_system_reason, problem.detail)


def _known(settings: Settings, problem: "StoreUnavailableError") -> _Reason | None:
    if settings.embedded or settings.redis_url.startswith("unix"):
        return None  # the system's message is precise enough there
    reasons = _REASONS if "+cluster" in settings.redis_url else (_MOVED, *_REASONS)
    return next((reason for reason in reasons if reason.word in problem.detail), None)


def store_name(settings: Settings) -> str:
    """Return the name of the store in messages."""
    if settings.embedded:
        return "the bundled Valkey"
    return f"the server of INBOX_REDIS_URL ({described(settings.redis_url)})"


def _system_reason(found: re.Match[str]) -> str:
    """Return the system's text for an error number. Numbers up to zero are the resolver's, which has its own text."""
    number = int(found["number"])
    return found["why"] if number <= 0 else os.strerror(number)
