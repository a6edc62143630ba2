"""Links at which a provider reports what became of a message to one user.

A link names the project, the user and the notification, and a signature proves that the gateway made it. Whoever has it
can have the provider asked for the result, and nothing else. Nothing that is sent to it is believed.
"""

import hashlib
from typing import Any, NamedTuple

import jwt

from gateway.domain.contact import contact_fault
from gateway.domain.ids import ProjectId, UserId

PATH = "/v2/integrations/twilio/reports/"

_ALGORITHM = "HS256"


class Reported(NamedTuple):
    """What a report is about. `notification_id` is a UUID as text."""

    project_id: ProjectId
    user_id: UserId
    notification_id: str


class ReportLinks:
    """Makes and reads links. `secret_key` is the setting, and `public_url` that of the gateway, "" if unset."""

    def __init__(self, secret_key: str, public_url: str = ""):
        self._key = hashlib.sha256(b"inbox-gateway report links\0" + secret_key.encode()).digest()
        # Twilio refuses messages whose StatusCallback is no public address, or has an underscore in its host (21609).
        is_reachable = public_url.startswith("https://") and not contact_fault(public_url) and "_" not in public_url
        self._public_url = public_url if is_reachable else ""

    def url(self, project_id: ProjectId, user_id: UserId, notification_id: str) -> str:
        """Return the link for a message, "" without a public URL that providers reach."""
        if not self._public_url:
            return ""
        token = jwt.encode({"sub": f"{project_id} {user_id} {notification_id}"}, self._key, algorithm=_ALGORITHM)
        return f"{self._public_url}{PATH}{token}"

    def read(self, token: str) -> Reported | None:
        """Return what the token of a link is about, None if the gateway has not made it."""
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
        except (jwt.InvalidTokenError, ValueError):
            return None
        project_id, user_id, notification_id = str(claims.get("sub")).split(" ")
        return Reported(ProjectId(project_id), UserId(user_id), notification_id)
