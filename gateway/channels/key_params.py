"""Keys and certificates in configurations. Each must really be one: it is parsed before anything is stored."""

import base64
import binascii
import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from cryptography.x509 import Certificate, load_pem_x509_certificate

from gateway.domain.params import FormedText

MAX_PEM_LENGTH = 8192
"""Twice the PEM of an RSA key of 4096 bits, and enough for a certificate."""

MIN_RSA_BITS = 2048
"""NIST SP 800-131A disallows shorter keys."""

_PEM_BODY = re.compile(r"-+\s?BEGIN[A-Z ]+-+\s(?P<body>[A-Za-z0-9+/=\s]+)-+\s?END[A-Z ]+-+\s*")

PrivateKey = EllipticCurvePrivateKey | RSAPrivateKey


def read_private_key(pem: str) -> PrivateKey | None:
    """Return the EC or RSA key in an unencrypted PEM, None if there is none. Spaces and line ends may vary."""
    found = _PEM_BODY.fullmatch(pem)
    try:
        # OpenSSL's own check of an RSA key takes 37 ms (measured), during which no other request is served.
        der = base64.b64decode(found["body"]) if found else b""
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        return None
    if isinstance(key, RSAPrivateKey):
        return key if _belongs_together(key) else None
    return key if isinstance(key, EllipticCurvePrivateKey) else None


def _belongs_together(key: RSAPrivateKey) -> bool:
    """Return whether the numbers of an RSA key are those of one key (RFC 8017, 3.2)."""
    numbers = key.private_numbers()
    p, q, e, d = numbers.p, numbers.q, numbers.public_numbers.e, numbers.d
    return p * q == numbers.public_numbers.n and all(prime > 1 and e * d % (prime - 1) == 1 for prime in (p, q))


def read_certificate(pem: str) -> Certificate | None:
    """Return the certificate in a PEM, None if there is none."""
    try:
        return load_pem_x509_certificate(pem.encode())
    except (ValueError, UnicodeEncodeError):
        return None


def rsa_public_key(certificate: Certificate) -> RSAPublicKey | None:
    """Return the RSA key of a certificate, None if its key is of another kind, or broken."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def decoded_base64url(text: str) -> bytes | None:
    """Return the bytes of base64url, with or without padding, None if it is not base64url."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None


def encoded_base64url(raw: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def public_point(private: bytes) -> bytes | None:
    """Return the uncompressed public point of a private key on P-256, None if the number is not a key."""
    try:
        key = derive_private_key(int.from_bytes(private, "big"), SECP256R1())
    except ValueError:
        return None
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeyText(FormedText):
    """A text that is parsed. Parsing is tried only of a text that is otherwise valid."""

    def check(self, value: Any, path: str, problems: list[str]) -> Any:
        """Check what FormedText checks, then parse the value."""
        faults = len(problems)
        FormedText.check(self, value, path, problems)
        if len(problems) == faults and (fault := self.key_fault(value)):
            problems.append(f"Param '{path}' {fault}")
        return value

    @abstractmethod
    def key_fault(self, text: str) -> str:
        """Return what the text must be instead, "" if it is a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EcPrivateKey(_KeyText):
    """A private key on P-256 in PEM, for signatures with ES256."""

    def key_fault(self, text: str) -> str:
        """Parse the key."""
        key = read_private_key(text)
        is_ours = isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)
        return "" if is_ours else "must be an EC private key on P-256 in PEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class RsaPrivateKey(_KeyText):
    """An RSA private key in PEM, for signatures with RS256."""

    def key_fault(self, text: str) -> str:
        """Parse the key."""
        key = read_private_key(text)
        is_ours = isinstance(key, RSAPrivateKey) and key.key_size >= MIN_RSA_BITS
        return "" if is_ours else f"must be an RSA private key of {MIN_RSA_BITS} bits or more in PEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class RsaCertificate(_KeyText):
    """An X.509 certificate with an RSA key, in PEM."""

    def key_fault(self, text: str) -> str:
        """Parse the certificate."""
        found = read_certificate(text)
        is_ours = found is not None and rsa_public_key(found) is not None
        return "" if is_ours else "must be a certificate with an RSA key in PEM"


@dataclass(frozen=True, slots=True, kw_only=True)
class VapidPrivateKey(_KeyText):
    """A private key of web push: 32 bytes in base64url (RFC 8292, 3.2 has the public half)."""

    def key_fault(self, text: str) -> str:
        """Decode the key."""
        found = decoded_base64url(text)
        is_key = found is not None and len(found) == 32 and public_point(found) is not None
        return "" if is_key else "must be a private key on P-256, 32 bytes in base64url"


@dataclass(frozen=True, slots=True, kw_only=True)
class VapidPublicKey(_KeyText):
    """A public key of web push: an uncompressed point, 65 bytes in base64url (RFC 8292, 3.2)."""

    def key_fault(self, text: str) -> str:
        """Decode the key."""
        found = decoded_base64url(text)
        is_key = found is not None and len(found) == 65 and found[0] == 4
        return "" if is_key else "must be a public key on P-256, 65 bytes in base64url"
