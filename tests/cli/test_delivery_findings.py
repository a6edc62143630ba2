"""What `doctor` finds about deliveries, with a stub of a provider."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.channels import expo, smtp, twilio
from gateway.domain.delivery import Lane, Route
from gateway.domain.ids import ProjectId
from gateway.settings import Settings
from gateway.store.delivery_configs import DeliveryConfigStore, SavedChannel, SavedConfig
from gateway.store.integrations import IntegrationStore
from gateway.store.lanes import LaneStore
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.cli.conftest import SECRET_KEY, Command, fields
from tests.servers import RedisServer
from tests.stubs.in_thread import in_thread
from tests.stubs.twilio import TwilioStub

PROJECT = ProjectId("1")
CONFIG = twilio.INTEGRATION.example


@pytest.fixture
def api_key(printed: Callable[..., str], server: RedisServer) -> str:
    """The key of a project with an integration of Twilio, a parked lane, and a config that uses mail."""
    created = fields(printed("project", "create", "Shop"))["api key"]

    async def prepare() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            await IntegrationStore(client, SECRET_KEY).replace(PROJECT, twilio.INTEGRATION, CONFIG, None)
            await IntegrationStore(client, SECRET_KEY).replace(
                PROJECT, expo.INTEGRATION, expo.INTEGRATION.example, None
            )
            await LaneStore(client).park(Lane(PROJECT, Route.APNS), "InvalidProviderToken")
            channels = [SavedChannel("email"), SavedChannel("sms"), SavedChannel("slack"), SavedChannel("in_app")]
            await DeliveryConfigStore(client).put(PROJECT, "orders", SavedConfig(channels))
        finally:
            client.close()

    asyncio.run(prepare())
    return created


def deliveries(text: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in text.splitlines() if line.startswith("deliveries")]


def test_integrations_are_checked_with_their_providers_without_sending(
    run: Command, api_key: str, environment: pytest.MonkeyPatch
) -> None:
    with in_thread(TwilioStub(CONFIG["account_sid"], CONFIG["api_key"], "another")) as stub:
        environment.setenv("INBOX_PROVIDER_URLS", f"twilio={stub.url},expo={stub.url}")
        found = deliveries(run("doctor").stdout)
        assert stub.messages == []
    faults = [line for line in found if line.startswith(f"WARNING: twilio of {api_key}: ")]
    assert len(faults) == 1
    assert CONFIG["api_secret"] not in str(found)
    assert f"WARNING: apns of {api_key} is stopped (InvalidProviderToken)" in found
    unconfigured = f"WARNING: the config 'orders' of {api_key} uses email, for which no integration is saved"
    assert [line for line in found if "no integration" in line] == [unconfigured]
    assert found[-1].endswith("checked with their providers")


def test_offline_no_provider_is_asked(run: Command, api_key: str) -> None:
    found = deliveries(run("doctor", "--offline", "--api-key", api_key).stdout)
    assert len(found) == 2
    assert "no project has the key x" in run("doctor", "--api-key", "x").stderr


def test_secrets_of_another_key_are_found_without_asking(
    run: Command, api_key: str, environment: pytest.MonkeyPatch, server: RedisServer
) -> None:
    async def replace() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            await client.load()
            store = IntegrationStore(client, "a key of another node")
            kept = await store.read(PROJECT, twilio.INTEGRATION)
            assert kept is not None
            await store.replace(PROJECT, twilio.INTEGRATION, CONFIG, kept)
        finally:
            client.close()

    asyncio.run(replace())
    found = deliveries(run("doctor", "--offline").stdout)
    assert f"WARNING: twilio of {api_key}: another secret key encrypted its secrets" in found


def test_emails_without_a_link_to_unsubscribe_are_found(
    run: Command, api_key: str, environment: pytest.MonkeyPatch, server: RedisServer
) -> None:
    async def save() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            await client.load()
            await IntegrationStore(client, SECRET_KEY).replace(
                PROJECT, smtp.INTEGRATION, smtp.INTEGRATION.example, None
            )
        finally:
            client.close()

    asyncio.run(save())
    warning = f"WARNING: emails of {api_key} have no link to unsubscribe"
    assert warning in deliveries(run("doctor", "--offline").stdout)
    environment.setenv("INBOX_PUBLIC_URL", "https://inbox.example.com")
    assert warning not in deliveries(run("doctor", "--offline").stdout)
