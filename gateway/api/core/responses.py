"""The responses that operations return."""

from typing import Any

import msgspec
from starlette.responses import Response

encode = msgspec.json.encode

_JSON = (b"content-type", b"application/json")


class JsonResponse(Response):
    """A response whose body is JSON already, or a 204.

    Both ways of running an operation send it. Starlette's constructor searches the headers for those that are
    known here, which takes 2.7 µs instead of 1.1 (measured).
    """

    def __init__(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None):
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = raw = (
            [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            if headers
            else []
        )
        if status != 204:
            raw += ((b"content-length", b"%d" % len(body)), _JSON)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response whose body is `value` as JSON."""
    return JsonResponse(encode(value), status, headers)


raw_json_response = JsonResponse
"""Returns a response whose body is JSON already."""


def no_content(headers: dict[str, str] | None = None) -> Response:
    """Return a 204."""
    return JsonResponse(b"", 204, headers)
