"""How adapters reach providers: which addresses are checked, and by what."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.channels import fcm, fcm_push, ping_email, ses, slack, slack_sending, teams, web_push
from gateway.channels.outcome import Misconfigured, Refused
from gateway.channels.provider import Provider
from gateway.delivery.links import MAX_MEMOS, Clients, ProviderLinks
from gateway.delivery.sender import Sender
from gateway.domain.outbound import PUBLIC_ONLY, OutboundRules
from gateway.domain.outbound_errors import NotSentError, OutboundRefusedError
from gateway.store.installations import InstallationStore
from tests.channels.messages import message_to
from tests.delivery.entries import PUSH, context, entry, taken
from tests.delivery.test_user_work import work_on
from tests.outbound import LOOPBACK
from tests.servers import RedisServer, free_port
from tests.store.conftest import InspectedClient, new_user
from tests.stubs.http_stub import HttpStub, Received, Reply


class Echo(HttpStub):
    """Answers with the path."""

    def reply(self, request: Received) -> Reply:
        return Reply(200, request.path, {"X-Seen": "yes"})


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with Echo() as stub:
        yield stub


def links_of(
    override: str = "", rules: OutboundRules = PUBLIC_ONLY, provider: Provider = PUSH, store: Any = None
) -> ProviderLinks:
    return ProviderLinks(
        provider, Clients(rules), cast(InstallationStore, store), override, contact="mailto:ops@example.com"
    )


async def close(links: ProviderLinks) -> None:
    await links._clients.close()


async def test_the_address_that_the_operator_has_set_is_not_checked(echo: Echo) -> None:
    links = links_of(echo.url)
    assert links.base_url("https://exp.host/") == echo.url
    answer = await links.request("POST", f"{links.base_url('https://exp.host')}/send?a=1", body=b"{}")
    assert (answer.status, answer.headers["x-seen"], answer.body) == (200, "yes", b"/send?a=1")
    await close(links)


async def test_every_other_address_is_checked(echo: Echo) -> None:
    links = links_of(override="http://127.0.0.1:1")
    assert links_of().base_url("https://exp.host/") == "https://exp.host"
    for url in (f"{echo.url}/x", "http://127.0.0.1:12/x", "http://169.254.169.254/", "https://localhost/"):
        with pytest.raises(OutboundRefusedError):
            await links.request("POST", url)
    assert echo.requests == []
    await close(links)


async def test_an_address_that_a_tenant_chose_is_checked_although_it_is_below_that_of_the_operator(echo: Echo) -> None:
    links = links_of(echo.url)
    for url in (
        echo.url,
        f"{echo.url}/x",
        f"{echo.url}/../x",
        f"{echo.url}?x",
        f"{echo.url}.evil/",
        f"{echo.url}@evil",
    ):
        with pytest.raises(OutboundRefusedError):
            await links.request("POST", url, tenants=True)
    for url in (f"{echo.url}.evil.example/", f"{echo.url}@evil.example/", f"{echo.url}0/"):
        with pytest.raises(OutboundRefusedError):
            await links.request("POST", url)
    assert echo.requests == []
    await close(links)


async def test_adapters_of_addresses_that_tenants_chose_reach_nothing_of_the_operator(echo: Echo) -> None:
    url, email = f"{echo.url}/admin", {"email": "a@example.com"}
    cases: list[tuple[Provider, Mapping[str, Any], dict[str, Any]]] = [
        (slack_sending.PROVIDER, {"webhook": {"url": url}}, {}),
        (teams.PROVIDER, {"webhook": {"url": url}}, {}),
        (web_push.PROVIDER, {**web_push.TOKEN.example, "endpoint": url}, {}),
        (ping_email.PROVIDER, email, {"url": url}),
        (fcm_push.PROVIDER, fcm.TOKEN.example, {"token_uri": url}),
        (ses.PROVIDER, email, {"endpoint": url}),
    ]
    for provider, destination, changes in cases:
        links = links_of(echo.url, provider=provider)
        example = provider.integration.example if provider.integration is not None else {}
        message = message_to(provider, destination, config={**example, **changes})
        (outcome,) = await Sender(provider, links).send([message])
        assert isinstance(outcome, Refused | Misconfigured), provider.name
        await close(links)
    assert echo.requests == []


async def test_an_address_in_a_network_that_the_operator_allows_is_called(echo: Echo) -> None:
    links = links_of(rules=LOOPBACK)
    assert (await links.request("GET", f"{echo.url}/hook")).body == b"/hook"
    await close(links)


async def test_requests_to_a_host_that_hangs_do_not_take_the_connections_of_others(echo: Echo) -> None:
    links = links_of(rules=LOOPBACK)
    async with Echo() as hanging:
        hanging.released.clear()
        waiting = [asyncio.create_task(links.request("GET", f"{hanging.url}/{number}")) for number in range(150)]
        async with asyncio.timeout(10):
            while len(hanging.requests) < 100:
                await asyncio.sleep(0.01)
            assert (await links.request("GET", f"{echo.url}/hook")).status == 200
        hanging.released.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
    await close(links)


async def test_a_socket_is_connected_only_to_addresses_that_are_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OutboundRefusedError):
            await links_of().connect("127.0.0.1", port)
        with pytest.raises(OutboundRefusedError):
            await links_of().connect("localhost", port)
        connection = await links_of(rules=LOOPBACK).connect("localhost", port)
        assert connection.getpeername()[1] == port
        assert not connection.getblocking()
        connection.close()
    for host, number in (("127.0.0.1", free_port()), ("no-such-host.invalid", 25)):
        with pytest.raises(NotSentError):
            await links_of(rules=LOOPBACK).connect(host, number)


async def test_what_adapters_keep_open_is_closed_at_the_end() -> None:
    links, closed = links_of(), []

    class Pool:
        def close(self) -> None:
            closed.append(self)

    pool = links.memo("smtp 1")["pool"] = Pool()
    links.memo("token")["token"] = "1"
    await close(links)
    assert closed == [pool]


async def test_memos_are_kept_by_key_and_the_oldest_are_dropped() -> None:
    links = links_of()
    links.memo("a")["token"] = "1"
    for number in range(MAX_MEMOS - 1):
        links.memo(f"{number}")
    assert links.memo("a") == {"token": "1"}
    links.memo("b")
    assert links.memo("a") == {"token": "1"}
    assert links.contact() == "mailto:ops@example.com"
    assert links.tls() is links.tls()
    assert links.now() > 1.7e9


async def test_a_file_with_authorities_that_is_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        _ = Clients(PUBLIC_ONLY, tmp_path / "no_such_file").context


async def test_an_installation_is_read_and_replaced_unless_it_has_changed(redis_server: RedisServer) -> None:
    client = InspectedClient(redis_server.url)
    await client.load()
    store = InstallationStore(client, "a key")
    links = links_of(store=store)
    user = new_user()
    message = work_on(taken(entry()), context()).attempts[0].message
    message = type(message)(**{**_fields(message), "project_id": user.project_id, "user_id": user.id})
    kind = slack.INSTALLATION
    assert await links.installation(message, kind, "slack A1") is None
    values = {"access_token": "xoxe-1", "team": {"id": "T1", "name": "Team"}}
    await store.replace(user, "slack A1", values, kind.secrets, None)
    found = await links.installation(message, kind, "slack A1")
    assert found == values
    changed = {**values, "access_token": "xoxe-2"}
    assert await links.replace_installation(message, kind, "slack A1", values, changed)
    assert not await links.replace_installation(message, kind, "slack A1", values, changed)
    assert await links.installation(message, kind, "slack A1") == changed
    await client.aclose()


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__dataclass_fields__}
