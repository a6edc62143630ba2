"""API secrets and public keys: the credentials that prove a caller's name, and their ids.

Each credential of a project has a short id. A live connection keeps only the id of the credential that authenticated
it, and is closed when the project no longer accepts that credential.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

NO_PROOF = ""
"""The credential id of a caller that sends a name without proof, which a project with HMAC disabled accepts."""

SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name, not a secret

KEY_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}
"""The only algorithm that is accepted for a public key of each type (RFC 7517, `kty`)."""

KEY_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}
"""The required members of a key of each type, in the order of RFC 7638, 3.2."""


@lru_cache(maxsize=4096)
def secret_id(secret: str) -> str:
    """Return the id of an API secret, which is also the `kid` of tokens signed with it.

    It is a hash, 96 bits long; a secret that cannot be guessed cannot be recovered from it.
    """
    digest = hashlib.sha256(b"inbox-gateway secret id\0" + secret.encode()).digest()
    return sys.intern(base64.urlsafe_b64encode(digest[:12]).decode())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public key of a key pair with which a project's backend signs user tokens.

    `members` are those of KEY_MEMBERS, encoded as in RFC 7518. `id` is the `kid` in the header of tokens; if it is "",
    the key's thumbprint becomes the id.
    """

    id: str
    members: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.thumbprint)

    @property
    def algorithm(self) -> str:
        """Return the only algorithm that is accepted for tokens signed with this key."""
        return KEY_ALGORITHMS[self.members["kty"]]

    @property
    def thumbprint(self) -> str:
        """Return the SHA-256 thumbprint of the key (RFC 7638), in base64url."""
        required = {name: self.members[name] for name in KEY_MEMBERS[self.members["kty"]]}
        canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
        return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()

    @property
    def credential_id(self) -> str:
        """Return the id of this credential, which depends on the key alone and not on its `kid`."""
        return sys.intern(f"key:{self.thumbprint}")

    @property
    def jwk(self) -> dict[str, str]:
        """Return the key as a JWK (RFC 7517)."""
        return {"kid": self.id, "use": "sig", "alg": self.algorithm, **self.members}
