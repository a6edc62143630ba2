"""What credentials rest on: an API secret, a public key, or the project's word that no proof is needed.

Each ground has a short name. A live connection remembers only that, and ends when its project no longer has it.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

NO_PROOF = ""
"""The ground of who came with a name alone, which a project without HMAC takes."""

SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name, not a secret

KEY_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""The one algorithm that a public key of each type (RFC 7517, `kty`) is for."""

KEY_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}
"""The members that make a key of each type what it is, in the order of RFC 7638, 3.2."""


@lru_cache(maxsize=4096)
def secret_id(secret: str) -> str:
    """Name an API secret: the `kid` of tokens signed with it, and a ground. It tells nothing of a good secret."""
    digest = hashlib.sha256(b"inbox-gateway secret id\0" + secret.encode()).digest()
    return sys.intern(base64.urlsafe_b64encode(digest[:12]).decode())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that a project's backend signs user tokens with. `members` are those of KEY_MEMBERS, as RFC 7518 has them.

    `id` is the `kid` that tokens name it by; "" takes the key's thumbprint.
    """

    id: str
    members: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.thumbprint)

    @property
    def algorithm(self) -> str:
        """The only algorithm that its tokens may have."""
        return KEY_ALGORITHMS[self.members["kty"]]

    @property
    def thumbprint(self) -> str:
        """The name that follows from the key itself (RFC 7638)."""
        required = {name: self.members[name] for name in KEY_MEMBERS[self.members["kty"]]}
        canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()

    @property
    def ground(self) -> str:
        """What tokens signed with it rest on: the key itself, whatever it is called."""
        return sys.intern(f"key:{self.thumbprint}")

    @property
    def jwk(self) -> dict[str, str]:
        """The key as a JWK."""
        return {"kid": self.id, "use": "sig", "alg": self.algorithm, **self.members}
