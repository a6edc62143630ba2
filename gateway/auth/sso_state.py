"""The sign-in that a browser has begun at the provider of single sign-on, in a signed cookie of this browser.

The provider sends the browser back with the `state`. Only the browser with the cookie can end the sign-in (RFC 9700,
4.7), and only with the code that was issued for its `verifier` (RFC 7636) and the token with its `nonce`.
"""

import hashlib
import hmac
import secrets
from typing import Any

import jwt
import msgspec

STATE_SECONDS = 600
"""How long somebody may take to sign in at the provider."""

_ALGORITHM = "HS256"


class PendingSignIn(msgspec.Struct, frozen=True):
    """A sign-in that has begun at `began_at` (unix seconds).

    `return_to` is the address within the dashboard to which it leads. `is_fresh` is whether the provider must ask who
    it is, even if it knows. `admin_id` is the admin who confirms by it, "" for anybody.
    """

    state: str
    nonce: str
    verifier: str
    began_at: int
    return_to: str = ""
    is_fresh: bool = False
    admin_id: str = ""


def begun(now: int, return_to: str, *, is_fresh: bool, admin_id: str) -> PendingSignIn:
    """Return a sign-in that begins now."""
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return PendingSignIn(state, nonce, verifier, now, return_to, is_fresh, admin_id)


class SsoStates:
    """Signs and reads the cookies. `secret_key` is the setting: any string."""

    def __init__(self, secret_key: str):
        self._key = hashlib.sha256(b"inbox-gateway sso states\0" + secret_key.encode()).digest()

    def sign(self, pending: PendingSignIn) -> str:
        """Return the value of the cookie."""
        claims = {"pending": msgspec.to_builtins(pending), "exp": pending.began_at + STATE_SECONDS}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def read(self, cookie: str, state: str) -> PendingSignIn | None:
        """Return the sign-in of a cookie. None if it has expired, is not ours, or has another state."""
        try:
            claims: dict[str, Any] = jwt.decode(cookie, self._key, algorithms=[_ALGORITHM])
            pending = msgspec.convert(claims.get("pending"), PendingSignIn)
        except (jwt.InvalidTokenError, ValueError):
            return None
        return pending if hmac.compare_digest(pending.state.encode(), state.encode()) else None
