"""Every operation of the v2 contract: it exists, is described, and enforces each limit by the name of the field."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.api.core.call import PROJECT, PUBLIC, USER
from tests.api import joe as his
from tests.api.inbox import messages
from tests.api.joe import Joe, body_of_joe
from tests.api.tokens import bearer, claims_of, token
from tests.api.v2_contract import BUILT, CONTRACT, DOCUMENT, Contracted, Shape
from tests.servers import ADMIN, Gateway, user_headers

UNBUILT: tuple[str, ...] = ()
"""The beginnings of the paths of operations that still respond with 501. What is built must not be listed."""

BUILT_EXCEPTIONS: tuple[str, ...] = ()
"""Operations that are built although the beginning of their path is listed."""

Path = tuple[str | int, ...]


def id_of(operation: Contracted) -> str:
    return str(operation)


each_built = pytest.mark.parametrize("operation", BUILT, ids=id_of)


def test_what_is_not_built_yet_is_what_is_listed() -> None:
    listed = {
        str(each) for each in CONTRACT if each.path.startswith(UNBUILT) and not each.path.startswith(BUILT_EXCEPTIONS)
    }
    unbuilt = {str(each) for each in CONTRACT if not each.is_built}
    assert not listed - unbuilt, "these are built: take them out of UNBUILT"
    assert not unbuilt - listed, "these respond with 501 or do not exist"
    for beginning in UNBUILT:
        assert any(each.path.startswith(beginning) for each in CONTRACT), f"nothing begins with {beginning}"


# ---- the OpenAPI document

_ASSIGNED = "the gateway assigns it, and ignores what clients send back"
_WITHOUT_KEY = "a PUT without a key saves the default"
_NULL = "the field may be null, which means the same as its absence everywhere"
_SHOWN = "clients send back what they received, and the gateway ignores it"

DEVIATIONS: Mapping[str, str] = {
    **{f"POST /broadcasts: body.status.{name}: is absent": _ASSIGNED for name in ("errors", "status", "summary")},
    **{
        f"POST /broadcasts: accepts {name}": _ASSIGNED
        for name in (
            *("created_at", "id", "status", "status.errors", "status.errors[0]", "status.errors[0].message"),
            *("status.status", "status.summary", "status.summary.failures", "status.summary.total"),
        )
    },
    "PUT /channels/deliveryconfig: body.key: is required": _WITHOUT_KEY,
    "PUT /channels/deliveryconfig: accepts key": _WITHOUT_KEY,
    **{
        f"{operation}: {difference}": _NULL
        for operation in (
            "PUT /integrations/inbox",
            "POST /integrations/inbox/installations",
            "PUT /integrations/inbox/installations",
        )
        for name in ("images", "locale", "theme")
        for difference in (f"body.{name}: is required", f"accepts {name}")
    },
    "PUT /channels/user_preferences: body.categories[].label: is absent": _SHOWN,
    "PUT /channels/user_preferences: accepts categories[0].label": _SHOWN,
}
"""Differences from the contract that are meant, each with its reason."""


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema of the document without references, with the alternative that is not null."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            schema = {**DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], **rest}
        else:
            kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
            if len(kinds) != 1:
                return schema
            schema = kinds[0]
    return schema


def allows_null(schema: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return allows_null(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(allows_null(each) for each in schema["anyOf"])
    kind = schema.get("type", "null")
    return kind == "null" or (isinstance(kind, list) and "null" in kind)


def differences(shape: Shape, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    """Iterate over the places where the schema of the document differs from the shape of the contract."""
    is_answer = place.startswith("response")
    if shape.get("nullable") and not is_answer and not allows_null(schema):
        yield f"{place}: may be null"
    schema = resolved(schema)
    properties, required = schema.get("properties", {}), schema.get("required", ())
    for name, field in shape.get("fields", {}).items():
        inner = f"{place}.{name}"
        described = properties.get(name, schema.get("additionalProperties") if is_answer else None)
        if not described:
            yield f"{inner}: is absent"
            continue
        if field.get("required") and name not in required:
            yield f"{inner}: is required"
        if not field.get("required") and not is_answer and name in required:
            yield f"{inner}: is not required"
        if isinstance(described, Mapping):
            yield from differences(field, described, inner)
    if "items" in shape and "items" in schema:
        yield from differences(shape["items"], schema["items"], f"{place}[]")
    if not is_answer:
        yield from (f"{place}: {rule}" for rule in other_limits(shape, schema))


def other_limits(shape: Shape, schema: Mapping[str, Any]) -> Iterator[str]:
    """Iterate over the limits of a shape that its schema does not have."""
    if "max" in shape and shape["max"] != schema.get("maxLength", schema.get("maxItems")):
        yield f"at most {shape['max']}"
    if shape["type"] in ("integer", "number"):
        if "min" in shape and shape["min"] != schema.get("minimum"):
            yield f"from {shape['min']}"
    elif shape.get("min", 0) > 1 and shape["min"] != schema.get("minLength", schema.get("minItems")):
        yield f"at least {shape['min']}"
    if not set(shape.get("enum", ())) <= {*schema.get("enum", ()), schema.get("const")}:
        yield f"one of {shape['enum']}"


def deviations(operation: Contracted, kind: str) -> set[str]:
    return {each for each in DEVIATIONS if each.startswith(f"{operation}: {kind}")}


def assert_only_meant(operation: Contracted, kind: str, found: Iterable[str]) -> None:
    """Assert that an operation differs from the contract in what is meant, and in all of it."""
    everything = {f"{operation}: {each}" for each in found}
    meant = deviations(operation, kind)
    assert not everything - meant, "\n".join(sorted(everything - meant))
    assert not meant - everything, "no longer different:\n" + "\n".join(sorted(meant - everything))


@each_built
def test_an_operation_is_in_the_document_with_its_path_and_its_status(operation: Contracted) -> None:
    assert operation.described is not None, f"{operation} is not in the document with this path"
    assert str(operation.status) in operation.described["responses"]
    names = {each.get("name") for each in operation.described.get("parameters", ())}
    assert names >= set(operation.query)
    if isinstance(operation.answer, dict) and "links" in operation.answer.get("fields", {}):
        assert names >= {"page[size]", "page[after]", "page[before]", "limit", "starting_after", "ending_before"}


@each_built
def test_the_document_has_the_fields_and_limits_of_a_body(operation: Contracted) -> None:
    if operation.body is None or (operation.row is not None and operation.row.caller is PUBLIC):
        return
    schema = operation.described["requestBody"]["content"]["application/json"]["schema"]
    assert_only_meant(operation, "body", differences(operation.body, schema, "body"))


@each_built
def test_the_document_has_the_fields_of_a_response(operation: Contracted) -> None:
    if operation.answer is None:
        return
    content = operation.described["responses"][str(operation.status)].get("content")
    assert content, f"{operation} has no described response"
    schema = content["application/json"]["schema"]
    assert_only_meant(operation, "response", differences(operation.answer, schema, "response"))


# ---- the gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def joe(client: httpx.Client) -> Joe:
    return his.made(client, "joe-contract")


def call(client: httpx.Client, operation: Contracted, headers: Mapping[str, str], body: Any = None) -> httpx.Response:
    address = "/v2" + operation.path.replace("{", "").replace("}", "")
    if body is None and operation.row is not None and operation.row.reads_body:
        body = operation.row.inputs.body.wrapped(operation.row.inputs.body.example)
    return client.request(operation.method, address, headers=dict(headers), json=body)


def credentials(operation: Contracted) -> dict[str, str]:
    assert operation.row is not None
    return {PROJECT: ADMIN, USER: user_headers("contract-v2"), PUBLIC: {}}[operation.row.caller]


@dataclass(frozen=True)
class Fault:
    """A value at a place of a body that must be refused."""

    place: Path
    value: Any
    """`...` for no value at all."""

    @property
    def name(self) -> str:
        """The place as messages have it."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)[1:]


