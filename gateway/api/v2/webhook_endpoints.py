"""The endpoints of a project that get its outgoing webhooks."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import Operation
from gateway.api.core.paging import PAGING, Links, whole_list_response
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode, json_response, no_content
from gateway.api.core.schema import ResponseSpec, Time, Uuid
from gateway.domain.errors import invalid
from gateway.domain.ids import ProjectId
from gateway.domain.objects import Array, Object
from gateway.domain.params import Choice, Integer, OutboundUrl, Param, Switch, Text
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.domain.times import rfc3339_ms
from gateway.domain.webhook import MAX_ENDPOINTS, SELECTABLE, EndpointHealth
from gateway.store.errors import TooManyError
from gateway.store.integrations import new_id
from gateway.store.project_events import ProjectEvents
from gateway.store.redis.problems import decoding
from gateway.store.webhook_endpoints import (
    DISABLED_BY_REQUEST,
    Endpoint,
    SigningSecret,
    WebhookEndpointStore,
    new_secret,
)
from gateway.store.webhook_messages import WebhookMessageStore

DEFAULT_OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 7 * DEFAULT_OVERLAP_SECONDS
MAX_SECRETS = 5
"""How many secrets sign at once, at most: one that is rotated out more often than that is in trouble."""

_FIELDS: Mapping[str, Param] = {
    "event_types": Array(
        item=Choice(options=SELECTABLE),
        max_items=len(SELECTABLE),
        description="The types of events that it gets, such as `notification.read`, or `notification.*` for all of a "
        "group. All types if it is empty.",
    ),
    "description": Text(max_length=255, description="What the endpoint is for; lists show it."),
}
_URL = "Where messages are posted. It must be public, and use https."

NEW_ENDPOINT = Body(
    "",
    Object(
        required=True,
        name="NewWebhookEndpoint",
        fields={"url": OutboundUrl(required=True, description=_URL), **_FIELDS},
    ),
    example={
        "url": "https://example.com/hooks/inbox",
        "event_types": ["notification.read", "user.*"],
        "description": "Analytics",
    },
)

_DISABLED = Switch(description="Whether nothing is sent to it. What happens meanwhile is not sent later either.")

ENDPOINT = Body(
    "",
    Object(
        required=True,
        name="WebhookEndpointReplacement",
        fields={"url": OutboundUrl(required=True, description=_URL), **_FIELDS, "disabled": _DISABLED},
    ),
    example={"url": "https://example.com/hooks/inbox", "event_types": ["notification.*"], "disabled": False},
)

CHANGED_ENDPOINT = Body(
    "",
    Object(
        required=True,
        name="WebhookEndpointChange",
        fields={"url": OutboundUrl(description=_URL), **_FIELDS, "disabled": _DISABLED},
    ),
    example={"event_types": ["notification.*"]},
)

ROTATION = Body(
    "",
    Object(
        required=True,
        name="WebhookSecretRotation",
        fields={
            "overlap_seconds": Integer(
                least=0,
                most=MAX_OVERLAP_SECONDS,
                description="For how many seconds messages are signed with the former secret as well, by default "
                f"{DEFAULT_OVERLAP_SECONDS} (a day). 0 if it has leaked.",
            )
        },
    ),
    example={"overlap_seconds": 3600},
)


class EndpointHealthShown(msgspec.Struct):
    """How an endpoint has answered lately. Nothing is sent before `paused_until`, if that is not null."""

    failures: int
    failing_since: Time | None
    paused_until: Time | None


class WebhookEndpoint(msgspec.Struct):
    """An endpoint of outgoing webhooks.

    `disabled_reason` is `request`, `failures` (nothing but failures for five days), `gone` (it answered 410), or null.
    Lists leave out `health`.
    """

    id: Uuid
    url: str
    event_types: list[str]
    description: str
    disabled: bool
    disabled_reason: Literal["request", "failures", "gone"] | None
    created_at: Time
    updated_at: Time
    health: EndpointHealthShown | UnsetType = UNSET


class NewWebhookEndpointShown(WebhookEndpoint, kw_only=True):
    """A new endpoint, with the secret that signs its messages. No other response contains the secret."""

    secret: str


class WebhookEndpoints(msgspec.Struct):
    """A page of endpoints, newest first."""

    data: list[WebhookEndpoint]
    links: Links


class RotatedSecret(msgspec.Struct):
    """The new secret, which no other response contains, and when the former one ends."""

    id: Uuid
    secret: str
    former_secret_expires_at: Time


CREATED = ResponseSpec(201, "The endpoint and its secret", NewWebhookEndpointShown)
FOUND = ResponseSpec(200, "The endpoint", WebhookEndpoint)
LISTED = ResponseSpec(200, "A page", WebhookEndpoints)
ROTATED = ResponseSpec(201, "The new secret", RotatedSecret)

Wake = Callable[[ProjectId, str, int], Awaitable[None]]
"""Has the messages of an endpoint sent that are due at a unix ms, 0 for now."""


class _Plan(msgspec.Struct):
    """What repetitions of a request share: the id, the time, and the new secret, encrypted."""

    id: str
    now_ms: int
    sealed: str


@dataclass(frozen=True, slots=True)
class WebhookEndpointsResource:
    """The operations on the endpoints, with the stores that they use."""

    endpoints: WebhookEndpointStore
    messages: WebhookMessageStore
    events: ProjectEvents
    idempotency: Idempotency
    wake: Wake

    async def create(self, call: ProjectCall) -> Response:
        """Create an endpoint, to which the project's events are posted from now on.

        The response has the secret that signs its messages, in the form of Standard Webhooks (`whsec_…`). It is
        encrypted at rest, and not shown again. A repetition of the request with the same `Idempotency-Key` returns the
        same endpoint and secret.
        """
        body = await call.body()
        values = call.fields(body)
        project_id, now_ms = call.project.id, int(time.time() * 1000)
        plan = self._plan(project_id, new_id(project_id, now_ms // 1000), now_ms)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            made = planned(plan, _Plan)
            secrets = self.endpoints.unseal(project_id, made.id, made.sealed)
            types, description = tuple(values["event_types"] or ()), values["description"] or ""
            endpoint = Endpoint(made.id, values["url"], types, description, "", made.now_ms, made.now_ms, secrets)
            if not repeatable or await self.endpoints.read(project_id, made.id) is None:
                await self._save(project_id, endpoint, None, ProjectEventType.ENDPOINT_SAVED)
            return encode({**shown(endpoint), "secret": made.sealed})

        return await self.idempotency.once(call, body, plan, work, shown=lambda kept: self._revealed(project_id, kept))

    async def list_page(self, call: ProjectCall) -> Response:
        """Return a page of the project's endpoints, newest first."""
        found = await self.endpoints.all(call.project.id)
        return whole_list_response(call, [shown(each) for each in reversed(found)])

    async def get(self, call: ProjectCall) -> Response:
        """Return an endpoint, and how it has answered lately."""
        return await self._response(call.project.id, await self._find(call))

    async def change(self, call: ProjectCall) -> Response:
        """Change those fields of an endpoint that the body has. `disabled` enables it as well."""
        values = call.fields(await call.body())

        def changed(before: Endpoint) -> Endpoint:
            return replace(
                before,
                url=values["url"] or before.url,
                event_types=before.event_types if values["event_types"] is None else tuple(values["event_types"]),
                description=before.description if values["description"] is None else values["description"],
                disabled=_disabled(before, values["disabled"]),
            )

        return await self._change(call, changed)

    async def replace(self, call: ProjectCall) -> Response:
        """Replace all fields of an endpoint but its secret. What the body leaves out gets its default."""
        values = call.fields(await call.body())

        def changed(before: Endpoint) -> Endpoint:
            return replace(
                before,
                url=values["url"],
                event_types=tuple(values["event_types"] or ()),
                description=values["description"] or "",
                disabled=_disabled(before, bool(values["disabled"])),
            )

        return await self._change(call, changed)

    async def enable(self, call: ProjectCall) -> Response:
        """Enable an endpoint and forget its failures. Messages that wait are sent; what happened meanwhile is not."""
        return await self._change(call, lambda before: replace(before, disabled=""))

    async def delete(self, call: ProjectCall) -> Response:
        """Delete an endpoint with its messages."""
        endpoint_id = str(call.uuid("endpoint_id", "Webhook endpoint"))
        if not await self.endpoints.delete(call.project.id, endpoint_id):
            raise not_found("Webhook endpoint")
        await self.messages.clear(call.project.id, endpoint_id)
        await self._write(call.project.id, ProjectEventType.ENDPOINT_DELETED, endpoint_id)
        return no_content()

    async def rotate(self, call: ProjectCall) -> Response:
        """Replace the signing secret of an endpoint, and return the new one, which is not shown again.

        For a while messages have a signature of each secret, so that the receiver can change over at any time. A
        receiver that verifies as the specification says accepts a message if one signature holds.
        """
        body = await call.body()
        overlap = call.fields(body or b"{}")["overlap_seconds"]
        overlap_ms = 1000 * (DEFAULT_OVERLAP_SECONDS if overlap is None else overlap)
        project_id, found = call.project.id, await self._find(call)
        plan = self._plan(project_id, found.id, int(time.time() * 1000))

        async def work(plan: bytes, repeatable: bool) -> bytes:
            made = planned(plan, _Plan)
            new, *_ = self.endpoints.unseal(project_id, made.id, made.sealed)
            until_ms = made.now_ms + overlap_ms
            before: Endpoint | None = found
            while before is not None and not _has(before, new):
                former = [replace_end(each, until_ms) for each in before.secrets if _lasts(each, made.now_ms)]
                secrets = (new, *former[: MAX_SECRETS - 1])
                after = replace(before, secrets=secrets, updated_ms=made.now_ms)
                if await self._save(project_id, after, before, ProjectEventType.ENDPOINT_ROTATED):
                    break
                before = await self.endpoints.read(project_id, made.id)
            expires_at = rfc3339_ms(until_ms)
            return encode({"id": made.id, "secret": made.sealed, "former_secret_expires_at": expires_at})

        return await self.idempotency.once(call, body, plan, work, shown=lambda kept: self._revealed(project_id, kept))

    def _plan(self, project_id: ProjectId, endpoint_id: str, now_ms: int) -> bytes:
        sealed = self.endpoints.seal(project_id, endpoint_id, [SigningSecret(new_secret())])
        return encode(_Plan(endpoint_id, now_ms, sealed))

    def _revealed(self, project_id: ProjectId, kept: bytes) -> bytes:
        """Return the body of a response with the secret, which is encrypted in what is kept of it."""
        with decoding("an idempotency record"):
            found = msgspec.json.decode(kept, type=dict[str, Any])
        (secret,) = self.endpoints.unseal(project_id, found["id"], found["secret"])
        return encode({**found, "secret": secret.secret})

    async def _find(self, call: ProjectCall) -> Endpoint:
        return await find_endpoint(self.endpoints, call)

    async def _change(self, call: ProjectCall, changed: Callable[[Endpoint], Endpoint]) -> Response:
        """Save a change, whatever was changed meanwhile, and return the response with the endpoint."""
        project_id = call.project.id
        while True:
            before = await self._find(call)
            after = changed(before)
            if after == before:
                return await self._response(project_id, before)
            after = replace(after, updated_ms=int(time.time() * 1000))
            if await self._save(project_id, after, before, ProjectEventType.ENDPOINT_SAVED):
                break
        if after.disabled and not before.disabled:
            await self._write(project_id, ProjectEventType.ENDPOINT_DISABLED, after.id, after.disabled)
        if not after.disabled and before.disabled:
            await self._write(project_id, ProjectEventType.ENDPOINT_ENABLED, after.id)
            due_ms = await self.messages.resume(project_id, after.id)
            if due_ms is not None:
                await self.wake(project_id, after.id, due_ms)
        return await self._response(project_id, after)

    async def _save(
        self, project_id: ProjectId, endpoint: Endpoint, before: Endpoint | None, event: ProjectEventType
    ) -> bool:
        """Save an endpoint and write the event. Return False if it has changed since it was read."""
        try:
            saved = await self.endpoints.save(project_id, endpoint, before)
        except TooManyError:
            raise invalid(f"The project has {MAX_ENDPOINTS} webhook endpoints already, which is the limit") from None
        if saved:
            await self._write(project_id, event, endpoint.id)
        return saved

    async def _response(self, project_id: ProjectId, endpoint: Endpoint) -> Response:
        health, _ = await self.messages.health(project_id, endpoint.id)
        return json_response({**shown(endpoint), "health": _shown_health(health)})

    async def _write(self, project_id: ProjectId, kind: ProjectEventType, endpoint_id: str, reason: str = "") -> None:
        context = {"endpoint_id": endpoint_id, **({"reason": reason} if reason else {})}
        await self.events.write(project_id, ProjectEvent(kind, context=context))


