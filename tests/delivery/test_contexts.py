"""Which provider sends for a lane, with what configuration."""

from collections.abc import AsyncIterator
from typing import TypeVar

import pytest

from gateway.channels import expo, inbox, mailgun, smtp, templates, twilio
from gateway.delivery.compose import Shown, Subject, Texts
from gateway.delivery.contexts import Contexts, UnreadableConfigurationError
from gateway.domain.delivery import Lane, Route
from gateway.domain.delivery_config import DEFAULT
from gateway.domain.ids import ProjectId, UserId
from gateway.domain.preferences import Channel
from gateway.store.delivery_configs import DeliveryConfigStore
from gateway.store.integrations import IntegrationStore
from gateway.store.projects import ProjectStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import FunctionCall
from tests.servers import RedisServer
from tests.store.conftest import InspectedClient

R = TypeVar("R")

PROJECT = ProjectId("7")
KEY = "a key that no other test uses, long enough"


@pytest.fixture
async def client(redis_server: RedisServer) -> AsyncIterator[InspectedClient]:
    client = InspectedClient(redis_server.url)
    await client.load()
    await client.redis.flushall()
    yield client
    await client.aclose()


def contexts_of(client: InspectedClient, key: str = KEY, repeats_unknown: bool = False) -> Contexts:
    return Contexts(
        ProjectStore(client, key),
        IntegrationStore(client, key),
        DeliveryConfigStore(client),
        repeats_unknown=repeats_unknown,
    )


async def test_the_first_provider_of_mail_that_is_configured_sends(client: InspectedClient) -> None:
    lane = Lane(PROJECT, Route.EMAIL)
    store = IntegrationStore(client, KEY)
    nothing = await contexts_of(client).of(lane)
    assert (nothing.provider, nothing.config, nothing.brand.name) == (None, {}, "")
    assert nothing.configs.default is DEFAULT
    await store.replace(PROJECT, smtp.INTEGRATION, smtp.INTEGRATION.example, None)
    by_smtp = await contexts_of(client).of(lane)
    assert by_smtp.provider is not None
    assert (by_smtp.provider.name, by_smtp.config["password"]) == ("smtp", smtp.INTEGRATION.example["password"])
    await store.replace(PROJECT, mailgun.INTEGRATION, mailgun.INTEGRATION.example, None)
    by_mailgun = await contexts_of(client).of(lane)
    assert by_mailgun.provider is not None
    assert by_mailgun.provider.name == "mailgun"
    assert by_mailgun.config_id


async def test_a_provider_that_needs_no_configuration_uses_one_if_it_is_there(client: InspectedClient) -> None:
    lane = Lane(PROJECT, Route.EXPO)
    without = await contexts_of(client).of(lane)
    assert without.provider is not None
    assert (without.provider.name, without.config, without.config_id) == ("expo", {}, "")
    await IntegrationStore(client, KEY).replace(PROJECT, expo.INTEGRATION, expo.INTEGRATION.example, None)
    assert (await contexts_of(client).of(lane)).config == expo.INTEGRATION.example


async def test_a_configuration_that_another_secret_key_encrypted_is_not_used(client: InspectedClient) -> None:
    await IntegrationStore(client, KEY).replace(PROJECT, twilio.INTEGRATION, twilio.INTEGRATION.example, None)
    with pytest.raises(UnreadableConfigurationError):
        await contexts_of(client, "another key").of(Lane(PROJECT, Route.SMS))


async def test_text_messages_are_repeated_after_an_unknown_outcome_only_if_the_operator_says_so(
    client: InspectedClient,
) -> None:
    await IntegrationStore(client, KEY).replace(PROJECT, twilio.INTEGRATION, twilio.INTEGRATION.example, None)
    lane = Lane(PROJECT, Route.SMS)
    assert not (await contexts_of(client).of(lane)).rules.repeats_unknown
    assert (await contexts_of(client, repeats_unknown=True).of(lane)).rules.repeats_unknown


async def test_the_look_and_the_templates_of_the_project_are_used(client: InspectedClient) -> None:
    store = IntegrationStore(client, KEY)
    await store.replace(PROJECT, inbox.INTEGRATION, {"brand": {"name": "Shop", "color": "#112233"}}, None)
    await store.replace(PROJECT, smtp.INTEGRATION, smtp.INTEGRATION.example, None)
    config = {"email": {"title": "{{ notification.title }} for {{ recipient.first_name }}", "subject": "From us"}}
    await store.replace(PROJECT, templates.INTEGRATION, config, None)
    found = await contexts_of(client).of(Lane(PROJECT, Route.EMAIL))
    assert (found.brand.name, found.brand.color) == ("Shop", "#112233")
    assert found.render is not None
    subject = Subject(
        project_id=PROJECT,
        user_id=UserId("1"),
        notification_id="018c0000-0000-7000-8000-000000000001",
        channel=Channel.EMAIL,
        shown=Shown(),
        brand=found.brand,
        sent_at=1,
        expires_at=2,
    )
    assert found.render(subject, Texts("News", "text")) == Texts("News for", "text", None, "From us")
    other = Subject(**{**{name: getattr(subject, name) for name in Subject.__slots__}, "channel": Channel.SMS})
    assert found.render(other, Texts("News")) == Texts("News")
    own = Subject(**{**{name: getattr(subject, name) for name in Subject.__slots__}, "installed": "{{ 1 | x }}"})
    fault = "the user's installation: line 1: {{ 1 | x }}: unknown filter 'x'"
    assert found.render(own, Texts("News", "text")) == Texts("News for", "text", None, "From us", (fault,))


async def test_what_a_new_project_needs_is_read_in_two_round_trips(
    client: InspectedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    under_way = 0

    async def call(call: FunctionCall[R]) -> R:
        nonlocal under_way
        if not under_way:
            begun.append(0)
        begun[-1] += 1
        under_way += 1
        try:
            return await FunctionClient.call(client, call)
        finally:
            under_way -= 1

    await IntegrationStore(client, KEY).replace(PROJECT, mailgun.INTEGRATION, mailgun.INTEGRATION.example, None)
    contexts = contexts_of(client)
    monkeypatch.setattr(client, "call", call)
    assert (await contexts.of(Lane(PROJECT, Route.EMAIL))).config_id
    assert len(begun) <= 2, begun
