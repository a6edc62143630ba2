"""Test messages: whether an integration works, tried with one message to a user of the project."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID, uuid4

import msgspec
from starlette.responses import Response

from gateway.api.core.body import Body
from gateway.api.core.call import PROJECT, ProjectCall
from gateway.api.core.idempotency import Idempotency
from gateway.api.core.operation import AnyOperation, Operation
from gateway.api.core.problems import not_found
from gateway.api.core.responses import encode
from gateway.api.core.schema import ResponseSpec
from gateway.api.v1.identity import find_user
from gateway.channels import inbox
from gateway.channels.email_brand import brand_of
from gateway.channels.message import Addressee, Message
from gateway.channels.outcome import (
    Dead,
    Delivered,
    Handed,
    Misconfigured,
    Outcome,
    Refused,
    Retry,
    Scope,
    Throttled,
    Unknown,
)
from gateway.channels.provider import Provider
from gateway.channels.registry import PROVIDERS
from gateway.domain.errors import ErrorCode, invalid
from gateway.domain.objects import Object
from gateway.domain.params import Text
from gateway.domain.preferences import Channel
from gateway.domain.principal import Project, User
from gateway.store.channel_tokens import ChannelTokenStore
from gateway.store.directory import Directory
from gateway.store.integrations import IntegrationStore
from gateway.store.profiles import ProfileStore

BY_NAME: Mapping[str, Provider] = {each.name: each for each in PROVIDERS}

_EXPIRES_SECONDS = 3600
_LISTED_TOKENS = 100

TEST = Body(
    "",
    Object(
        required=True,
        name="NewIntegrationTest",
        fields={
            "user": Text(
                required=True,
                max_length=300,
                description="Who gets the message: the user's id, or `external_id:…` or `email:…`.",
            ),
            "token_id": Text(max_length=36, description="One of the user's channel tokens; without it, the newest."),
        },
    ),
    example={"user": "external_id:ada"},
    refusals=(ErrorCode.NOT_FOUND,),
)


class IntegrationTest(msgspec.Struct):
    """What the provider made of a test message.

    `outcome` is `delivered`, `handed` (the provider tells the result later), `dead` (it knows no such token or
    address), `retry`, `throttled`, `misconfigured`, `refused`, `unknown` (it did not answer), or `no_destination` (the
    user has none). `code` is the provider's, and `message` one sentence.
    """

    provider: str
    channel: str
    outcome: str
    code: str
    provider_id: str
    message: str


TESTED = ResponseSpec(201, "The outcome", IntegrationTest)


class MessageSender(Protocol):
    """Sends messages through the adapter of one provider."""

    async def send(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Return the outcomes in order. Never raises for a failure of the provider."""


class _Destination(NamedTuple):
    fields: Mapping[str, Any]
    token_kind: str = ""
    registered_at: int = 0


