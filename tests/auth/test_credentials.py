"""Credentials in headers, API secrets and user HMACs."""

from collections.abc import Mapping

import pytest

from gateway.auth.credentials import (
    MAX_NAME_LENGTH,
    check_hmac,
    check_secret,
    header_credentials,
    read_identity,
    user_hmac,
)
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.ids import ProjectId
from gateway.domain.principal import Credentials, Identity, Project
from gateway.domain.signing import secret_id

OLD, NEW = "the old secret", "the new secret"
PROJECT = Project(ProjectId("1"), "Shop", "key_1", True, (NEW, OLD))


def read(headers: Mapping[str, str]) -> Credentials:
    return header_credentials(headers.get)


def test_the_hmac_is_the_check_value_of_the_contract() -> None:
    assert user_hmac("SECRET", "joe@example.com") == "PbCcNyzZcGakM8Jjp+4YLhEkI5Q6sVNXEd3ZekeAb3o="


def test_each_credential_has_a_header() -> None:
    assert read(
        {
            "x-magicbell-api-key": "key",
            "x-magicbell-api-secret": "secret",
            "x-magicbell-user-external-id": "ada",
            "x-magicbell-user-email": "ada@example.com",
            "x-magicbell-user-hmac": "hmac",
            "authorization": "Bearer token",
        }
    ) == Credentials("key", "secret", "ada", "ada@example.com", "hmac", "token")


@pytest.mark.parametrize(
    ("value", "token"), [("bearer  abc ", "abc"), ("Basic abc", None), ("Bearer", ""), ("", None), ("Bearerabc", None)]
)
def test_a_token_follows_the_scheme_bearer_in_any_case(value: str, token: str | None) -> None:
    assert read({"authorization": value}).token == token


@pytest.mark.parametrize("sent", ["Åsa".encode(), "Åsa".encode("latin-1")], ids=["utf-8", "latin-1"])
def test_a_name_beyond_ascii_is_read_in_either_encoding(sent: bytes) -> None:
    assert read({"x-magicbell-user-external-id": sent.decode("latin-1")}).external_id == "Åsa"


def test_an_email_is_compared_in_lower_case_and_an_external_id_is_not() -> None:
    assert read_identity("Ada", " Ada@Example.com ") == Identity("Ada", "ada@example.com")


@pytest.mark.parametrize(("external_id", "email"), [(None, None), ("", ""), (None, "  ")])
def test_a_request_without_a_name_is_refused(external_id: str | None, email: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        read_identity(external_id, email)
    assert refused.value.code is ErrorCode.USER_EMAIL_NOT_PROVIDED


def test_every_name_that_is_too_long_is_named() -> None:
    with pytest.raises(ApiError) as refused:
        read_identity("x" * (MAX_NAME_LENGTH + 1), "y" * (MAX_NAME_LENGTH + 1))
    assert [problem.message for problem in refused.value.problems] == [
        "Param 'external_id' must have at most 255 characters",
        "Param 'email' must have at most 255 characters",
    ]
    assert read_identity("x" * MAX_NAME_LENGTH, None).external_id == "x" * MAX_NAME_LENGTH


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_a_secret_is_named_by_its_credential_id(secret: str) -> None:
    assert check_secret(PROJECT, secret) == secret_id(secret)
    assert check_hmac(PROJECT, "ada", user_hmac(secret, "ada")) == secret_id(secret)


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        (None, ErrorCode.API_SECRET_NOT_PROVIDED),
        ("", ErrorCode.API_SECRET_NOT_PROVIDED),
        ("another secret", ErrorCode.API_SECRET_IS_INCORRECT),
        ("ünknown", ErrorCode.API_SECRET_IS_INCORRECT),
    ],
)
def test_a_missing_secret_and_a_wrong_one_have_different_errors(secret: str | None, code: ErrorCode) -> None:
    with pytest.raises(ApiError) as refused:
        check_secret(PROJECT, secret)
    assert refused.value.code is code


@pytest.mark.parametrize("given", ["", user_hmac(NEW, "grace"), user_hmac("another secret", "ada")])
def test_an_hmac_proves_one_name_with_one_of_the_secrets(given: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_hmac(PROJECT, "ada", given)
    assert refused.value.code is ErrorCode.USER_HMAC_IS_INCORRECT
