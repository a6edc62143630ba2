"""The descriptions of responses."""

import msgspec
import pytest

from gateway.api.core.schema import HEADERS, Errors, ResponseSpec
from gateway.api.operations import OPERATIONS
from gateway.domain.errors import ErrorCode

SPECS = [spec for row in OPERATIONS for spec in (row.success, *row.failures)]


def test_every_header_of_a_response_is_described() -> None:
    named = {name for spec in SPECS for name in spec.headers}
    assert named <= HEADERS.keys()
    assert all(header["description"] for header in HEADERS.values())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.description)
def test_every_response_with_a_body_of_json_has_a_type(spec: ResponseSpec) -> None:
    assert (spec.type is not None) == (spec.has_body and spec.media_type == "application/json")


@pytest.mark.parametrize("status", [204, 303, 304, 307])
def test_a_response_without_content_or_to_elsewhere_has_no_body(status: int) -> None:
    assert not ResponseSpec(status, "Done").has_body
    assert ResponseSpec(200, "Done").has_body


def test_an_error_decodes_as_its_type() -> None:
    errors = Errors([ErrorCode.NOT_FOUND.problem()])
    assert msgspec.json.decode(msgspec.json.encode(errors), type=Errors) == errors
