"""What endpoints read from requests besides their bodies."""

import pytest

from gateway.api.core.requests import LoggedRequests
from gateway.domain.proxy import Proxies
from gateway.domain.unknown_names import UnknownName
from tests.api.core.calls import request_of

TRUSTING = Proxies(("192.0.2.0/24",))


def test_headers_are_found_by_their_lower_case_names() -> None:
    request = request_of(headers={"X-MAGICBELL-API-KEY": "key"})
    assert request.headers["x-magicbell-api-key"] == "key"
    assert request.fields == [(b"x-magicbell-api-key", b"key")]


@pytest.mark.parametrize(("proxies", "address"), [(TRUSTING, "203.0.113.9"), (Proxies(()), "192.0.2.1")])
def test_the_client_is_the_one_that_a_trusted_proxy_names(proxies: Proxies, address: str) -> None:
    request = request_of(headers={"X-Forwarded-For": "203.0.113.9"})
    assert request.client_address(proxies) == request.forwarded(proxies).client == address


def test_without_a_forwarding_header_the_client_is_the_peer() -> None:
    assert request_of().client_address(TRUSTING) == "192.0.2.1"


def test_notes_go_into_the_scope_if_there_is_one() -> None:
    request = request_of()
    request.note("inbox.name", 1)
    assert request.noted("inbox.name") == 1
    assert request.noted("inbox.other") is None
    request.scope = None
    request.note("inbox.name", 2)
    assert request.noted("inbox.name") is None


def test_unknown_names_of_several_notes_are_collected() -> None:
    request = request_of()
    for name in ("a", "b"):
        request.note_unknown([UnknownName(name, "")])
    assert [name.path for name in request.unknown_names or ()] == ["a", "b"]


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
    assert LoggedRequests("GET", template).text(params) == f'"method": "GET", "path": "{logged}"'
