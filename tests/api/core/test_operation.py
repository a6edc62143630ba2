"""Rows, and how they are bound to a resource."""

from dataclasses import dataclass

import pytest
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.inputs import NO_BODY
from gateway.api.core.operation import Operation, bind
from gateway.api.core.responses import json_response
from gateway.api.core.schema import NO_CONTENT
from gateway.domain.objects import Object
from tests.api.core.calls import project_call, request_of


@dataclass
class Greetings:
    """A resource with one collaborator."""

    word: str

    async def greet(self, call: ProjectCall) -> Response:
        """Return a greeting."""
        return json_response({"greeting": f"{self.word} {call.project.name}"})


async def test_a_bound_handler_uses_the_collaborators_of_its_resource() -> None:
    (bound,) = bind(Greetings("Hello"), [Operation("GET", "/greetings", PROJECT, Greetings.greet, "Greet")])
    response = await bound.handler(project_call(request_of()))
    assert bytes(response.body) == b'{"greeting":"Hello Shop"}'


def test_a_row_reads_no_body_and_returns_204_by_default() -> None:
    row = Operation("GET", "/greetings", PROJECT, Greetings.greet, "Greet")
    assert not row.reads_body
    assert (row.inputs.body, row.success, repr(row)) == (NO_BODY, NO_CONTENT, "GET /greetings")


@pytest.mark.parametrize(
    ("path", "strict", "is_strict"), [("/users", False, False), ("/users", True, True), ("/v2/users", False, True)]
)
def test_rows_of_v2_are_always_strict(path: str, strict: bool, is_strict: bool) -> None:
    row = Operation("POST", path, PROJECT, Greetings.greet, "Greet", body=Body("", Object(), {}), strict=strict)
    assert row.inputs.strict is is_strict
    assert row.reads_body
