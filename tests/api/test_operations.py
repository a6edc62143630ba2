"""The route table as a whole."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from gateway.api.core.unbuilt import NOT_BUILT
from gateway.api.operations import OPERATIONS, document

_PARAM = re.compile(r"{(\w+)(:path)?}")
_WITH_SLASHES = ("topic", "device_token", "user", "user_id", "user_or_token")


def test_no_two_rows_have_the_same_method_and_path() -> None:
    assert len({repr(row) for row in OPERATIONS}) == len(OPERATIONS)


def test_no_row_is_hidden_behind_an_earlier_one_whose_parameter_may_contain_slashes() -> None:
    for index, row in enumerate(OPERATIONS):
        for earlier in OPERATIONS[:index]:
            pattern = _PARAM.sub(lambda match: ".+" if match[1] in _WITH_SLASHES or match[2] else "[^/]+", earlier.path)
            if earlier.path != row.path:
                assert not re.fullmatch(pattern, row.path), f"{earlier!r} comes before {row!r}"


def test_every_operation_that_is_built_has_a_description_of_its_own() -> None:
    built = [row for row in OPERATIONS if row.success is not NOT_BUILT]
    described = [inspect.getdoc(row.handler) for row in built]
    silent = [row for row, text in zip(built, described, strict=True) if not text]
    assert not silent, f"the handlers of {silent} need a docstring, which `/docs` shows"
    assert len(set(described)) == len(built)


def test_every_path_parameter_of_an_operation_that_is_built_is_described() -> None:
    paths = document()["paths"]
    silent = [
        f"{row!r}: {parameter['name']}"
        for row in OPERATIONS
        if row.success is not NOT_BUILT
        for parameter in paths[row.path][row.method.lower()].get("parameters", [])
        if parameter.get("in") == "path" and not parameter["description"]
    ]
    assert not silent, f"{silent} need a description in _PATH_PARAMETERS of gateway/api/core/openapi.py"


def test_the_document_needs_no_store() -> None:
    assert document()["paths"].keys() >= {row.path.replace(":path}", "}") for row in OPERATIONS}


def test_no_description_is_indented_or_breaks_a_line_within_a_code_span() -> None:
    lines = [line for text in _descriptions(document()) for line in text.split("\n")]
    assert [line for line in lines if line.startswith(" ") or line.count("`") % 2] == []


def _descriptions(part: Any) -> Iterator[str]:
    """Return every description within a part of the document."""
    children = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for name, child in children:
        if name == "description" and isinstance(child, str):
            yield child
        else:
            yield from _descriptions(child)


def test_the_document_of_a_gateway_without_the_dashboard_has_no_operations_of_admins() -> None:
    described = document(admin=False)
    assert "Dashboard" in {tag["name"] for tag in document()["tags"]}
    assert "Dashboard" not in {tag["name"] for tag in described["tags"]}
    assert not [path for path in described["paths"] if path.startswith("/admin")]
    assert len(described["paths"]) > 100