def faults_of(shape: Shape, place: Path = ()) -> Iterator[Fault]:
    """Iterate over the faults that a body of this shape can have, one for each rule of the contract."""
    if place:
        yield from (Fault(place, value) for value in wrong_values(shape))
        if shape.get("required"):
            yield Fault(place, ...)
    for name, field in shape.get("fields", {}).items():
        yield from faults_of(field, (*place, name))
    if "items" in shape:
        yield from faults_of(shape["items"], (*place, 0))


def wrong_values(shape: Shape) -> Iterator[Any]:
    """Iterate over a value beyond each limit, and one of another type."""
    kind = shape["type"]
    yield {"string": 5, "integer": "5", "number": "5", "boolean": 1, "object": [], "array": {}}[kind]
    if "enum" in shape:
        yield "no such choice"
    elif kind == "string":
        if "max" in shape:
            yield "a" * (shape["max"] + 1)
        if shape.get("min"):
            yield "a" * (shape["min"] - 1)
        if "pattern" in shape:
            yield "ä !" + "a" * shape.get("min", 0)
        if shape.get("format") in ("uri", "email"):
            yield "neither an address nor a name"
    elif kind == "integer" and "min" in shape:
        yield shape["min"] - 1
    elif kind == "array" and "max" in shape:
        yield [{}] * (shape["max"] + 1)
        yield [{}] * (shape["min"] - 1)


