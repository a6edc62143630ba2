"""The OpenAPI document as an operation."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import Hash, ResponseSpec

DOCUMENT = ResponseSpec(200, "The document", Hash)


class DocumentResource:
    """The operation that serves the OpenAPI document. `make` returns it, and is called at the first request."""

    def __init__(self, make: Callable[[], dict[str, Any]]):
        self._make = make
        self._encoded = b""

    async def get(self, call: PublicCall) -> Response:
        """Return this API as an OpenAPI 3.1 document."""
        self._encoded = self._encoded or encode(self._make())
        # Relative to the host of the document, so that it is right under every name that the gateway has.
        servers = encode([{"url": call.forwarded.prefix or "/"}])
        served = self._encoded.replace(b'"servers":[{"url":"/"}]', b'"servers":' + servers, 1)
        return raw_json_response(served, headers={"Cache-Control": "no-cache"})


OPERATIONS = [
    Operation("GET", "/openapi.json", PUBLIC, DocumentResource.get, "Get the OpenAPI document", DOCUMENT),
]
