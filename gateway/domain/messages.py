"""What server and client say to each other on a live connection: protocol version 1, without the events.

One JSON object each, told apart by `type`. An event is bytes from the store already: domain/event.py.
"""

import difflib
import re
from typing import TypeAlias

import msgspec

from gateway.domain.principal import Credentials

# ---- what the server says; events aside, which are bytes already


class CountsBody(msgspec.Struct, frozen=True):
    """Unread and unseen among the items that are not archived."""

    unread_count: int
    unseen_count: int


class Ready(msgspec.Struct, frozen=True, tag_field="type", tag="ready"):
    """The session is open. The stream goes on right after `position`; the counts are as of now."""

    position: str
    connection_id: str
    unread_count: int
    unseen_count: int
    unarchived: CountsBody
    heartbeat_seconds: float


class Reset(msgspec.Struct, frozen=True, tag_field="type", tag="reset"):
    """What lies before `position` can no longer be replayed: fetch once, then go on from here."""

    position: str
    reason: str


class Renewed(msgspec.Struct, frozen=True, tag_field="type", tag="renewed"):
    """A new token was accepted; unix seconds, null for credentials that do not expire."""

    expires_at: int | None


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """The answer to a ping."""


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """The client's last message made no sense, or its credentials do not hold."""

    code: str
    message: str


class Goodbye(msgspec.Struct, frozen=True, tag_field="type", tag="goodbye"):
    """The last message. `code` is a close code; come back after `retry_after_ms` unless that is null."""

    code: int
    reason: str
    retry_after_ms: int | None


ServerMessage: TypeAlias = Ready | Reset | Renewed | Pong | Error | Goodbye


# ---- what the client says


class AuthMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="auth"):
    """Credentials: the first message, or later a token to renew with."""

    api_key: str | None = None
    user_external_id: str | None = None
    user_email: str | None = None
    user_hmac: str | None = None
    token: str | None = None
    since: str | None = None

    @property
    def credentials(self) -> Credentials:
        """The fields that say who is there."""
        return Credentials(
            api_key=self.api_key,
            external_id=self.user_external_id,
            email=self.user_email,
            hmac=self.user_hmac,
            token=self.token,
        )


class PingMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A question that `pong` answers."""


_decoder: msgspec.json.Decoder[AuthMessage | PingMessage] = msgspec.json.Decoder(AuthMessage | PingMessage)

_UNKNOWN_FIELD = re.compile(r"unknown field `(.{1,40})`$")


def decode_client_message(data: bytes | str) -> AuthMessage | PingMessage:
    """Read what a client says. Raises msgspec.DecodeError and UnicodeDecodeError."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as problem:
        if unknown := _UNKNOWN_FIELD.search(str(problem)):
            close = difflib.get_close_matches(unknown[1], AuthMessage.__struct_fields__, n=1)
            if close:
                raise msgspec.ValidationError(f"{problem}; did you mean `{close[0]}`?") from None
        raise
