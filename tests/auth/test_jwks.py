"""The validation of a project's public keys, and their use."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.auth.jwks import MAX_KEYS, MAX_PEM_LENGTH, read_key, read_keys, verification_key

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def pem(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def jwk(key: Any) -> dict[str, Any]:
    read = read_key({"pem": pem(key)}, "key", [])
    assert read is not None
    return read.jwk


def problems_of(value: Any) -> list[str]:
    problems: list[str] = []
    assert read_key(value, "key", problems) is None
    return problems


@pytest.mark.parametrize(("key", "algorithm"), [(EC_KEY, "ES256"), (RSA_KEY, "RS256")], ids=["ec", "rsa"])
def test_pem_and_jwk_of_a_key_are_the_same_key(key: Any, algorithm: str) -> None:
    from_pem = read_key({"pem": pem(key), "kid": "name"}, "key", [])
    from_jwk = read_key(jwk(key) | {"kid": "name"}, "key", [])
    assert from_pem is not None
    assert from_pem == from_jwk
    assert (from_pem.id, from_pem.algorithm) == ("name", algorithm)
    assert verification_key(from_pem).public_numbers() == key.public_key().public_numbers()


def test_a_key_without_an_id_is_named_by_its_thumbprint() -> None:
    read = read_key({"pem": pem(EC_KEY)}, "key", [])
    assert read is not None
    assert read.id == read.thumbprint


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ("text", ["Param 'key' must be a hash"]),
        (
            {"kid": "", "d": "x", "p": "x"},
            [
                "Param 'key.kid' must be a string of 1 to 128 printable characters",
                "Param 'key.d' is of a private key, which must stay with you",
                "Param 'key.p' is of a private key, which must stay with you",
            ],
        ),
        ({"kty": "oct"}, ["Param 'key.kty' must be one of RSA, EC"]),
        ({"kty": "EC", "crv": "P-384"}, ["Param 'key.crv' must be P-256"]),
        (
            {"kty": "EC", "crv": "P-256", "alg": "RS256", "use": "enc", "x": "?", "y": 1},
            [
                "Param 'key.alg' must be ES256",
                "Param 'key.use' must be sig",
                "Param 'key.x' must be a number in base64url",
                "Param 'key.y' must be a number in base64url",
            ],
        ),
        (
            {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},
            ["Param 'key.x' and 'key.y' must be a point on P-256"],
        ),
        ({"kty": "RSA", "n": "AQ", "e": "AQAB"}, ["Param 'key.n' must have 2048 to 8192 bits"]),
        ({"pem": 1}, ["Param 'key.pem' must be a string"]),
        ({"pem": "x"}, ["Param 'key.pem' must be a public key in PEM"]),
        ({"pem": "x" * (MAX_PEM_LENGTH + 1)}, ["Param 'key.pem' must have at most 8192 characters"]),
    ],
)
def test_what_is_wrong_with_a_key_is_named_by_field(value: Any, problems: list[str]) -> None:
    assert problems_of(value) == problems


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["p-384", "ed25519"]
)
def test_a_key_of_another_kind_is_refused(key: Any) -> None:
    assert problems_of({"pem": pem(key)}) == ["Param 'key.pem' must be an RSA key, or an EC key on P-256"]


def test_an_even_exponent_is_refused() -> None:
    assert problems_of(jwk(RSA_KEY) | {"e": "Ag"}) == ["Param 'key.e' must have an odd exponent of at most 32 bits"]


def test_a_private_key_is_refused() -> None:
    private = EC_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert problems_of({"pem": private}) == ["Param 'key.pem' is a private key, which must stay with you"]


def test_two_keys_of_a_project_have_different_ids() -> None:
    problems: list[str] = []
    read_keys([jwk(EC_KEY) | {"kid": "a"}, "text", jwk(RSA_KEY) | {"kid": "a"}], "keys", problems)
    assert problems == ["Param 'keys[1]' must be a hash", "Param 'keys[2].kid' is that of another key"]


def test_a_project_has_a_bounded_number_of_keys() -> None:
    problems: list[str] = []
    assert read_keys([jwk(EC_KEY)] * (MAX_KEYS + 1), "keys", problems) == []
    assert problems == ["Param 'keys' must have 0 to 20 items"]
