"""Opening connections at a real worker: which are admitted, which are refused, and with which code."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.auth.authenticator import Authenticator
from gateway.domain.principal import Project, User
from gateway.live.connection import Connection
from gateway.store import keys
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.redis.subscriber import Subscriber
from tests.live.clients import Ended, auth_message, open_inbox, open_websocket, request_sse, user_token
from tests.live.node import Node
from tests.servers import user_headers


async def refusal(node: Node, user: str) -> dict[str, Any]:
    """Open a WebSocket and return the goodbye that it receives."""
    async with open_websocket(node.gateway, user) as client:
        *_, goodbye = await client.read_to_end()
    assert goodbye["type"] == "goodbye"
    return goodbye


async def test_a_user_who_is_admitted_counts_as_active(node: Node, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def seen_by_reader(user: User) -> int:
        seen.append(user.external_id)
        return 1_790_000_000

    monkeypatch.setattr(node.worker.activity, "seen_by_reader", seen_by_reader)
    async with open_inbox("websocket", node.gateway, user), Redis.from_url(node.store.url) as redis:
        assert seen == [user]
        connected = node.subscription().user
        assert await redis.hget(keys.user(connected.project_id, connected.id), "seen_at") == b"1790000000"


async def test_wrong_credentials_are_refused_with_the_problem(node: Node, user: str) -> None:
    headers = {**user_headers(user), "X-MAGICBELL-USER-HMAC": "wrong"}
    async with open_websocket(node.gateway, headers=headers) as client:
        error, goodbye = await client.read_to_end()
    assert (error["type"], error["code"]) == ("error", "user_hmac_is_incorrect")
    assert (goodbye["reason"], goodbye["retry_after_ms"]) == ("unauthorized", None)


async def test_a_draining_worker_refuses_with_a_time_to_reconnect(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_of = Authenticator.user

    async def drain_meanwhile(*arguments: Any, **options: Any) -> Any:
        node.hub._admission.draining = True
        return await user_of(*arguments, **options)

    monkeypatch.setattr(Authenticator, "user", drain_meanwhile)
    goodbye = await refusal(node, user)
    assert goodbye["reason"] == "draining"
    assert goodbye["retry_after_ms"] is not None


async def test_a_worker_without_its_subscription_refuses_at_once(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Subscriber, "healthy", property(lambda self: False))
    goodbye = await refusal(node, user)
    assert goodbye["reason"] == "try_again_later"
    assert goodbye["retry_after_ms"] is not None


async def test_a_store_that_fails_closes_with_try_again_later(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*arguments: Any, **options: Any) -> None:
        raise StoreUnavailableError(detail="no reply")

    monkeypatch.setattr(Authenticator, "user", fail)
    assert (await refusal(node, user))["reason"] == "try_again_later"


async def test_a_credential_that_ends_while_the_connection_joins_is_refused(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rotated(authenticator: Authenticator, project: Project) -> None:
        """The project does not exist any more."""

    monkeypatch.setattr(Authenticator, "current", rotated)
    assert (await refusal(node, user))["reason"] == "credentials_rotated"
    await node.until_empty()


async def test_the_origin_of_a_page_must_be_allowed_by_the_project(node: Node, user: str) -> None:
    node.hub._admission._allowed_origins = ("https://app.example",)
    async with open_websocket(node.gateway, user, headers={"Origin": "https://evil.example"}) as client:
        error, goodbye = await client.read_to_end()
    assert (error["code"], goodbye["reason"]) == ("origin_not_allowed", "forbidden")
    async with open_inbox("websocket", node.gateway, user, headers={"Origin": "https://app.example"}):
        pass
    async with request_sse(node.gateway, user, headers={"Origin": "https://evil.example"}) as response:
        assert response.status_code == 403


async def test_a_connection_that_is_closed_while_it_waits_is_not_admitted(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[Connection] = []
    monkeypatch.setattr(Authenticator, "user", lambda *arguments, **options: verified.append(arguments[0]))
    slots, node.hub._admission._slots = node.hub._admission._slots, asyncio.Semaphore(0)
    async with open_websocket(node.gateway) as client:
        await client.send(auth_message(user))
        async with asyncio.timeout(10):
            while not node.hub._admission._slots.locked() or not node.hub._admission._slots._waiters:
                await asyncio.sleep(0.01)
    await node.until_empty()
    node.hub._admission._slots.release()
    node.hub._admission._slots = slots
    assert verified == []


async def test_no_more_connections_are_admitted_at_once_than_are_allowed(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.hub._admission._slots = asyncio.Semaphore(1)
    running, most, user_of = 0, 0, Authenticator.user

    async def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return await user_of(*arguments, **options)
        finally:
            running -= 1

    monkeypatch.setattr(Authenticator, "user", counting)

    async def open_and_close(number: int) -> None:
        async with open_inbox("sse", node.gateway, f"{number}-{user}"[:200]):
            pass

    await asyncio.gather(*(open_and_close(number) for number in range(5)))
    assert most == 1


async def test_an_expired_token_has_its_own_close_code(node: Node, user: str) -> None:
    headers = {"Authorization": f"Bearer {user_token(user, seconds=-10)}"}
    async with open_websocket(node.gateway, headers=headers) as client:
        *_, goodbye = await client.read_to_end()
        assert goodbye["reason"] == "token_expired"
        with pytest.raises(Ended):
            await client.next()
