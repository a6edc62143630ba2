"""The responses that operations return."""

from typing import Any

import msgspec
from starlette.responses import Response

encode = msgspec.json.encode


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response whose body is `value` as JSON."""
    return raw_json_response(encode(value), status, headers)


def raw_json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a response whose body is JSON already."""
    return Response(body, status, headers, media_type="application/json")


def no_content() -> Response:
    """Return a 204."""
    return Response(status_code=204)
