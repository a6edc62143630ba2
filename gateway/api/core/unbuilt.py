"""Operations of the v1 contract that this version does not have. They respond with 501 `not_built`."""

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.schema import Errors, ResponseSpec
from gateway.domain.errors import ErrorCode, api_error

NOT_BUILT = ResponseSpec(501, "This operation is not built yet", Errors)


def not_built(*routes: str) -> list[AnyOperation]:
    """Return a row for each route, such as `POST /ws/auth`. Call this in the file that will have the operation."""
    return [
        Operation(method, path, PUBLIC, _refuse, "Not built yet", NOT_BUILT, tag="Not built yet")
        for method, path in (route.split(" ") for route in routes)
    ]


async def _refuse(resource: object, call: PublicCall) -> Response:
    raise api_error(ErrorCode.NOT_BUILT)