def with_fault(body: Any, fault: Fault) -> Any:
    """Return a copy of a body with a fault. Objects and items on the way to its place are made."""
    changed = copy.deepcopy(body)
    here: Any = changed
    for step, following in zip(fault.place, fault.place[1:], strict=False):
        if isinstance(step, int):
            if not here:
                here.append({})
        elif here.get(step) is None:
            here[step] = [] if isinstance(following, int) else {}
        here = here[step]
    last = fault.place[-1]
    if isinstance(last, int) and not here:
        here.append(fault.value)
    elif fault.value is ...:
        here.pop(last, None)
    else:
        here[last] = fault.value
    return changed


@pytest.mark.parametrize("operation", [each for each in BUILT if each.body is not None], ids=id_of)
def test_a_value_beyond_a_limit_of_the_contract_is_refused_by_name(client: httpx.Client, operation: Contracted) -> None:
    assert operation.body is not None and operation.row is not None  # noqa: PT018
    if operation.row.caller is PUBLIC:
        return  # the body is a provider's
    example = operation.row.inputs.body.example
    found = set()
    for fault in faults_of(operation.body):
        response = call(client, operation, credentials(operation), with_fault(example, fault))
        assert response.status_code in (operation.status, 422), response.text
        if response.status_code != 422:
            found.add(f"accepts {fault.name}")
        elif not any(f"'{fault.name}" in text for text in messages(response)):
            found.add(f"does not name {fault.name}: {messages(response)}")
    assert_only_meant(operation, "accepts", found)


@each_built
def test_a_call_needs_the_credentials_of_its_caller(client: httpx.Client, operation: Contracted) -> None:
    assert operation.row is not None
    if operation.row.caller is PUBLIC:
        return
    assert call(client, operation, {}).status_code == 401
    if operation.row.caller is PROJECT:
        of_user = call(client, operation, bearer(token(claims_of("contract-v2"))))
        assert of_user.status_code in (401, 403), of_user.text


@each_built
def test_an_example_gets_the_status_and_the_response_of_the_contract(joe: Joe, operation: Contracted) -> None:
    row = operation.row
    assert row is not None
    if row.caller is PUBLIC or row.path.endswith("/finish"):
        return  # a provider takes part: see v2/test_installations.py
    joe.create_again(row)
    body = body_of_joe(row) if row.reads_body else None
    # Joe stays, so somebody else is deleted.
    other = {"user": "external_id:to-be-deleted"} if str(operation) == "DELETE /users/{user_id}" else {}
    if other:
        joe.client.post("/users", headers=ADMIN, json={"user": {"external_id": "to-be-deleted"}}).raise_for_status()
    response = his.call(joe.client, row, joe.path(row, other), joe.headers(row), body)
    assert response.status_code == operation.status, response.text
    if operation.answer is not None:
        assert not list(faults_in(response.json(), operation.answer, "response")), response.text
        if "links" in operation.answer.get("fields", {}):
            assert response.json()["data"], "Joe has an entry in every list"


KINDS: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}

FORMATS = {
    # The vendor's Swift client, as its README sets it up, needs a fraction of a second.
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "uri": r"[a-z]+:.+",
    "email": r".+@.+",
}


def faults_in(value: Any, shape: Shape, place: str) -> Iterator[str]:
    """Iterate over what a client that decodes this shape could not decode in a response."""
    if value is None:
        if not shape.get("nullable"):
            yield f"{place} is null"
        return
    if not isinstance(value, KINDS[shape["type"]]):
        yield f"{place} is of another type"
        return
    if "enum" in shape and value not in shape["enum"]:
        yield f"{place} is {value!r}"
    if "format" in shape and not re.fullmatch(FORMATS[shape["format"]], value):
        yield f"{place} is {value!r}"
    for name, field in shape.get("fields", {}).items():
        if name in value:
            yield from faults_in(value[name], field, f"{place}.{name}")
        elif field.get("required"):
            yield f"{place}.{name} is absent"
    if "items" in shape:
        for index, item in enumerate(value):
            yield from faults_in(item, shape["items"], f"{place}[{index}]")
