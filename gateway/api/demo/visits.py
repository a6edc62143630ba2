"""The operations of the demo's pages: sign its people in, send to them, revoke a token, restart the workers.

A visitor is a browser with a cookie that scripts cannot read. All that it reaches is its own two people in the demo's
project: their tokens open the REST API and live connections as those of any user do.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.responses import json_response, no_content
from gateway.api.core.schema import ResponseSpec
from gateway.api.demo.gate import DemoGate
from gateway.api.demo.limits import DemoLimits, Limit
from gateway.api.demo.people import DEVICES, PEOPLE, Device, external_id
from gateway.auth.demo_visits import COOKIE, VISIT_SECONDS, DemoVisits, new_visitor
from gateway.auth.tokens import issued_token
from gateway.domain.address import client_network
from gateway.domain.errors import ErrorCode, api_error
from gateway.domain.objects import Array, Object
from gateway.domain.params import Choice, Text
from gateway.domain.principal import Identity, Project, User
from gateway.domain.retention import ItemRetention
from gateway.runtime.random_ids import uuid_of_time
from gateway.sending.command import Recipient, SendCommand
from gateway.sending.plans import new_send_plan
from gateway.sending.sender import Sender
from gateway.store.demo_visitors import IDLE_SECONDS, DemoVisitors
from gateway.store.directory import Directory
from gateway.store.event_log import Moment
from gateway.store.tokens import Token, TokenStore

TOKEN_SECONDS = 600
"""How long a token is valid. The page renews it in time, which shows that too, and keeps the visitor's data."""

RESTART_PAUSE_SECONDS = 10.0
"""How long a worker has served before it can be restarted, so that a visitor cannot keep the gateway from serving."""

KEPT = ItemRetention(100, IDLE_SECONDS)

VISITS = Limit("visits", 60, 300)
TOKENS = Limit("tokens", 60, 600)
SENDS = Limit("notifications", 60, 600)
REVOCATIONS = Limit("revocations", 20, 200)
RESTARTS = Limit("restarts", 3, 3)

_DEVICE = Choice(required=True, options=tuple(DEVICES))

DEVICE = Body("", Object(required=True, fields={"device": _DEVICE}), example={"device": "ada-phone"})
NOTHING = Body("", Object(required=True), example={})
NOTIFICATION = Body(
    "",
    Object(
        required=True,
        fields={
            "to": Array(required=True, min_items=1, max_items=2, item=Choice(required=True, options=tuple(PEOPLE))),
            "title": Text(required=True, max_length=255),
            "content": Text(max_length=4000),
            "category": Text(max_length=100),
            "action_url": Text(max_length=500),
            "delivery": Text(max_length=64, description="Returned in the custom attributes, to recognise it."),
        },
    ),
    example={"to": ["ada"], "title": "Your order has shipped"},
)

