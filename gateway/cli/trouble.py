"""Why the store cannot be used, in one sentence that names the server and says what to do, and no secret."""

import os
import re
from typing import TYPE_CHECKING

from gateway.domain.redis_address import described
from gateway.settings import Settings
from gateway.supervisor import SupervisorError

if TYPE_CHECKING:
    from gateway.store.client import StoreUnavailableError

_CERTIFICATE = "a file that INBOX_REDIS_URL names for TLS (ssl_ca_certs, ssl_certfile, ssl_keyfile) cannot be read"

_REASONS = (
    ("No master found", "none of these sentinels names a reachable primary of that service"),
    ("Protocol error, got", "what answers there is no Redis, or expects TLS: then the address begins with rediss"),
    ("Connection closed by server", "it closes the connection: a port that expects TLS needs rediss in the address"),
    ("wrong version number", "that port does not speak TLS: the address begins with redis instead of rediss"),
    ("record layer failure", "that port does not speak TLS: the address begins with redis instead of rediss"),
    ("CERTIFICATE_VERIFY_FAILED", "its TLS certificate is not trusted: name its authority with ?ssl_ca_certs=FILE"),
    ("Errno 2", _CERTIFICATE),
    ("[X509", _CERTIFICATE),
    ("[SSL", "a file that INBOX_REDIS_URL names for TLS does not fit, or the server refuses it"),
    ("idna", "that is no name of a host"),
)
"""What a message of the library contains, and what it means. The first that it contains counts."""

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


def store_trouble(settings: Settings, problem: "StoreUnavailableError") -> StoreTroubleError:
    """Return what to raise when the store cannot be used."""
    from gateway.store.problems import StoreFormatError, StoreRefusedError

    if isinstance(problem, StoreFormatError):
        text = f"{store_name(settings)} cannot be used: {problem.cause}; {problem.code.kind.suggestion.split(': ')[1]}"
        return StoreFormatTroubleError(text, may_heal=False)
    if isinstance(problem, StoreRefusedError):
        hint = next((hint for word, hint in _HINTS.items() if word in problem.detail), "")
        text = f"{store_name(settings)} refuses: {problem.cause}" + (f"; {hint}" if hint else "")
        return StoreTroubleError(text, may_heal=False)
    known = next((reason for word, reason in _REASONS if word in problem.detail), "")
    final = known.startswith(("its TLS", "that is no", "a file", "that port", "what answers"))
    return StoreTroubleError(
        f"{store_name(settings)} cannot be used: {reason_of(settings, problem)}", may_heal=not final
    )


def reason_of(settings: Settings, problem: "StoreUnavailableError") -> str:
    """Return the cause of what the store raised, as precisely as it is known."""
    for word, reason in _REASONS:
        if word in problem.detail:
            return reason
    if "no answer in time" in problem.detail and settings.redis_url.startswith("rediss"):
        return "no answer in time; a port that does not speak TLS never answers, and its address begins with redis"
    return _CONNECTING.sub(_system_reason, problem.detail)


def store_name(settings: Settings) -> str:
    """Return what the store is called in messages."""
    if settings.embedded:
        return "the bundled Valkey"
    return f"the server of INBOX_REDIS_URL ({described(settings.redis_url)})"


def _system_reason(found: re.Match[str]) -> str:
    """Return the system's word for an error number; those below zero are of the resolver, which has its own text."""
    number = int(found["number"])
    return found["why"] if number <= 0 else os.strerror(number)
