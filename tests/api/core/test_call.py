"""What handlers read from calls."""

import json
from uuid import uuid4

import pytest

from gateway.api.core.body import Body
from gateway.api.core.body_budget import BodyBudget
from gateway.api.core.call import MAX_CLIENT_ID_LENGTH
from gateway.api.core.large_bodies import LARGE_BYTES
from gateway.api.core.query import Number
from gateway.domain.errors import ApiError, ErrorCode
from gateway.domain.objects import Array, Object
from gateway.domain.params import Text
from tests.api.core.calls import STRICT_PROJECT, context_of, project_call, request_of, user_call

THING = Body("thing", Object(required=True, fields={"name": Text(max_length=5)}), example={})
LONG = Body(
    "", Object(required=True, fields={"names": Array(item=Text(max_length=999), max_items=1000)}), {}, max_bytes=None
)
PAGE = Number("page", "Page.", 1, 1, 9)


def test_an_id_in_the_path_is_returned_as_a_uuid() -> None:
    wanted = uuid4()
    assert project_call(request_of(path_params={"id": str(wanted)})).uuid("id", "Notification") == wanted


def test_text_that_is_not_a_uuid_is_a_404_that_names_what_was_not_found() -> None:
    with pytest.raises(ApiError, match="Notification not found") as refused:
        project_call(request_of(path_params={"id": "42"})).uuid("id", "Notification")
    assert refused.value.code is ErrorCode.NOT_FOUND


def test_a_client_id_is_cut_to_its_limit_and_an_empty_one_is_absent() -> None:
    long = user_call(request_of(headers={"X-MAGICBELL-CLIENT-ID": "x" * 300}))
    assert long.client_id == "x" * MAX_CLIENT_ID_LENGTH
    assert user_call(request_of(headers={"X-MAGICBELL-CLIENT-ID": ""})).client_id is None


def test_query_parameters_are_read_as_the_row_declares_them() -> None:
    assert project_call(request_of(query="page=3"), query=(PAGE,)).query() == {"page": 3}


def test_an_unknown_query_parameter_is_noted_and_refused_in_a_strict_project() -> None:
    request = request_of(query="pag=3")
    project_call(request, query=(PAGE,)).check_query()
    assert [name.path for name in request.unknown_names or ()] == ["pag"]
    with pytest.raises(ApiError, match="'pag' is not known; did you mean 'page'"):
        project_call(request_of(query="pag=3"), query=(PAGE,), project=STRICT_PROJECT).check_query()


def test_an_unknown_field_is_noted_and_refused_in_a_strict_project_for_users_too() -> None:
    request = request_of()
    assert user_call(request, THING).fields(b'{"thing":{"nam":1}}') == {"name": None}
    assert [name.path for name in request.unknown_names or ()] == ["thing.nam"]
    with pytest.raises(ApiError, match=r"'thing\.nam' is not known"):
        user_call(request_of(), THING, STRICT_PROJECT).fields(b'{"thing":{"nam":1}}')


async def test_a_large_body_has_the_same_fields_as_a_small_one() -> None:
    names = ["n" * 300] * 1000
    body = json.dumps({"names": names}).encode()
    assert len(body) > LARGE_BYTES
    call = project_call(request_of(), LONG)
    assert (await call.large_fields(body)) == call.fields(body) == {"names": names}
    assert (await call.large_fields(b'{"names":["a"]}')) == {"names": ["a"]}


async def test_a_body_in_parts_is_counted_for_the_address_and_the_caller() -> None:
    budget = BodyBudget(100)
    call = project_call(request_of("POST", parts=[b"x" * 500, b"y" * 500, b""]), LONG, context=context_of(budget))
    with pytest.raises(ApiError) as refused:
        await call.body()
    assert refused.value.code is ErrorCode.TOO_MANY_BODIES
    assert budget.held == 500


async def test_a_small_body_in_one_part_is_not_counted() -> None:
    budget = BodyBudget(1)
    assert await project_call(request_of(parts=[b"{}"]), LONG, context=context_of(budget)).body() == b"{}"
    assert budget.held == 0
