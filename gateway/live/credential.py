"""What authenticated a connection, as far as revocation needs it."""

from typing import NamedTuple, TypeAlias

Token: TypeAlias = tuple[str, int | None]
"""What revocation needs of a token: its id, and when it was issued (unix seconds)."""

NO_TOKEN: Token = ("", None)


class ConnectionCredential(NamedTuple):
    """The id of a connection's credential, the connection's token, and when the credential expires in unix seconds."""

    authenticated_by: str
    token: Token
    expires_at: int | None
