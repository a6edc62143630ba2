"""The proof that a browser is a visitor of the demo: a signed cookie, which scripts cannot read."""

import hashlib
import secrets
from typing import Any

import jwt

COOKIE = "inbox_demo"

VISIT_SECONDS = 3600
"""How long the cookie is valid. An open page renews it with its tokens."""

_ALGORITHM = "HS256"


def new_visitor() -> str:
    """Return the id of a new visitor: 64 random bits, in characters that a name of a user may have."""
    return secrets.token_hex(8)


class DemoVisits:
    """Signs and checks cookies. `secret_key` is the setting: any string."""

    def __init__(self, secret_key: str):
        self._key = hashlib.sha256(b"inbox-gateway demo visits\0" + secret_key.encode()).digest()

    def sign(self, visitor: str, now: int) -> str:
        """Return the value of a visitor's cookie, from now on (unix seconds)."""
        return jwt.encode({"sub": visitor, "exp": now + VISIT_SECONDS}, self._key, algorithm=_ALGORITHM)

    def visitor(self, cookies: str) -> str | None:
        """Return the visitor that a `Cookie` header proves, None if it proves none."""
        for cookie in cookies.split(";"):
            name, _, value = cookie.strip().partition("=")
            if name == COOKIE:
                try:
                    claims: dict[str, Any] = jwt.decode(value, self._key, algorithms=[_ALGORITHM])
                except (jwt.InvalidTokenError, ValueError):
                    return None
                return str(claims["sub"]) if "sub" in claims else None
        return None
