"""The endpoints of the dashboard where it has a listener of its own: on the others, there is no dashboard."""

from starlette.responses import Response

from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.operation import BoundOperation
from gateway.api.core.problems import error_response, no_route
from gateway.api.core.requests import ApiRequest
from gateway.api.core.scope import LOCAL_PORT


class ListenerEndpoint(Endpoint):
    """An endpoint that responds on one port, or on every one if it is 0."""

    def __init__(self, operation: BoundOperation, context: EndpointContext, port: int):
        super().__init__(operation, context)
        self._port = port

    def is_served(self, request: ApiRequest) -> bool:
        """Return whether a request came to the port."""
        return not self._port or request.noted(LOCAL_PORT)() == self._port

    async def __call__(self, request: ApiRequest) -> Response:
        """Return the response, 404 on another port."""
        if not self.is_served(request):
            return error_response(no_route(request.method, request.path))
        return await super().__call__(request)
