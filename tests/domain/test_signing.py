"""The ids of API secrets and public keys."""

import pytest

from gateway.domain.signing import PublicKey, secret_id

# RFC 7638, 3.1
RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
    "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu"
    "6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awa"
    "pJzKnqDKgw",
    "e": "AQAB",
}
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}


def test_a_key_without_an_id_is_identified_by_its_rfc_7638_thumbprint() -> None:
    assert PublicKey("", RSA).id == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_key_has_one_algorithm() -> None:
    assert (PublicKey("a", RSA).algorithm, PublicKey("a", EC).algorithm) == ("RS256", "ES256")


def test_the_credential_id_depends_on_the_key_and_not_on_its_kid() -> None:
    assert PublicKey("a", RSA).credential_id == PublicKey("b", RSA).credential_id != PublicKey("a", EC).credential_id


def test_the_jwk_of_a_key_contains_its_algorithm_and_use() -> None:
    assert PublicKey("a", EC).jwk == {"kid": "a", "use": "sig", "alg": "ES256", **EC}


@pytest.mark.parametrize("secret", ["", "s", "a longer secret", "é"])
def test_the_id_of_a_secret_is_short_and_stable(secret: str) -> None:
    assert secret_id(secret) == secret_id(secret)
    assert len(secret_id(secret)) == 16
    assert secret_id(secret) != secret_id(secret + "x")
