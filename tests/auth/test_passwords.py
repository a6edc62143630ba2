"""The hashes of passwords."""

import asyncio

import pytest

from gateway.auth import passwords
from gateway.auth.passwords import PasswordHasher, password_fault
from gateway.domain.errors import ApiError

PASSWORD = "correct horse battery"


async def test_a_hash_is_that_of_one_password_in_any_encoding_of_its_characters() -> None:
    hasher = PasswordHasher()
    stored = await hasher.hash("passwort mit \u00fc")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.matches("passwort mit u\u0308", stored)
    assert not await hasher.matches("passwort mit u", stored)
    assert stored != await hasher.hash("passwort mit \u00fc"), "each has a salt of its own"


async def test_the_work_is_the_same_if_there_is_no_hash_to_compare_with() -> None:
    hasher = PasswordHasher()
    stored = await hasher.hash(PASSWORD)
    await hasher.matches(PASSWORD, "")  # the first comparison makes the hash that nobody has
    work = []
    for other in (stored, "", stored, ""):
        before = hasher.hashed
        await hasher.matches(PASSWORD, other)
        work.append(hasher.hashed - before)
    assert work == [1, 1, 1, 1]


async def test_a_bounded_number_of_passwords_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 2)
    monkeypatch.setattr(passwords, "RESERVED", 1)
    hasher = PasswordHasher()
    stored = await hasher.hash(PASSWORD)
    await hasher.matches("another", "")
    strangers = [hasher.matches("another", stored) for _ in range(3)]
    known = [hasher.matches(PASSWORD, stored, is_known=True) for _ in range(2)]
    outcomes = await asyncio.gather(*strangers, *known, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ApiError)]
    assert [(each.status, each.retry_after_seconds) for each in refused] == [(503, 2), (503, 2)]
    assert outcomes[3] is True, "strangers do not keep out those who have signed in before"


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        (PASSWORD, ""),
        ("eleven char", "must have at least 12 characters"),
        ("x" * 1001, "must have at most 1000 characters"),
        ("ababababababab", "is too easy to guess"),
        ("Ada@Example.com", "is too easy to guess"),
    ],
)
def test_a_new_password_is_checked(password: str, fault: str) -> None:
    assert password_fault(password, "ada@example.com") == fault