async def find_endpoint(endpoints: WebhookEndpointStore, call: ProjectCall) -> Endpoint:
    """Return the endpoint that a path names. Raises ApiError 404."""
    endpoint_id: UUID = call.uuid("endpoint_id", "Webhook endpoint")
    found = await endpoints.read(call.project.id, str(endpoint_id))
    if found is None:
        raise not_found("Webhook endpoint")
    return found


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint in the form of v2, without its secrets."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "event_types": list(endpoint.event_types),
        "description": endpoint.description,
        "disabled": bool(endpoint.disabled),
        "disabled_reason": endpoint.disabled or None,
        "created_at": rfc3339_ms(endpoint.created_ms),
        "updated_at": rfc3339_ms(endpoint.updated_ms),
    }


def _shown_health(health: EndpointHealth) -> dict[str, Any]:
    now_ms = time.time() * 1000
    return {
        "failures": health.failures,
        "failing_since": rfc3339_ms(health.failing_since_ms) if health.failing_since_ms else None,
        "paused_until": rfc3339_ms(health.resumes_ms) if health.resumes_ms > now_ms else None,
    }


def _disabled(before: Endpoint, wanted: bool | None) -> str:
    """Return the reason for which an endpoint is disabled after a change. The reason stays if it was disabled."""
    if wanted is None:
        return before.disabled
    return (before.disabled or DISABLED_BY_REQUEST) if wanted else ""


