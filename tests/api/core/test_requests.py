"""What endpoints read from requests besides their bodies."""

import pytest

from gateway.api.core.requests import (
    PRINCIPAL,
    UNKNOWN_NAMES,
    client_address,
    forwarded,
    headers_of,
    logged_path,
    note_unknown,
    principal_of,
)
from gateway.domain.principal import ProjectPrincipal
from gateway.domain.proxy import Proxies
from gateway.domain.unknown_names import UnknownName
from tests.api.core.calls import PROJECT, request_of

TRUSTING = Proxies(("192.0.2.0/24",))


def test_headers_are_found_by_their_lower_case_names() -> None:
    request = request_of(headers={"X-MAGICBELL-API-KEY": "key"})
    assert headers_of(request)["x-magicbell-api-key"] == "key"
    assert headers_of(request) is headers_of(request)


@pytest.mark.parametrize(("proxies", "address"), [(TRUSTING, "203.0.113.9"), (Proxies(()), "192.0.2.1")])
def test_the_client_is_the_one_that_a_trusted_proxy_names(proxies: Proxies, address: str) -> None:
    request = request_of(headers={"X-Forwarded-For": "203.0.113.9"})
    assert client_address(request, proxies) == forwarded(request, proxies).client == address


def test_without_a_forwarding_header_the_client_is_the_peer() -> None:
    assert client_address(request_of(), TRUSTING) == "192.0.2.1"


def test_the_principal_is_none_until_the_caller_is_verified() -> None:
    request = request_of()
    assert principal_of(request) is None
    request.scope[PRINCIPAL] = ProjectPrincipal(PROJECT)
    assert principal_of(request) == ProjectPrincipal(PROJECT)


def test_unknown_names_of_several_notes_are_collected() -> None:
    request = request_of()
    for name in ("a", "b"):
        note_unknown(request, [UnknownName(name, "")])
    assert [name.path for name in request.scope[UNKNOWN_NAMES]] == ["a", "b"]


@pytest.mark.parametrize(
    ("template", "params", "logged"),
    [
        ("/notifications/{id}", {"id": "42"}, "/notifications/42"),
        ("/notifications/{id}", {"id": "a/b?token=x"}, "/notifications/{id}"),
        ("/users/{user}", {"user": "email:ada@example.com"}, "/users/{user}"),
        ("/subscriptions/{topic}", {"topic": "acme"}, "/subscriptions/{topic}"),
    ],
)
def test_a_logged_path_has_ids_and_no_names(template: str, params: dict[str, str], logged: str) -> None:
    assert logged_path(template, params) == logged
