"""The `state` of an installation at a provider: it comes back with the user's browser, and proves who began it."""

import hashlib
from typing import Any

import jwt

from gateway.domain.ids import ProjectId, UserId

STATE_SECONDS = 600
"""How long a user may take to install an app."""

_ALGORITHM = "HS256"


class InstallStates:
    """Signs and checks states. `secret_key` is the setting: any string."""

    def __init__(self, secret_key: str):
        self._key = hashlib.sha256(b"inbox-gateway install states\0" + secret_key.encode()).digest()

    def sign(self, project_id: ProjectId, user_id: UserId, app_id: str, now: int) -> str:
        """Return a state of the installation that a user begins now (unix seconds)."""
        claims = {"sub": f"{project_id} {user_id} {app_id}", "exp": now + STATE_SECONDS}
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def is_valid(self, state: str, project_id: ProjectId, user_id: UserId, app_id: str) -> bool:
        """Return whether a state is of this user's installation of this app, and has not expired."""
        try:
            claims: dict[str, Any] = jwt.decode(state, self._key, algorithms=[_ALGORITHM])
        except (jwt.InvalidTokenError, ValueError):
            return False
        return claims.get("sub") == f"{project_id} {user_id} {app_id}"
