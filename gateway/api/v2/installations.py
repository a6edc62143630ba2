"""Installations: what a user sets up of an integration, such as an app in the user's Slack workspace."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.api.core.answer_types import answer_type
from gateway.api.core.body import Body
from gateway.api.core.call import USER, UserCall
from gateway.api.core.idempotency import Idempotency, planned
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.responses import encode, raw_json_response
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.config import inbox_of
from gateway.api.v2 import channel_tokens
from gateway.auth.tokens import limited_token
from gateway.channels import inbox, slack, templates, web_push
from gateway.channels.integration_kind import InstallationKind
from gateway.domain.errors import invalid
from gateway.domain.params import Problems
from gateway.domain.principal import Project
from gateway.domain.project_event import ProjectEvent, ProjectEventType
from gateway.store.configurations import Configuration
from gateway.store.errors import TooManyError
from gateway.store.inbox import InboxStore
from gateway.store.installations import InstallationStore
from gateway.store.integrations import IntegrationStore
from gateway.store.project_events import ProjectEvents

AUTH_TOKEN_SECONDS = 600
"""How long the token for saving a web push subscription is valid: enough for a person to answer the browser."""

WEB_PUSH_USE = "web_push/installations"


class WebPushStart(msgspec.Struct):
    """What a browser needs to subscribe.

    `auth_token` is a token of the user that saves web push installations and nothing else, for ten minutes.
    """

    auth_token: str
    public_key: str


@dataclass(frozen=True, slots=True)
class InstallationSaver:
    """Saves installations. Resources share it."""

    installations: InstallationStore
    events: ProjectEvents

    async def save(self, kind: InstallationKind, call: UserCall, sent: Mapping[str, Any]) -> bytes:
        """Save an installation in place of the same one, and return it as responses have it. Raises ApiError 422."""
        kind.derive(sent_values := dict(sent))
        place = kind.place(sent_values)
        while True:
            before = await self.installations.read(call.user, place, call.guard)
            problems = Problems()
            values = kind.complete(sent_values, None if before is None else before.values, problems)
            if problems:
                raise invalid(*problems)
            saved = await self._replace(kind, call, place, values, before)
            if saved is not None:
                event = ProjectEvent(ProjectEventType.INSTALLATION_SAVED, call.user.id, {"integration": kind.name})
                await self.events.write(call.project.id, event)
                return encode(kind.shown(saved.plain, saved.names))

    async def _replace(
        self,
        kind: InstallationKind,
        call: UserCall,
        place: str,
        values: Mapping[str, Any],
        before: Configuration | None,
    ) -> Configuration | None:
        try:
            return await self.installations.replace(call.user, place, values, kind.secrets, before, call.guard)
        except TooManyError as problem:
            raise invalid(f"You would have {problem}") from None


@dataclass(frozen=True, slots=True)
class InstallationsResource:
    """The operations on the calling user's installations, with the stores that they use."""

    saver: InstallationSaver
    inboxes: InboxStore
    installations: InstallationStore
    integrations: IntegrationStore
    events: ProjectEvents
    idempotency: Idempotency

    async def save(self, kind: InstallationKind, call: UserCall) -> Response:
        """Save the user's installation of {title}, in place of the same one. Secrets are redacted in the response."""
        body = await call.body()
        values = call.fields(body)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            return await self.saver.save(kind, call, values)

        return await self.idempotency.once(call, body, b"", work)

    async def replace(self, kind: InstallationKind, call: UserCall) -> Response:
        """Save the user's installation of {title}, as `POST` does."""
        return raw_json_response(await self.saver.save(kind, call, call.fields(await call.body())))

    async def start_inbox(self, call: UserCall) -> Response:
        """Return the look of the user's inbox: what the user has saved, and otherwise what the project has."""

        async def work(plan: bytes, repeatable: bool) -> bytes:
            return encode(await inbox_of(self.installations, self.integrations, call))

        return await self.idempotency.once(call, b"", b"", work)

    async def start_web_push(self, call: UserCall) -> Response:
        """Return the public key with which a browser subscribes, and a token that saves the subscription.

        The project's key pair is made if it has none.
        """

        await self.inboxes.use(call.user, call.guard)

        async def work(plan: bytes, repeatable: bool) -> bytes:
            return encode((planned(plan, int), await self._public_key(call.project)))

        def shown(kept: bytes) -> bytes:
            issued_at, public_key = planned(kept, tuple[int, str])
            expires_at = issued_at + AUTH_TOKEN_SECONDS
            auth_token = limited_token(call.project, call.user, WEB_PUSH_USE, issued_at, expires_at)
            return encode({"auth_token": auth_token, "public_key": public_key})

        return await self.idempotency.once(call, b"", encode(int(time.time())), work, shown)

    async def _public_key(self, project: Project) -> str:
        kind = web_push.INTEGRATION
        while (found := await self.integrations.read(project.id, kind)) is None:
            made = await self.integrations.replace(project.id, kind, web_push.new_key_pair(), None)
            if made is not None:
                context = {"integration": kind.name, "integration_id": made.id}
                event = ProjectEvent(ProjectEventType.INTEGRATION_SAVED, context=context)
                await self.events.write(project.id, event)
        return str(found.plain["public_key"])


