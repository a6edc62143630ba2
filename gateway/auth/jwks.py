"""The public keys that a project registers, as JWKs (RFC 7517) or PEM: validation, and use for verification.

The type of a key determines the algorithm of its tokens: RS256 for RSA of at least 2048 bits, ES256 for EC on P-256.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from gateway.domain.signing import KEY_ALGORITHMS, PublicKey

MAX_KEYS = 20
"""The most keys of one project: enough for the current and the next key of a few services."""

MAX_KEY_ID_LENGTH = 128
MAX_PEM_LENGTH = 8192
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
"""NIST SP 800-131A disallows shorter keys. A longer one only makes verification slow, which an attacker could use."""

MAX_EXPONENT_BITS = 32

_PRIVATE_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")

VerificationKey = RSAPublicKey | EllipticCurvePublicKey


def verification_key(key: PublicKey) -> VerificationKey:
    """Return the key that verifies signatures, for a key that was read by this module. The result is cached."""
    return _parsed(tuple(sorted(key.members.items())))


@lru_cache(maxsize=1024)
def _parsed(members: tuple[tuple[str, str], ...]) -> VerificationKey:
    value = dict(members)
    if value["kty"] == "RSA":
        return RSAPublicNumbers(_integer(value["e"]), _integer(value["n"])).public_key()
    return EllipticCurvePublicNumbers(_integer(value["x"]), _integer(value["y"]), SECP256R1()).public_key()


def read_key(value: Any, path: str, problems: list[str]) -> PublicKey | None:
    """Read a JWK, or an object `{"pem", "kid"?}`. Return None after adding a message to `problems` for each fault.

    `path` names the value in messages.
    """
    before = len(problems)
    if not isinstance(value, dict):
        problems.append(f"Param '{path}' must be a hash")
        return None
    kid = value.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KEY_ID_LENGTH and kid.isprintable()):
        problems.append(f"Param '{path}.kid' must be a string of 1 to {MAX_KEY_ID_LENGTH} printable characters")
    problems.extend(
        f"Param '{path}.{name}' is of a private key, which must stay with you"
        for name in _PRIVATE_MEMBERS
        if name in value
    )
    if len(problems) > before:
        return None
    pem = "pem" in value
    members = _from_pem(value["pem"], f"{path}.pem", problems) if pem else _from_jwk(value, path, problems)
    return PublicKey(kid or "", members) if members and len(problems) == before else None


def read_keys(values: list[Any], path: str, problems: list[str]) -> list[PublicKey]:
    """Return the valid keys of a project, whose ids must be unique. Add a message to `problems` for each fault."""
    if len(values) > MAX_KEYS:
        problems.append(f"Param '{path}' must have 0 to {MAX_KEYS} items")
        return []
    found: dict[str, PublicKey] = {}
    for index, value in enumerate(values):
        key = read_key(value, f"{path}[{index}]", problems)
        if key is None:
            continue
        if key.id in found:
            problems.append(f"Param '{path}[{index}].kid' is that of another key")
        found[key.id] = key
    return list(found.values())


def _from_pem(text: Any, path: str, problems: list[str]) -> dict[str, str] | None:
    if not isinstance(text, str):
        problems.append(f"Param '{path}' must be a string")
        return None
    if len(text) > MAX_PEM_LENGTH:
        problems.append(f"Param '{path}' must have at most {MAX_PEM_LENGTH} characters")
        return None
    if "PRIVATE KEY" in text:
        problems.append(f"Param '{path}' is a private key, which must stay with you")
        return None
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm, UnicodeEncodeError):
        problems.append(f"Param '{path}' must be a public key in PEM")
        return None
    if isinstance(key, RSAPublicKey):
        rsa = key.public_numbers()
        return _checked_rsa({"kty": "RSA", "n": _encoded(rsa.n), "e": _encoded(rsa.e)}, path, path, problems)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        ec = key.public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": _encoded(ec.x, 32), "y": _encoded(ec.y, 32)}
    problems.append(f"Param '{path}' must be an RSA key, or an EC key on P-256")
    return None


def _from_jwk(value: Mapping[str, Any], path: str, problems: list[str]) -> dict[str, str] | None:
    kty = value.get("kty")
    if not isinstance(kty, str) or kty not in KEY_ALGORITHMS:
        problems.append(f"Param '{path}.kty' must be one of {', '.join(KEY_ALGORITHMS)}")
        return None
    algorithm = KEY_ALGORITHMS[kty]
    if value.get("alg") not in (None, algorithm):
        problems.append(f"Param '{path}.alg' must be {algorithm}")
    if value.get("use") not in (None, "sig"):
        problems.append(f"Param '{path}.use' must be sig")
    if kty == "EC" and value.get("crv") != "P-256":
        problems.append(f"Param '{path}.crv' must be P-256")
        return None
    numbers: dict[str, int] = {}
    for name in ("n", "e") if kty == "RSA" else ("x", "y"):
        try:
            numbers[name] = _integer(value.get(name))
        except (ValueError, binascii.Error):
            problems.append(f"Param '{path}.{name}' must be a number in base64url")
    if len(numbers) < 2:
        return None
    if kty == "RSA":
        members = {"kty": "RSA", "n": _encoded(numbers["n"]), "e": _encoded(numbers["e"])}
        return _checked_rsa(members, f"{path}.n", f"{path}.e", problems)
    try:
        EllipticCurvePublicNumbers(numbers["x"], numbers["y"], SECP256R1()).public_key()
    except ValueError:
        problems.append(f"Param '{path}.x' and '{path}.y' must be a point on P-256")
        return None
    return {"kty": "EC", "crv": "P-256", "x": _encoded(numbers["x"], 32), "y": _encoded(numbers["y"], 32)}


def _checked_rsa(
    members: dict[str, str], modulus_path: str, exponent_path: str, problems: list[str]
) -> dict[str, str] | None:
    modulus, exponent = _integer(members["n"]), _integer(members["e"])
    bits = modulus.bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS or modulus % 2 == 0:
        problems.append(f"Param '{modulus_path}' must have {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    elif exponent % 2 == 0 or exponent < 3 or exponent.bit_length() > MAX_EXPONENT_BITS:
        problems.append(f"Param '{exponent_path}' must have an odd exponent of at most {MAX_EXPONENT_BITS} bits")
    else:
        return members
    return None


def _integer(text: Any) -> int:
    """Decode a Base64urlUInt (RFC 7518, 2). Raises ValueError."""
    if not isinstance(text, str) or not text or len(text) > 2 * MAX_RSA_BITS // 8:
        raise ValueError
    raw = text.rstrip("=").encode("ascii")
    return int.from_bytes(base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True), "big")


def _encoded(number: int, length: int = 0) -> str:
    size = length or (number.bit_length() + 7) // 8
    return base64.urlsafe_b64encode(number.to_bytes(size, "big")).rstrip(b"=").decode()
