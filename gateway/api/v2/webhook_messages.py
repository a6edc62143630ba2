"""The messages of an endpoint of outgoing webhooks: what was sent to it, what it answered, and what comes next."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, page_response, read_page
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response
from gateway.api.core.schema import Hash, ResponseSpec, Time, Uuid
from gateway.api.v2.webhook_endpoints import Wake, find_endpoint
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.times import rfc3339_ms
from gateway.domain.webhook import WebhookEvent, encode_body, message_id
from gateway.store.webhook_endpoints import Endpoint, WebhookEndpointStore
from gateway.store.webhook_messages import NewMessage, WebhookMessage, WebhookMessageStore


class WebhookAttempt(msgspec.Struct):
    """An attempt to deliver a message. `status` is that of the response, null if there was none."""

    at: Time
    status: int | None
    duration_ms: int
    reason: str | None


class WebhookMessageShown(msgspec.Struct):
    """A message. `next_attempt_at` is null if it is not tried again by itself. Lists leave out `body`."""

    id: Uuid
    event_type: str
    state: Literal["pending", "delivered", "failed"]
    created_at: Time
    attempts: list[WebhookAttempt]
    next_attempt_at: Time | None
    body: Hash | UnsetType = UNSET


class WebhookMessages(msgspec.Struct):
    """A page of messages, newest first."""

    data: list[WebhookMessageShown]
    links: Links


FOUND = ResponseSpec(200, "The message", WebhookMessageShown)
LISTED = ResponseSpec(200, "A page", WebhookMessages)
DUE = ResponseSpec(201, "The message, which is sent within a moment", WebhookMessageShown)


class _Plan(msgspec.Struct):
    """What repetitions of a request share."""

    id: str
    now_ms: int


@dataclass(frozen=True, slots=True)
class WebhookMessagesResource:
    """The operations on messages, with the stores that they use."""

    endpoints: WebhookEndpointStore
    messages: WebhookMessageStore
    idempotency: Idempotency
    wake: Wake

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the messages of an endpoint, newest first, with the last 20 attempts at each.

        The newest 10,000 messages of the last seven days are kept, or fewer if they are large.
        """
        endpoint, page = await find_endpoint(self.endpoints, call), read_page(call.query())
        after, before = (UUID(each) if each else None for each in (page.after, page.before))
        found = await self.messages.page(call.project.id, endpoint.id, page.size + 1, after, before)
        more, entries = len(found) > page.size, [shown(each) for each in found[: page.size]]
        if before:
            return page_response(call, page, entries[::-1], more, bool(entries))
        return page_response(call, page, entries, after is not None, more)

    async def get(self, call: ProjectCall) -> Response:
        """Return a message with its body, as it is posted."""
        endpoint = await find_endpoint(self.endpoints, call)
        return json_response(shown(await self._find(call, endpoint)))

    async def test(self, call: ProjectCall) -> Response:
        """Send a message of the type `webhook.test` to an endpoint.

        It is sent within a moment, and repeated like any other message if it fails. Fetch it to see the result.
        """
        endpoint, project_id = await self._enabled(call), call.project.id
        now_ms = int(time.time() * 1000)
        plan = encode(_Plan(str(message_id(now_ms, secrets.token_hex())), now_ms))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            made = planned(plan, _Plan)
            new, label = UUID(made.id), WebhookEvent.TEST.label
            body = encode_body(label, new, rfc3339_ms(made.now_ms), {"endpoint_id": endpoint.id})
            await self.messages.add(project_id, endpoint.id, [NewMessage(new, label, body)], made.now_ms)
            await self.wake(project_id, endpoint.id, 0)
            return encode(shown(await self._read(call, endpoint, new)))

        return await self.idempotency.once(call, b"", plan, work)

    async def retry(self, call: ProjectCall) -> Response:
        """Send a message again, whatever became of it, with the same id and body, and begin its schedule again."""
        endpoint, project_id = await self._enabled(call), call.project.id
        wanted = call.uuid("message_id", "Message")
        plan = encode(_Plan(str(wanted), int(time.time() * 1000)))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            now_ms = planned(plan, _Plan).now_ms
            if not await self.messages.retry(project_id, endpoint.id, wanted, now_ms):
                raise not_found("Message")
            await self.wake(project_id, endpoint.id, 0)
            return encode(shown(await self._read(call, endpoint, wanted)))

        return await self.idempotency.once(call, b"", plan, work)

    async def _enabled(self, call: ProjectCall) -> Endpoint:
        endpoint = await find_endpoint(self.endpoints, call)
        if endpoint.disabled:
            raise api_error(ErrorCode.WEBHOOK_ENDPOINT_DISABLED)
        return endpoint

    async def _find(self, call: ProjectCall, endpoint: Endpoint) -> WebhookMessage:
        return await self._read(call, endpoint, call.uuid("message_id", "Message"))

    async def _read(self, call: ProjectCall, endpoint: Endpoint, wanted: UUID) -> WebhookMessage:
        found = await self.messages.read(call.project.id, endpoint.id, wanted)
        if found is None:
            raise not_found("Message")
        return found


def shown(message: WebhookMessage) -> dict[str, Any]:
    """Return a message in the form of v2."""
    described: dict[str, Any] = {
        "id": str(message.id),
        "event_type": message.label,
        "state": message.state.value,
        "created_at": rfc3339_ms(message.created_ms),
        "attempts": _shown_attempts(message),
        "next_attempt_at": None if message.due_ms is None else rfc3339_ms(message.due_ms),
    }
    if message.body:
        described["body"] = msgspec.Raw(message.body)
    return described


def _shown_attempts(message: WebhookMessage) -> Sequence[dict[str, Any]]:
    return [
        {
            "at": rfc3339_ms(each.at_ms),
            "status": each.status or None,
            "duration_ms": each.took_ms,
            "reason": each.reason or None,
        }
        for each in message.attempts
    ]


_ONE = "/v2/webhooks/endpoints/{endpoint_id}"
_MESSAGES = f"{_ONE}/messages"
_R = WebhookMessagesResource

OPERATIONS = [
    Operation("POST", f"{_ONE}/test", PROJECT, _R.test, "Send a test message", DUE, idempotent=True),
    Operation("GET", _MESSAGES, PROJECT, _R.list_page, "List messages", LISTED, query=PAGING),
    Operation("GET", f"{_MESSAGES}/{{message_id}}", PROJECT, _R.get, "Fetch a message", FOUND),
    Operation(
        "POST",
        f"{_MESSAGES}/{{message_id}}/retry",
        PROJECT,
        _R.retry,
        "Send a message again",
        DUE,
        idempotent=True,
    ),
]