_KindHandler = Callable[[InstallationsResource, InstallationKind, UserCall], Awaitable[Response]]


def _handler(method: _KindHandler, kind: InstallationKind) -> Callable[..., Awaitable[Response]]:
    async def handle(resource: InstallationsResource, call: UserCall) -> Response:
        return await method(resource, kind, call)

    handle.__doc__ = (method.__doc__ or "").format(title=kind.title)
    return handle


_BASE, _TAG = "/v2/integrations", "Integrations"

SLACK_INSTALLATION = answer_type(slack.INSTALLATION.config, "SlackInstallation")
_INBOX = answer_type(inbox.CONFIG, "InboxInstallation", inbox.INSTALLATION.nullable)
_TEMPLATE = answer_type(templates.INSTALLATION.config, "Template", templates.INSTALLATION.nullable)

_SAVED: tuple[tuple[InstallationKind, Any], ...] = (
    (inbox.INSTALLATION, _INBOX),
    (slack.INSTALLATION, SLACK_INSTALLATION),
    (templates.INSTALLATION, _TEMPLATE),
)


def _saving_rows() -> Iterator[AnyOperation]:
    """Yield the rows that save an installation."""
    for kind, saved in _SAVED:
        path, body, summary = f"{_BASE}/{kind.name}/installations", Body("", kind.config, kind.example), "Install"
        save, replace = _handler(InstallationsResource.save, kind), _handler(InstallationsResource.replace, kind)
        new, present = ResponseSpec(201, "Saved", saved), ResponseSpec(200, "Saved", saved)
        title = f"{summary}: {kind.title}"
        yield Operation("POST", path, USER, save, title, new, body, idempotent=True, tag=_TAG)
        yield Operation("PUT", path, USER, replace, f"{title} again", present, body, tag=_TAG)


def _installing(
    row: Operation[channel_tokens.ChannelTokensResource],
) -> Callable[[channel_tokens.ChannelTokensResource, UserCall], Awaitable[Response]]:
    """Return the handler of a row, with a description of its own."""

    async def install(resource: channel_tokens.ChannelTokensResource, call: UserCall) -> Response:
        return await row.handler(resource, call)

    install.__doc__ = f"Save the browser's subscription to web push. The same as `{row.method} {row.path}`."
    return install


def _web_push_rows() -> Iterator[AnyOperation]:
    """Yield the rows that save a subscription of a browser, which is a channel token."""
    for row in channel_tokens.OPERATIONS:
        if row.path == "/v2/channels/web_push/tokens" and row.reads_body:
            yield Operation(
                row.method,
                f"{_BASE}/web_push/installations",
                USER,
                _installing(row),
                "Install: Web push" if row.method == "POST" else "Install: Web push again",
                row.success,
                row.inputs.body,
                idempotent=row.idempotent,
                tag=_TAG,
                token_use=WEB_PUSH_USE,
            )


WEB_PUSH_OPERATIONS: list[AnyOperation] = list(_web_push_rows())
"""The rows of a ChannelTokensResource."""

_R = InstallationsResource

OPERATIONS: list[AnyOperation] = [
    *_saving_rows(),
    Operation(
        "POST",
        f"{_BASE}/inbox/installations/start",
        USER,
        _R.start_inbox,
        "Start to install: Inbox",
        ResponseSpec(201, "The look of the inbox", _INBOX),
        idempotent=True,
        tag=_TAG,
    ),
    Operation(
        "POST",
        f"{_BASE}/web_push/installations/start",
        USER,
        _R.start_web_push,
        "Start to install: Web push",
        ResponseSpec(201, "The key and the token", WebPushStart),
        idempotent=True,
        tag=_TAG,
    ),
]
