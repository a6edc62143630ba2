"""Which keys and secrets are valid. tests/test_settings.py has more cases."""

import pytest

from gateway.domain.credential_rules import api_key_fault, api_secret_fault, is_weak, secret_key_fault


@pytest.mark.parametrize("fault_of", [api_key_fault, api_secret_fault, secret_key_fault])
def test_generated_keys_and_secrets_are_valid(fault_of: object) -> None:
    assert callable(fault_of)
    assert fault_of("key_Zk3-_hunter2AbCdEfGhIjKl") == ""


def test_a_secret_may_contain_every_printable_ascii_character_except_the_space() -> None:
    assert api_secret_fault("".join(map(chr, range(0x21, 0x7F)))) == ""


@pytest.mark.parametrize("code", [0x00, 0x09, 0x0A, 0x1F, 0x20, 0x7F, 0x85, 0xA0, 0xFC, 0x2028, 0x1F511, 0xD800])
def test_a_secret_with_any_other_character_is_refused(code: int) -> None:
    assert api_secret_fault(f"secret-{chr(code)}-of-a-decent-length") != ""


@pytest.mark.parametrize(
    ("text", "weak"), [("test", True), ("x" * 40, True), ("abc" * 10, True), ("4dQ0lKfh2mPz81xv", False)]
)
def test_a_short_or_repetitive_secret_key_is_weak(text: str, weak: bool) -> None:
    assert is_weak(text) is weak


def test_an_api_key_that_is_too_short_or_begins_with_a_dash_is_refused() -> None:
    assert api_key_fault("-key-of-a-shop").startswith("must not begin with a dash")
    assert api_key_fault("x") == "must have 4 to 255 characters"
    assert api_secret_fault("s") == "must have 6 to 255 characters"
    assert api_secret_fault(" a-secret-of-a-decent-length") == "must not begin or end with a space or a line break"
