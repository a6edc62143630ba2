"""The routes that the HTTP ingress runs itself are those that the application would choose."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from starlette.routing import compile_path

from gateway.api.core.access import Access, Responder
from gateway.api.core.call import PROJECT, PUBLIC, USER, Caller
from gateway.api.core.direct import DirectRoutes
from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.operation import AnyOperation, BoundOperation, Handler, Operation
from gateway.api.core.routing import route_path
from gateway.api.core.unknown import UnknownNameLog
from gateway.api.operations import OPERATIONS
from gateway.domain.proxy import Proxies


class NoAccess(Access):
    """An access that makes no responders."""

    def __init__(self) -> None:
        """Create it without what calls share."""

    def responder(self, row: AnyOperation, handler: Handler) -> Responder:
        """Return nothing that could be called."""
        return cast(Responder, None)


class EveryAccess(Mapping[Caller[Any], Access]):
    """An access for each caller, which is never used."""

    def __getitem__(self, caller: Caller[Any]) -> Access:
        return NoAccess()

    def __iter__(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


async def forget(user: Any) -> None:
    """Do nothing."""


CONTEXT = EndpointContext(EveryAccess(), Proxies(()), forget, UnknownNameLog(), access_log=False)


def endpoint(method: str, path: str, caller: Caller[Any] = USER) -> Endpoint:
    """Return the endpoint of an operation."""
    row = Operation[Any](method, path, caller, lambda resource, call: cast(Any, None), "An operation")
    return Endpoint(BoundOperation(row, cast(Any, None)), CONTEXT)


ENDPOINTS = [Endpoint(BoundOperation(row, cast(Any, None)), CONTEXT) for row in OPERATIONS]
ROUTES = DirectRoutes(ENDPOINTS)


def chosen(endpoints: list[Endpoint], method: str, path: str) -> tuple[Endpoint, dict[str, Any]] | None:
    """Return the endpoint and the parameters that the application's routes lead to."""
    for each in endpoints:
        match = compile_path(route_path(each.path))[0].match(path)
        if match is not None and each.method == method:
            return each, match.groupdict()
    return None


SEGMENTS = ("a", "read", "seen", "archive", "1", "%2f", "a:b", " ", "ü", "\n")
PATHS = [
    "/".join(given if part.startswith("{") else part for part in row.path.split("/"))
    for row in OPERATIONS
    for given in SEGMENTS
]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_a_direct_route_is_the_one_that_the_application_would_choose(method: str) -> None:
    for path in dict.fromkeys(PATHS):
        found = ROUTES.find(method, path)
        if found is not None:
            assert (found.endpoint, dict(found.path_params)) == chosen(ENDPOINTS, method, path), path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/notifications"),
        ("GET", "/notifications"),
        ("POST", "/notifications/read"),
        ("POST", "/notifications/42/read"),
        ("DELETE", "/notifications/42"),
        ("GET", "/realtime/events"),
        ("GET", "/config"),
    ],
)
def test_the_frequent_operations_are_direct(method: str, path: str) -> None:
    assert ROUTES.find(method, path) is not None


def test_operations_for_anybody_are_left_to_the_application() -> None:
    assert ROUTES.find("GET", "/healthz") is None
    assert DirectRoutes([endpoint("GET", "/a", PUBLIC)]).find("GET", "/a") is None


def test_a_fixed_path_behind_a_template_that_matches_it_is_not_preferred() -> None:
    template, fixed = endpoint("GET", "/a/{id}"), endpoint("GET", "/a/b")
    assert DirectRoutes([fixed, template]).find("GET", "/a/b") == (fixed, {})
    assert DirectRoutes([template, fixed]).find("GET", "/a/b") == (template, {"id": "b"})


def test_a_path_behind_free_text_that_may_match_it_is_left_to_the_application() -> None:
    text, later = endpoint("GET", "/a/{topic}"), endpoint("GET", "/a/{id}/b")
    assert DirectRoutes([text, later]).find("GET", "/a/1/b") is None
    other_method = endpoint("POST", "/a/{id}/b", PROJECT)
    assert DirectRoutes([text, other_method]).find("POST", "/a/1/b") == (other_method, {"id": "1"})


def test_an_empty_part_is_no_parameter() -> None:
    assert DirectRoutes([endpoint("GET", "/a/{id}/b")]).find("GET", "/a//b") is None
