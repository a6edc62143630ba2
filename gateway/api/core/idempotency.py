"""The `Idempotency-Key` header: the first response is kept for 24 hours and returned to each repetition, byte for byte.

A request with a key has three steps. `begin` claims the key and stores the request's plan: what each repetition must
use again, such as the id of the created object. Then the work is done. `finish` stores the response. If the process
dies between the steps, the claim remains. The next request with that key gets the first one's plan, and completes the
work without doing anything twice.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from starlette.responses import Response

from gateway.api.core.call import ProjectCall, UserCall
from gateway.api.core.responses import raw_json_response
from gateway.domain.errors import ApiError, ErrorCode, api_error, invalid
from gateway.domain.ids import ProjectId
from gateway.store.idempotency import Busy, Finished, IdempotencyStore, Reused, Run
from gateway.store.redis.client import StoreUnavailableError
from gateway.store.redis.problems import decoding

MAX_KEY_LENGTH = 255

_CREATED = 201

_Plan = TypeVar("_Plan")

Work = Callable[[bytes, bool], Awaitable[bytes]]
"""Does the work of a request that creates something, and returns the part of its response that is stored.

Its arguments are the plan, and whether the request has an `Idempotency-Key`. If it has, an earlier attempt may have
done part of the work already.
"""


def planned(plan: bytes, kind: type[_Plan]) -> _Plan:
    """Return the decoded plan of a request. It may be that of an earlier attempt. Raises StoreDataError."""
    with decoding("an idempotency record"):
        return msgspec.json.decode(plan, type=kind)


KeyedCall = ProjectCall | UserCall
"""A call that may have an `Idempotency-Key`. The keys of a user are apart from all others."""


def key_of(call: KeyedCall) -> str:
    """Return the `Idempotency-Key` of a request, "" if it has none. Then its work needs no encoded plan."""
    return call.request.headers.get("idempotency-key", "")


def _unchanged(kept: bytes) -> bytes:
    return kept


class Idempotency:
    """Runs requests that create something, once for each `Idempotency-Key` of a project or user."""

    def __init__(self, store: IdempotencyStore):
        self._store = store

    async def once(
        self,
        call: KeyedCall,
        body: bytes,
        plan: bytes,
        work: Work,
        shown: Callable[[bytes], bytes] = _unchanged,
        default_key: str = "",
    ) -> Response:
        """Do the work, or continue that of an earlier attempt, and return the 201 response.

        `shown` converts the result of `work` into the body of the response. Only the result of `work` is stored, so
        the body may have parts that must not be stored, such as a token. `default_key` is the key of a request without
        one, for work that can be done only once anyway.
        Raises ApiError 409 while the first request with the key runs, and 422 when the key came with another request.
        """
        key = key_of(call) or default_key
        if not key:
            return raw_json_response(shown(await work(plan, False)), _CREATED)
        if len(key) > MAX_KEY_LENGTH:
            raise invalid(f"Header 'Idempotency-Key' must have at most {MAX_KEY_LENGTH} characters")
        project_id = call.project.id
        if isinstance(call, UserCall):
            key = f"{call.user.id} {key}"
        claim = await self._begin(project_id, key, _fingerprint(call, body), plan)
        if isinstance(claim, Finished):
            return raw_json_response(shown(claim.body), claim.status)
        kept = await self._run(project_id, key, claim.plan, claim.is_first, work)
        return raw_json_response(shown(kept), _CREATED)

    async def _begin(self, project_id: ProjectId, key: str, fingerprint: str, plan: bytes) -> Finished | Run:
        try:
            claim = await self._store.begin(project_id, key, fingerprint, plan)
        except StoreUnavailableError:
            self._store.cut_off(project_id, key)  # the claim may have been written
            raise
        if isinstance(claim, Busy):
            raise api_error(ErrorCode.IDEMPOTENCY_KEY_IN_USE, retry_after_seconds=1)
        if isinstance(claim, Reused):
            raise api_error(ErrorCode.IDEMPOTENCY_KEY_REUSED)
        return claim

    async def _run(self, project_id: ProjectId, key: str, plan: bytes, is_first: bool, work: Work) -> bytes:
        try:
            try:
                kept = await work(plan, True)
            except ApiError:
                # The request was refused before it wrote anything. An earlier attempt that died may have written.
                if is_first:
                    await self._store.abandon(project_id, key)
                raise
            await self._store.finish(project_id, key, _CREATED, kept)
        finally:
            # After any other failure a part may be done. The claim stays, and a repetition completes the rest by the
            # same plan.
            self._store.cut_off_if_under_way(project_id, key)
        return kept


def _fingerprint(call: KeyedCall, body: bytes) -> str:
    request = call.request
    return hashlib.sha256(f"{request.method} {request.path}\0".encode() + body).hexdigest()