@dataclass(frozen=True, slots=True)
class IntegrationTestsResource:
    """The operation that sends test messages, with the stores that it uses."""

    senders: Mapping[str, MessageSender]
    integrations: IntegrationStore
    directory: Directory
    profiles: ProfileStore
    tokens: ChannelTokenStore
    idempotency: Idempotency

    async def send(self, call: ProjectCall) -> Response:
        """Send a test message to a user through a provider, and return what the provider made of it.

        The message is sent at once, past preferences, delivery configs and lanes. Nothing is stored of it, and a token
        that turns out to be dead is not discarded. The name is that of the integration; `teams` and `expo` need none.
        """
        body = await call.body()
        values = call.fields(body)
        provider = BY_NAME.get(call.text("integration"))
        if provider is None:
            raise not_found("Integration", f"These send messages: {', '.join(sorted(BY_NAME))}.")
        config, config_id = await self._config(call.project, provider)
        user = await find_user(self.directory, call.project.id, values["user"])
        addressee = await self._addressee(user)
        destination = await self._destination(user, provider, addressee, values["token_id"])

        async def work(plan: bytes, repeatable: bool) -> bytes:
            if destination is None:
                return encode(msgspec.structs.asdict(_without_destination(provider)))
            message = await self._message(call.project, user, provider, addressee, destination, config, config_id)
            (outcome,) = await self.senders[provider.name].send([message])
            return encode(msgspec.structs.asdict(result_of(provider, outcome)))

        return await self.idempotency.once(call, body, b"", work)

    async def _config(self, project: Project, provider: Provider) -> tuple[Mapping[str, Any], str]:
        if provider.integration is None:
            return {}, ""
        found = await self.integrations.read(project.id, provider.integration)
        if found is None:
            if provider.optional_integration:
                return {}, ""
            name = provider.integration.name
            raise not_found("Integration", f"Save it first: `PUT /v2/integrations/{name}`.")
        return found.values, found.id

    async def _addressee(self, user: User) -> Addressee:
        (profile,) = await self.profiles.read_many([user])
        return Addressee(
            external_id=profile["external_id"],
            email=profile["email"],
            first_name=profile["first_name"],
            last_name=profile["last_name"],
            phone_numbers=tuple(profile["phone_numbers"] or ()),
            custom_attributes=profile["custom_attributes"] or {},
        )

    async def _destination(
        self, user: User, provider: Provider, addressee: Addressee, token_id: str | None
    ) -> _Destination | None:
        """Return where to send, None if the user has nothing. Raises ApiError 404 and 422."""
        if not provider.tokens:
            if token_id is not None:
                raise invalid("Param 'token_id' is for providers whose users have tokens")
            return _address(provider, addressee)
        found = []
        for kind in provider.tokens:
            page = await self.tokens.page(user, kind, _LISTED_TOKENS, None, None, live_only=True)
            found += [(each, kind.path) for each in page.tokens]
        if token_id is not None:
            found = [each for each in found if each[0].id == _uuid(token_id)]
            if not found:
                raise not_found("Token")
        if not found:
            return None
        token, path = max(found, key=lambda each: each[0].registered_ms)
        return _Destination(token.record.fields, path, token.registered_ms // 1000)

    async def _message(
        self,
        project: Project,
        user: User,
        provider: Provider,
        addressee: Addressee,
        destination: _Destination,
        config: Mapping[str, Any],
        config_id: str,
    ) -> Message:
        look = await self.integrations.read(project.id, inbox.INTEGRATION)
        now = int(time.time())
        return Message(
            id=uuid4(),
            project_id=project.id,
            user_id=user.id,
            notification_id=str(uuid4()),
            channel=provider.channel,
            title="Test message",
            content=f"{project.name} can reach you here.",
            sent_at=now,
            expires_at=now + _EXPIRES_SECONDS,
            destination=destination.fields,
            registered_at=destination.registered_at,
            token_kind=destination.token_kind,
            config=config,
            config_id=config_id,
            addressee=addressee,
            brand=brand_of(project.name, None if look is None else look.plain),
        )


def _address(provider: Provider, addressee: Addressee) -> _Destination | None:
    if provider.channel is Channel.EMAIL:
        return _Destination({"email": addressee.email}) if addressee.email else None
    numbers = addressee.phone_numbers
    return _Destination({"phone_number": numbers[0]}) if numbers else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _without_destination(provider: Provider) -> IntegrationTest:
    what = (
        "channel token" if provider.tokens else "email address" if provider.channel is Channel.EMAIL else "phone number"
    )
    return IntegrationTest(
        provider.name, provider.channel.value, "no_destination", "", "", f"The user has no {what} for {provider.name}."
    )


def result_of(provider: Provider, outcome: Outcome) -> IntegrationTest:
    """Return what a response says of an outcome."""
    name, code, provider_id = type(outcome).__name__.lower(), getattr(outcome, "reason", ""), ""
    text = f"{provider.name} "
    match outcome:
        case Delivered(found):
            provider_id, text = found, text + "accepted the message"
        case Handed(found):
            provider_id, text = found, text + "took the message, and tells the result later"
        case Dead():
            where = "token" if provider.tokens else "address"
            text += f"knows no such {where} any more. A notification would discard it"
        case Retry():
            text += "failed, perhaps for a moment. A notification would be tried again"
        case Throttled(after, scope):
            whom = "this destination" if scope is Scope.DESTINATION else "this project"
            text += f"takes nothing for {whom} for {after:.0f} seconds"
        case Misconfigured(is_doubted=True):
            where = "token" if provider.tokens else "address"
            text += f"refuses the configuration, or this {where} alone. A notification would be tried again"
        case Misconfigured():
            text += "refuses the configuration. Deliveries of a notification would wait until it is corrected"
        case Refused():
            text += "will not take this message"
        case Unknown():
            text += "did not answer. The message may have arrived"
    return IntegrationTest(provider.name, provider.channel.value, name, code, provider_id, f"{text}.")


OPERATIONS: list[AnyOperation] = [
    Operation(
        "POST",
        "/v2/delivery/tests/{integration}",
        PROJECT,
        IntegrationTestsResource.send,
        "Send a test message",
        TESTED,
        TEST,
        idempotent=True,
        tag="Integrations",
    )
]
