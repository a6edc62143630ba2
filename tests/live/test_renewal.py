"""Renewing the credentials of an open WebSocket at a real worker."""

import asyncio
import time
from typing import Any

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.domain.guard import TokenRevokedError, UserDeletedError
from gateway.store.redis.problems import StoreUnavailableError
from tests.live.clients import WebSocketClient, auth_message, open_inbox, user_token
from tests.live.node import Node


def renewal(user: str, seconds: int = 100) -> dict[str, Any]:
    """Return the message that renews a user's token."""
    return {"type": "auth", "token": user_token(user, seconds=seconds)}


async def renew(client: object, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message over a WebSocket and return the next one that arrives."""
    assert isinstance(client, WebSocketClient)
    return await client.request(message)


async def test_a_new_token_replaces_the_credentials(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        (connection,) = node.connections
        before = connection.credential
        renewed = await renew(client, renewal(user))
        assert renewed["type"] == "renewed"
        assert abs(renewed["expires_at"] - time.time() - 100) < 60
        assert connection.session.token_expires_at == renewed["expires_at"]
        assert connection.credential != before


async def test_credentials_without_expiry_are_renewed_without_one(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        assert await renew(client, auth_message(user)) == {"type": "renewed", "expires_at": None}


async def test_credentials_of_another_user_close_the_connection(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        assert (await renew(client, renewal("another user")))["reason"] == "unauthorized"


async def test_credentials_that_are_not_valid_change_nothing(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        (connection,) = node.connections
        before = connection.credential
        error = await renew(client, renewal(user, seconds=-10))
        assert (error["type"], error["code"]) == ("error", "token_expired")
        assert connection.credential == before
        assert (await renew(client, {"type": "ping"})) == {"type": "pong"}


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (lambda user: TokenRevokedError(), "token_revoked"),
        (lambda user: UserDeletedError(user), "token_revoked"),
        (lambda user: StoreUnavailableError(detail="no reply"), "redis_unavailable"),
    ],
)
async def test_the_old_credentials_are_restored_if_the_new_ones_turn_out_to_have_ended(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch, failure: Any, code: str
) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        (connection,) = node.connections
        before, subscribed = connection.credential, node.subscription().user

        async def fail(*arguments: Any) -> None:
            assert connection.credential != before, "the new credentials are in use before they are checked"
            raise failure(subscribed)

        monkeypatch.setattr(node.hub._renewal._inboxes, "use", fail)
        checked: list[str] = []
        monkeypatch.setattr(node.hub.revocation, "project_changed", checked.append)
        error = await renew(client, renewal(user))
        assert (error["type"], error["code"]) == ("error", code)
        assert connection.credential == before
        assert checked == [node.subscription().api_key], "the old credentials may have ended meanwhile"


async def test_a_project_that_has_changed_meanwhile_ends_the_connection(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deleted(*arguments: Any) -> None:
        """The project does not exist any more."""

    async with open_inbox("websocket", node.gateway, user) as client:
        monkeypatch.setattr(Authenticator, "current", deleted)
        assert (await renew(client, renewal(user)))["type"] == "renewed"
        assert (await client.next())["reason"] == "credentials_rotated"


async def test_a_renewal_that_ends_after_the_connection_has_closed_changes_nothing(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested, closed, user_of = asyncio.Event(), asyncio.Event(), Authenticator.user

    async def wait(*arguments: Any, **options: Any) -> Any:
        requested.set()
        await closed.wait()
        return await user_of(*arguments, **options)

    async with open_inbox("websocket", node.gateway, user) as client:
        (connection,) = node.connections
        before = connection.credential
        monkeypatch.setattr(Authenticator, "user", wait)
        assert isinstance(client, WebSocketClient)
        await client.send(renewal(user))
        await requested.wait()
    await node.until_empty()
    closed.set()
    await asyncio.sleep(0.05)  # nothing must happen
    assert connection.credential == before