VISIT = ResponseSpec(200, "The people of the visitor, and their devices", dict[str, Any])
TOKEN = ResponseSpec(200, "A token", dict[str, Any])
REVOKED = ResponseSpec(200, "How many tokens were revoked", dict[str, Any])
SENT = ResponseSpec(201, "The id of the notification", dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitsResource:
    """The operations, with what they use. `restart` is None for a worker that no supervisor started."""

    gate: DemoGate
    visits: DemoVisits
    visitors: DemoVisitors
    directory: Directory
    tokens: TokenStore
    sender: Sender
    now: Callable[[], Moment]
    restart: Callable[[], None] | None = None
    limits: DemoLimits = field(default_factory=lambda: DemoLimits(time.monotonic))
    started_at: float = field(default_factory=time.monotonic)

    async def visit(self, call: PublicCall) -> Response:
        """Begin a visit, or continue that of the cookie. Tokens are issued by `POST /demo/api/tokens`."""
        project = await self.gate.enter(call)
        self.limits.count(VISITS, client_network(call.forwarded.client))
        call.fields(await call.body())
        known = self._visitor(call)
        visitor = known or new_visitor()
        await self._touch(project, visitor)
        people = [
            {"id": person, "name": names[0], "external_id": external_id(person, visitor)}
            for person, names in PEOPLE.items()
        ]
        devices = [
            {"id": device.id, "person": device.person, "kind": device.kind, "transport": device.transport}
            for device in DEVICES.values()
        ]
        body = {
            "people": people,
            "devices": devices,
            "is_new": known is None,
            "can_restart": self.restart is not None and await self.gate.is_alone(),
        }
        return json_response(body, headers=self._cookie(call, visitor))

    async def issue_token(self, call: PublicCall) -> Response:
        """Issue a token for a device of the visitor."""
        project, visitor, values = await self._entered(call, TOKENS)
        device = DEVICES[values["device"]]
        token, user = await self._issue(project, visitor, device)
        body = {"token": issued_token(project, user, token), "expires_at": token.expires_at}
        return json_response(body, headers=self._cookie(call, visitor))

    async def revoke(self, call: PublicCall) -> Response:
        """Revoke all tokens of a device of the visitor. Its connection is closed, and those of others stay."""
        project, visitor, values = await self._entered(call, REVOCATIONS)
        device, now = DEVICES[values["device"]], int(time.time())
        user = await self._user(project, visitor, device.person)
        page = await self.tokens.page(user, 100, None, None, now)
        revoked = [token for token in page.tokens if token.name == device.id and token.discarded_at is None]
        for token in revoked:
            await self.tokens.discard(user, token.id, now)
        return json_response({"revoked": len(revoked)})

    async def send(self, call: PublicCall) -> Response:
        """Send a notification to people of the visitor. It enters their inboxes, and no other channel sends it."""
        project, visitor, values = await self._entered(call, SENDS)
        plan = new_send_plan(self.now())
        command = SendCommand(
            title=values["title"],
            content=values["content"],
            category=values["category"],
            action_url=values["action_url"],
            custom_attributes={"delivery": values["delivery"]} if values["delivery"] else None,
            recipients=[
                Recipient(external_id=external_id(person, visitor), first_name=PEOPLE[person][0])
                for person in dict.fromkeys(values["to"])
            ],
        )
        await self.sender.send(project.id, command, plan, KEPT, False)
        return json_response({"id": plan.id}, 201)

    async def restart_workers(self, call: PublicCall) -> Response:
        """Replace the workers one at a time, as after an upgrade. Connections move to the new ones."""
        await self._entered(call, RESTARTS)
        if self.restart is None:
            raise api_error(
                ErrorCode.FORBIDDEN, "This worker cannot be restarted: `inbox-gateway serve` did not start it"
            )
        if not await self.gate.is_alone():
            raise api_error(ErrorCode.FORBIDDEN, "The gateway serves other projects, whose connections would move too")
        wait = self.started_at + RESTART_PAUSE_SECONDS - time.monotonic()
        if wait > 0:
            message = "The worker was just started"
            raise api_error(ErrorCode.RATE_LIMIT_EXCEEDED, message, max(1, round(wait)))
        self.restart()
        return no_content()

    async def _entered(self, call: PublicCall, limit: Limit) -> tuple[Project, str, Mapping[str, Any]]:
        """Return the project, the visitor and the fields of the body. Raises ApiError for a request without a visit."""
        project = await self.gate.enter(call)
        visitor = self._visitor(call)
        if visitor is None:
            raise api_error(
                ErrorCode.FORBIDDEN, "The visit has ended", suggestion="Reload the page, which begins another one."
            )
        self.limits.count(limit, visitor)
        values = call.fields(await call.body())
        await self._touch(project, visitor)
        return project, visitor, values

    async def _touch(self, project: Project, visitor: str) -> None:
        if not await self.visitors.touch(project.id, visitor, int(time.time())):
            raise api_error(ErrorCode.RATE_LIMIT_EXCEEDED, "The demo has too many visitors at the moment", 60)

    async def _issue(self, project: Project, visitor: str, device: Device) -> tuple[Token, User]:
        user, now = await self._user(project, visitor, device.person), int(time.time())
        token = Token(uuid_of_time(now * 1000), now, now + TOKEN_SECONDS, None, device.id)
        return await self.tokens.issue(user, token), user

    async def _user(self, project: Project, visitor: str, person: str) -> User:
        return await self.directory.resolve(project.id, Identity(external_id(person, visitor), None))

    def _visitor(self, call: PublicCall) -> str | None:
        return self.visits.visitor(call.request.headers.get("cookie", ""))

    def _cookie(self, call: PublicCall, visitor: str) -> dict[str, str]:
        """Return the header that sets the visitor's cookie.

        It has no path, so that browsers send it to the directory of this request only, also below a proxy's prefix.
        """
        value, is_secure = self.visits.sign(visitor, int(time.time())), call.forwarded.scheme == "https"
        secure = "; Secure" if is_secure else ""
        return {"Set-Cookie": f"{COOKIE}={value}; Max-Age={VISIT_SECONDS}; HttpOnly; SameSite=Strict{secure}"}


_R = VisitsResource

OPERATIONS = [
    Operation("POST", "/demo/api/visits", PUBLIC, _R.visit, "Begin a visit", VISIT, NOTHING, strict=True),
    Operation("POST", "/demo/api/tokens", PUBLIC, _R.issue_token, "Issue a token", TOKEN, DEVICE, strict=True),
    Operation("POST", "/demo/api/revocations", PUBLIC, _R.revoke, "Revoke tokens", REVOKED, DEVICE, strict=True),
    Operation("POST", "/demo/api/notifications", PUBLIC, _R.send, "Send", SENT, NOTIFICATION, strict=True),
    Operation("POST", "/demo/api/restarts", PUBLIC, _R.restart_workers, "Restart", body=NOTHING, strict=True),
]
