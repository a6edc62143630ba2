"""What credentials rest on has a name that follows from it alone."""

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


def test_a_key_without_a_name_is_called_by_its_thumbprint_as_the_standard_has_it() -> None:
    assert PublicKey("", RSA).id == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_key_has_one_algorithm() -> None:
    assert (PublicKey("a", RSA).algorithm, PublicKey("a", EC).algorithm) == ("RS256", "ES256")


def test_a_ground_is_the_key_and_not_its_name() -> None:
    assert PublicKey("a", RSA).credential_id == PublicKey("b", RSA).credential_id != PublicKey("a", EC).credential_id


def test_a_key_is_shown_with_what_it_is_for() -> None:
    assert PublicKey("a", EC).jwk == {"kid": "a", "use": "sig", "alg": "ES256", **EC}


@pytest.mark.parametrize("secret", ["", "s", "a longer secret", "é"])
def test_the_name_of_a_secret_is_short_and_always_the_same(secret: str) -> None:
    assert secret_id(secret) == secret_id(secret)
    assert len(secret_id(secret)) == 16
    assert secret_id(secret) != secret_id(secret + "x")
