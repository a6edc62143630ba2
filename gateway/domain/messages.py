"""The messages of a live connection: version 1 of the protocol, except for events.

Each message is one JSON object, whose `type` distinguishes it. Events are stored encoded (`gateway.domain.event`).
"""

import difflib
import re
from typing import TypeAlias

import msgspec

from gateway.domain.principal import Credentials

MAX_WAIT_SECONDS = 50
"""The longest wait of long polling. Most proxies end a request without a response after 60 seconds."""

# ---- from server to client


class CountsBody(msgspec.Struct, frozen=True):
    """How many items are unread and unseen among those that are not archived."""

    unread_count: int
    unseen_count: int


class Ready(msgspec.Struct, frozen=True, tag_field="type", tag="ready"):
    """The session is open. The stream continues directly after `position`; the counts are as of now."""

    position: str
    connection_id: str
    unread_count: int
    unseen_count: int
    unarchived: CountsBody
    heartbeat_seconds: float


class Reset(msgspec.Struct, frozen=True, tag_field="type", tag="reset"):
    """Events before `position` can no longer be replayed: the client fetches its inbox and continues from there.

    The counts are those at `position`.
    """

    position: str
    reason: str
    unread_count: int
    unseen_count: int
    unarchived: CountsBody


class Renewed(msgspec.Struct, frozen=True, tag_field="type", tag="renewed"):
    """A new token was accepted. `expires_at` is unix seconds, null for credentials that do not expire."""

    expires_at: int | None


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """The response to a ping."""


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """The client's last message was not valid, or its credentials were not accepted."""

    code: str
    message: str


class Goodbye(msgspec.Struct, frozen=True, tag_field="type", tag="goodbye"):
    """The last message. `code` is a close code. Clients reconnect after `retry_after_ms`, but not if it is null."""

    code: int
    reason: str
    retry_after_ms: int | None


ServerMessage: TypeAlias = Ready | Reset | Renewed | Pong | Error | Goodbye


# ---- from client to server


class AuthMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="auth"):
    """The credentials of a connection: as its first message, or later to renew its token."""

    api_key: str | None = None
    user_external_id: str | None = None
    user_email: str | None = None
    user_hmac: str | None = None
    token: str | None = None
    since: str | None = None

    @property
    def credentials(self) -> Credentials:
        """Return the credentials in the message."""
        return Credentials(
            api_key=self.api_key,
            external_id=self.user_external_id,
            email=self.user_email,
            hmac=self.user_hmac,
            token=self.token,
        )


class PingMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="ping"):
    """A request for a `pong`."""


_decoder: msgspec.json.Decoder[AuthMessage | PingMessage] = msgspec.json.Decoder(AuthMessage | PingMessage)

_UNKNOWN_FIELD = re.compile(r"unknown field `(.{1,40})`$")


def decode_client_message(data: bytes | str) -> AuthMessage | PingMessage:
    """Return the message of a client. Raise msgspec.DecodeError or UnicodeDecodeError if it is not valid."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as problem:
        if unknown := _UNKNOWN_FIELD.search(str(problem)):
            close = difflib.get_close_matches(unknown[1], AuthMessage.__struct_fields__, n=1)
            if close:
                raise msgspec.ValidationError(f"{problem}; did you mean `{close[0]}`?") from None
        raise