def _has(endpoint: Endpoint, secret: SigningSecret) -> bool:
    return any(each.secret == secret.secret for each in endpoint.secrets)


def _lasts(secret: SigningSecret, now_ms: int) -> bool:
    return secret.until_ms is None or secret.until_ms > now_ms


def replace_end(secret: SigningSecret, until_ms: int) -> SigningSecret:
    """Return a secret that ends at this time, or earlier if it did already."""
    return SigningSecret(secret.secret, until_ms if secret.until_ms is None else min(secret.until_ms, until_ms))


_PATH = "/v2/webhooks/endpoints"
_ONE = f"{_PATH}/{{endpoint_id}}"
_R = WebhookEndpointsResource

OPERATIONS = [
    Operation("POST", _PATH, PROJECT, _R.create, "Create an endpoint", CREATED, NEW_ENDPOINT, idempotent=True),
    Operation("GET", _PATH, PROJECT, _R.list_page, "List endpoints", LISTED, query=PAGING),
    Operation("GET", _ONE, PROJECT, _R.get, "Fetch an endpoint", FOUND),
    Operation("PATCH", _ONE, PROJECT, _R.change, "Change an endpoint", FOUND, CHANGED_ENDPOINT),
    Operation("PUT", _ONE, PROJECT, _R.replace, "Replace an endpoint", FOUND, ENDPOINT),
    Operation("DELETE", _ONE, PROJECT, _R.delete, "Delete an endpoint"),
    Operation("POST", f"{_ONE}/rotate", PROJECT, _R.rotate, "Rotate a secret", ROTATED, ROTATION, idempotent=True),
    Operation("POST", f"{_ONE}/enable", PROJECT, _R.enable, "Enable an endpoint", FOUND),
]
