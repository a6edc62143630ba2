"""Links that switch the emails of a category for one user off, and on again, without a login (RFC 8058).

A link names the project, the user and the category, and a signature proves that the gateway made it. It does not
expire: people unsubscribe by old mails too. Whoever has it can switch these emails off and on, and nothing else.
"""

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

import msgspec

from gateway.domain.ids import ProjectId, UserId

PATH = "/unsubscribe/"

MAX_TOKEN_LENGTH = 2048
"""More than the token of the longest category has, which has 255 characters."""

_SIGNATURE_BYTES = 16


class Unsubscription(NamedTuple):
    """What a link switches off. `category` is the stored name, "" for notifications without a category."""

    project_id: ProjectId
    user_id: UserId
    category: str


class UnsubscribeLinks:
    """Makes and reads links. `secret_key` is the setting: any string. `public_url` is that of the gateway, "" if unset.

    A mail cannot have a link without the public URL: nobody calls the process that sends it.
    """

    def __init__(self, secret_key: str, public_url: str = ""):
        self._key = hashlib.sha256(b"inbox-gateway unsubscribe links\0" + secret_key.encode()).digest()
        self._public_url = public_url

    def url(self, project_id: ProjectId, user_id: UserId, category: str) -> str:
        """Return the link for a user and a category, "" without a public URL."""
        if not self._public_url:
            return ""
        claims = msgspec.json.encode([project_id, user_id, category])
        token = base64.urlsafe_b64encode(self._signature(claims) + claims).decode().rstrip("=")
        return f"{self._public_url}{PATH}{token}"

    def read(self, token: str) -> Unsubscription | None:
        """Return what the token of a link switches off, None if the gateway has not made it."""
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        try:
            decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        signature, claims = decoded[:_SIGNATURE_BYTES], decoded[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(claims)):
            return None
        project_id, user_id, category = msgspec.json.decode(claims, type=tuple[str, str, str])
        return Unsubscription(ProjectId(project_id), UserId(user_id), category)

    def _signature(self, claims: bytes) -> bytes:
        return hmac.digest(self._key, claims, "sha256")[:_SIGNATURE_BYTES]
