"""Idempotency-Key: the first answer is kept for 24 hours and given to every repetition, byte for byte."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.responses import Response

from gateway.api.core.operation import Call, headers_of, raw_json_response
from gateway.domain.errors import ApiError, ErrorCode, api_error, invalid
from gateway.store.idempotency import Busy, Replay, Reused
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.redis.problems import decoding

MAX_KEY_LENGTH = 255

_Plan = TypeVar("_Plan")


def planned(plan: bytes, kind: type[_Plan]) -> _Plan:
    """Read the plan of a request, which may be an earlier try's. Raises StoreDataError for one that cannot be read."""
    with decoding("an idempotency record"):
        return msgspec.json.decode(plan, type=kind)


def _as_kept(kept: bytes) -> bytes:
    return kept


async def once(
    call: Call,
    body: bytes,
    plan: bytes,
    run: Callable[[bytes, bool], Awaitable[bytes]],
    status: int = 201,
    shown: Callable[[bytes], bytes] = _as_kept,
) -> Response:
    """Run a create, at most once for an Idempotency-Key, and answer what it gives.

    `run` gets the plan, and whether the request may come again: a repetition of a request that died half-way gets
    the first one's plan and must complete it without doing anything twice. `shown` makes the answer of what `run`
    gave, which is what is kept: for answers that hold what must not be.
    Raises ApiError 409 while the first request runs, and 422 when the key came with another request.
    """
    key = headers_of(call.request).get("idempotency-key")
    if not key:
        return raw_json_response(shown(await run(plan, False)), status)
    if len(key) > MAX_KEY_LENGTH:
        raise invalid(f"Header 'Idempotency-Key' must have at most {MAX_KEY_LENGTH} characters")
    request = call.request
    fingerprint = hashlib.sha256(f"{request.method} {request.scope['path']}\0".encode() + body).hexdigest()
    store, project_id = call.services.idempotency, call.project.id
    try:
        claim = await store.begin(project_id, key, fingerprint, plan)
    except StoreUnavailableError:
        store.cut_off(project_id, key)  # the claim may be written
        raise
    if isinstance(claim, Replay):
        return raw_json_response(shown(claim.body), claim.status)
    if isinstance(claim, Busy):
        raise api_error(ErrorCode.IDEMPOTENCY_KEY_IN_USE, retry_after_seconds=1)
    if isinstance(claim, Reused):
        raise api_error(ErrorCode.IDEMPOTENCY_KEY_REUSED)
    try:
        try:
            answer = await run(claim.plan, True)
        except ApiError:
            # It was refused before it wrote anything. Of an earlier try, that died, some may be done.
            if claim.is_first:
                await store.abandon(project_id, key)
            raise
        await store.finish(project_id, key, status, answer)
    finally:
        # However else it ended, part may be done: the claim stays, and a repetition completes the rest by the same
        # plan.
        store.cut_off_if_under_way(project_id, key)
    return raw_json_response(shown(answer), status)
