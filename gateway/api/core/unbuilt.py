"""Operations of the contracts that this version does not serve: they answer 501 `not_built`."""

from starlette.responses import Response

from gateway.api.core.operation import Call, Operation, Scope
from gateway.api.core.schema import Answer, Errors
from gateway.domain.errors import ErrorCode, api_error

NOT_BUILT = Answer(501, "This operation is not built yet", Errors)


def not_built(*routes: str) -> list[Operation]:
    """Return a row for each route, such as `POST /ws/auth`."""
    return [
        Operation(method, path, Scope.PUBLIC, _refuse, "Not built yet", NOT_BUILT, tag="Not built yet")
        for method, path in (route.split(" ") for route in routes)
    ]


async def _refuse(call: Call) -> Response:
    raise api_error(ErrorCode.NOT_BUILT)
