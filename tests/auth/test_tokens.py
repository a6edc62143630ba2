"""User and project tokens: signing, parsing and verification."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.auth.jwks import read_key
from gateway.auth.tokens import (
    MAX_ISSUED_AHEAD_SECONDS,
    PROJECT_CLAIM,
    USER_CLAIM,
    UnverifiedToken,
    VerifiedToken,
    issued_token,
    user_token,
)
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.principal import Identity, Project, User
from gateway.domain.signing import PublicKey, secret_id
from gateway.store.tokens import Token
from tests.api.tokens import encoded, token

NOW = 1_000_000
SECRET, OLD_SECRET = "a secret of the project, of 32 bytes", "the secret that the project had before"
PROJECT = Project(ProjectId("7"), "Shop", "key_7", True, (SECRET, OLD_SECRET))
ADA = User(PROJECT.id, UserId("user-1"), "ada", "ada@example.com")


def verified(text: str, project: Project = PROJECT, now: float = NOW) -> VerifiedToken:
    return UnverifiedToken(text).verified(project, now)


def refusal(text: str, project: Project = PROJECT) -> tuple[ErrorCode | None, str]:
    with pytest.raises(ApiError) as refused:
        verified(text, project)
    return refused.value.code, refused.value.problems[0].message


def signed(secret: str = SECRET, /, **claims: Any) -> str:
    good = {"api_key": PROJECT.api_key, "user_external_id": "ada", "exp": NOW + 60}
    return token({name: value for name, value in (good | claims).items() if value is not ...}, secret)


def key_pair() -> tuple[EllipticCurvePrivateKey, PublicKey]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    public = read_key({"pem": pem, "kid": "k1"}, "key", [])
    assert public is not None
    return private, public


def test_a_user_token_names_the_user_and_the_secret_that_signed_it() -> None:
    read = verified(user_token(PROJECT, Identity("ada", "ada@example.com"), NOW - 10, NOW + 60))
    assert (read.credential, read.expires_at, read.issued_at) == (secret_id(SECRET), NOW + 60, NOW - 10)
    assert (read.token_id, read.user_id, read.project_id) == ("", None, None)
    assert read.identity() == Identity("ada", "ada@example.com")


def test_an_issued_token_is_the_same_every_time_and_carries_the_users_id() -> None:
    row = Token("id-1", NOW - 5, NOW + 60, None, "")
    text = issued_token(PROJECT, ADA, row)
    assert text == issued_token(PROJECT, ADA, row)
    assert jwt.get_unverified_header(text)["kid"] == secret_id(SECRET)
    read = verified(text)
    assert (read.user_id, read.token_id, read.issued_at, read.expires_at) == (ADA.id, "id-1", NOW - 5, NOW + 60)


def test_a_project_token_names_its_project_and_no_user() -> None:
    read = verified(issued_token(PROJECT, None, Token("id-2", NOW, NOW + 60, None, "")))
    assert (read.project_id, read.user_id) == (PROJECT.id, None)


def test_a_token_signed_with_an_earlier_secret_is_verified_while_the_project_has_that() -> None:
    assert verified(signed(OLD_SECRET)).credential == secret_id(OLD_SECRET)
    assert refusal(signed(OLD_SECRET), replace(PROJECT, secrets=(SECRET,)))[0] is ErrorCode.TOKEN_IS_INCORRECT


@pytest.mark.parametrize("headers", [{}, {"kid": "k1"}])
def test_a_token_of_a_registered_key_pair_is_verified_by_that_key(headers: dict[str, str]) -> None:
    private, public = key_pair()
    project = replace(PROJECT, public_keys=(public,))
    claims = {"api_key": PROJECT.api_key, "user_external_id": "ada", "exp": NOW + 60}
    read = verified(jwt.encode(claims, private, "ES256", headers), project)
    assert read.credential == public.credential_id
    assert refusal(jwt.encode(claims, private, "ES256", {"kid": "k2"}), project)[0] is ErrorCode.TOKEN_IS_INCORRECT
    assert refusal(jwt.encode(claims, key_pair()[0], "ES256", headers), project)[0] is ErrorCode.TOKEN_IS_INCORRECT


def test_the_key_determines_the_algorithm_not_the_header() -> None:
    _, public = key_pair()
    project = replace(PROJECT, public_keys=(public,))
    for header in ({"alg": "HS256", "kid": "k1"}, {"alg": "none"}, {"alg": "ES256"}):
        good = signed().split(".")
        assert refusal(".".join((encoded(header), *good[1:])), project)[0] is ErrorCode.TOKEN_IS_INCORRECT


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.b", "a.b.c", "ä.b.c"),
        f"{encoded({'alg': 'HS256'})}.{encoded([1])}.x",
        f"{encoded({'alg': 'HS256'})}.{encoded(b'{')}.x",
        f"{encoded({'alg': 'HS256', 'crit': ['exp'], 'exp': 1})}.{encoded({})}.x",
    ],
)
def test_what_is_not_a_token_is_incorrect(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        UnverifiedToken(text)
    assert refused.value.code is ErrorCode.TOKEN_IS_INCORRECT


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": ...}, "The token's exp is missing"),
        ({"exp": None}, "The token's exp is not a unix time"),
        ({"exp": True}, "The token's exp is not a unix time"),
        ({"exp": "soon"}, "The token's exp is not a unix time"),
        ({"exp": float("nan")}, "The token's exp is not a unix time"),
        ({"exp": 253_402_300_800}, "The token's exp is not in seconds, or after the year 9999"),
        ({"nbf": NOW + 1}, "The token's nbf is in the future: it does not count yet"),
        ({"iat": "yesterday"}, "The token's iat is not a unix time"),
    ],
)
def test_a_claim_that_is_not_valid_is_named(claims: dict[str, Any], message: str) -> None:
    assert refusal(signed(**claims)) == (ErrorCode.TOKEN_IS_INCORRECT, message)


@pytest.mark.parametrize(
    ("claim", "value", "use"),
    [
        ("jti", 5, lambda token: token.token_id),
        (USER_CLAIM, 5, lambda token: token.user_id),
        ("user_email", "\ud800", lambda token: token.identity()),
    ],
)
def test_a_name_that_is_no_text_is_refused_where_it_is_needed(
    claim: str, value: Any, use: Callable[[VerifiedToken], Any]
) -> None:
    read = verified(signed(**{claim: value}))
    with pytest.raises(ApiError, match=f"The token's {claim} is not a string"):
        use(read)


def test_a_token_expires_at_its_second() -> None:
    assert verified(signed(exp=NOW + 0.5)).expires_at == NOW
    assert refusal(signed(exp=NOW))[0] is ErrorCode.TOKEN_EXPIRED


def test_an_issue_time_that_is_too_far_ahead_counts_as_missing() -> None:
    assert verified(signed(iat=NOW + MAX_ISSUED_AHEAD_SECONDS)).issued_at == NOW + MAX_ISSUED_AHEAD_SECONDS
    assert verified(signed(iat=NOW + MAX_ISSUED_AHEAD_SECONDS + 1)).issued_at is None
    assert verified(signed()).issued_at is None


def test_an_email_alone_identifies_the_user() -> None:
    read = verified(user_token(PROJECT, Identity(email="ada@example.com"), NOW, NOW + 60))
    assert read.identity() == Identity(None, "ada@example.com")


@pytest.mark.parametrize("exp", [-(2**60), 2**60])
def test_a_time_that_is_not_exact_is_refused(exp: int) -> None:
    assert refusal(signed(exp=exp))[1] == "The token's exp is not a unix time"


def test_a_token_without_a_name_has_no_identity() -> None:
    read = verified(signed(user_external_id=...))
    with pytest.raises(ApiError, match="The token names no user_external_id and no user_email"):
        read.identity()


def test_the_claim_of_a_project_token_is_returned_unverified() -> None:
    claims: dict[str, Any] = {PROJECT_CLAIM: 5}
    assert verified(signed(**claims)).project_id == 5
