"""The declared kinds of channel tokens."""

import time

import pytest

from gateway.channels.apns import APP_ID_PATTERN, TOKEN
from gateway.channels.inbox import TOKEN as INBOX_TOKEN
from gateway.channels.registry import INTEGRATION_KINDS, PROVIDERS, TOKEN_KINDS
from gateway.channels.smtp import OutboundHost
from gateway.channels.token_kind import TokenKind
from gateway.domain.objects import Object
from gateway.domain.params import OutboundUrl


def faults(kind: TokenKind, values: object) -> list[str]:
    problems: list[str] = []
    Object(fields=kind.fields).check(values, "", problems)
    return problems


@pytest.mark.parametrize("kind", TOKEN_KINDS, ids=lambda kind: kind.path)
def test_the_example_of_a_kind_is_a_valid_token_with_an_identity(kind: TokenKind) -> None:
    assert faults(kind, kind.example) == []
    assert kind.identity(kind.example)


def test_no_two_kinds_have_the_same_path_or_component() -> None:
    for name in ("path", "component", "title"):
        assert len({getattr(kind, name) for kind in TOKEN_KINDS}) == len(TOKEN_KINDS)


@pytest.mark.parametrize(
    ("app_id", "is_valid"),
    [("com.example.app", True), ("com.my-app", True), ("a", True), (".a", False), ("a..b", False), ("a.", False)],
)
def test_an_app_id_is_words_with_one_character_between_them(app_id: str, is_valid: bool) -> None:
    assert (faults(TOKEN, {"device_token": "x" * 64, "app_id": app_id}) == []) is is_valid


def test_an_app_id_is_checked_in_linear_time() -> None:
    started = time.process_time()
    assert faults(TOKEN, {"device_token": "x" * 64, "app_id": "a" * 154 + "\n"})
    assert time.process_time() - started < 2, APP_ID_PATTERN


@pytest.mark.parametrize(
    ("token", "is_valid"),
    [("x" * 64, True), ("x" * 63, False), ("." + "x" * 64, True), ("x." * 40, False), ("x" * 64 + " ", False)],
)
def test_an_inbox_token_is_long_and_no_jwt(token: str, is_valid: bool) -> None:
    assert (faults(INBOX_TOKEN, {"token": token}) == []) is is_valid


def test_no_secret_is_kept_for_another_address_that_the_project_chooses() -> None:
    for kind in INTEGRATION_KINDS:
        if kind.secrets:
            chosen = {
                name for name, param in kind.config.fields.items() if isinstance(param, OutboundUrl | OutboundHost)
            }
            assert chosen <= set(kind.destination), kind.name


def test_no_two_providers_have_the_same_name_or_serve_the_same_tokens() -> None:
    served = [kind.path for provider in PROVIDERS for kind in provider.tokens]
    assert len(served) == len(set(served))
    assert len({provider.name for provider in PROVIDERS}) == len(PROVIDERS)
