"""Operations that this version does not have."""

import re

import httpx
import pytest

from gateway.api.core.operation import AnyOperation
from gateway.api.core.unbuilt import NOT_BUILT
from gateway.api.operations import OPERATIONS
from tests.servers import ADMIN

UNBUILT = [row for row in OPERATIONS if row.success is NOT_BUILT]


@pytest.mark.parametrize("row", UNBUILT, ids=repr)
async def test_an_operation_that_is_not_built_responds_with_501(http: httpx.AsyncClient, row: AnyOperation) -> None:
    response = await http.request(row.method, re.sub(r"{[^}]*}", "42", row.path), headers=ADMIN, json={})
    assert (response.status_code, response.json()) == (
        501,
        {"errors": [{"message": "This operation is not built yet", "code": "not_built"}]},
    )
