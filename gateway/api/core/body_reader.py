"""Reads request bodies, within their size limit and the memory budget of the worker."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import ClientDisconnect

from gateway.api.core.body_budget import WHOLE_BYTES, BodyBudget, Reservation, Share
from gateway.api.core.problems import body_too_large
from gateway.api.core.requests import ApiRequest
from gateway.api.core.scope import BODY_IS_LATE
from gateway.domain.errors import ErrorCode, api_error

T = TypeVar("T")

_MOST_DIGITS = 18
"""A Content-Length with more digits is over any limit, and is not converted to a number."""


class BodyReader:
    """Reads bodies. `max_body_bytes` is the setting, which no operation exceeds."""

    def __init__(self, budget: BodyBudget, max_body_bytes: int):
        self._budget = budget
        self._max_body_bytes = max_body_bytes

    def limit(self, max_bytes: int | None) -> int:
        """Return the size limit of an operation, in bytes. `max_bytes` is its own limit, None if it has none."""
        return self._max_body_bytes if max_bytes is None else min(max_bytes, self._max_body_bytes)

    def length_check(self, max_bytes: int | None) -> Callable[[ApiRequest], None]:
        """Return a function for an operation, which raises ApiError 413 if a request announces a body over the limit.

        None of the body must have been read.
        """
        limit = self.limit(max_bytes)

        def check(request: ApiRequest) -> None:
            if request.body is not None:
                if len(request.body) > limit:
                    raise body_too_large(limit)
                return
            length = request.headers.get("content-length", "")
            if length.isdigit() and (len(length) > _MOST_DIGITS or int(length) > limit):
                raise body_too_large(limit)

        return check

    async def read(self, request: ApiRequest, max_bytes: int | None, shares: Callable[[int], Sequence[Share]]) -> bytes:
        """Return the whole body.

        `shares` is called with the most bytes that one owner may hold, and returns the owners for which the bytes are
        counted. It is called only for a body that is counted. Raises ApiError 408, 413, 415, 429 and 503, and
        ClientDisconnect.
        """
        coding = request.headers.get("content-encoding")
        if coding is not None and coding.strip().lower() not in ("", "identity"):
            raise api_error(ErrorCode.CONTENT_CODING_NOT_SUPPORTED)
        limit = self.limit(max_bytes)
        if (body := request.body) is not None:
            if len(body) > limit:
                raise body_too_large(limit)
            if len(body) > WHOLE_BYTES and request.release_body is None:
                self._reserve(request, shares).grow(len(body))
            return body
        request.body = await self._read_parts(request, limit, shares)  # it cannot be received again
        return request.body

    async def _read_parts(self, request: ApiRequest, limit: int, shares: Callable[[int], Sequence[Share]]) -> bytes:
        receive = request.receive
        assert receive is not None, "a request without its whole body returns the parts"
        parts: list[bytes] = []
        size, more = 0, True
        reservation: Reservation | None = None
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            if request.noted(BODY_IS_LATE):
                raise api_error(ErrorCode.REQUEST_TIMEOUT)
            parts.append(message["body"])
            size += len(parts[-1])
            if size > limit:
                raise body_too_large(limit)
            more = message["more_body"]
            if more or size > WHOLE_BYTES:
                reservation = reservation or self._reserve(request, shares)
                reservation.grow(len(parts[-1]))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run slow work on a large body in a thread, one body at a time, while the event loop continues."""
        return await self._budget.in_thread(work)

    def _reserve(self, request: ApiRequest, shares: Callable[[int], Sequence[Share]]) -> Reservation:
        reservation = self._budget.open(shares(self._budget.most // 2))
        request.release_body = reservation.release
        return reservation
