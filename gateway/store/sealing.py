"""Encryption at rest of tenants' secrets other than API secrets: AES-256-GCM with a key derived from INBOX_SECRET_KEY.

What is encrypted is bound to its place, as associated data. Copied to another project or integration, it cannot be
decrypted.
"""

import base64
import binascii
import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
"""The nonce of NIST SP 800-38D, 8.2.2: random, since a key encrypts far fewer than 2^32 values."""


class Sealer:
    """Encrypts and decrypts values. `secret_key` is the setting: any string."""

    def __init__(self, secret_key: str):
        self._cipher = AESGCM(hashlib.sha256(b"inbox-gateway sealed values\0" + secret_key.encode()).digest())

    def seal(self, plain: bytes, place: str) -> str:
        """Return a value encrypted for a place, as text."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, place.encode())).decode()

    def open(self, sealed: str, place: str) -> bytes | None:
        """Return the value, None if it was encrypted with another key or for another place."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError, binascii.Error):
            return None
