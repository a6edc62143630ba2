"""Closing connections whose access has ended, at a real worker.

In tests/end_to_end/test_access_ends.py, access ends by REST and by commands.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.auth.authenticator import Authenticator
from gateway.domain.principal import Project
from gateway.live import revocation
from gateway.live.revocation import close_revoked
from gateway.store.deletion import DELETED_MESSAGE
from gateway.store.redis.problems import StoreUnavailableError
from gateway.store.tokens import REVOKED_BEFORE_MESSAGE, REVOKED_MESSAGE
from tests.live.clients import LiveClient, open_inbox, user_token
from tests.live.node import Node
from tests.servers import API_KEY


def bearer(user: str, **claims: Any) -> dict[str, str]:
    """Return the headers of a user's token."""
    return {"Authorization": f"Bearer {user_token(user, **claims)}"}


def publish(node: Node, message: bytes) -> None:
    """Dispatch a control message to the only user who is connected."""
    node.hub.dispatcher.dispatch(node.subscription().channel, [message])


async def reason(client: LiveClient) -> str:
    """Return the reason of the next message, which must be a goodbye."""
    goodbye = await client.next()
    assert goodbye["type"] == "goodbye", goodbye
    return str(goodbye["reason"])


async def test_a_revoked_token_closes_its_connections_only(node: Node, user: str) -> None:
    async with (
        open_inbox("websocket", node.gateway, headers=bearer(user, jti="one")) as one,
        open_inbox("websocket", node.gateway, headers=bearer(user, jti="two")) as two,
    ):
        publish(node, REVOKED_MESSAGE + b"one")
        assert await reason(one) == "token_revoked"
        publish(node, REVOKED_MESSAGE + b"two")
        assert await reason(two) == "token_revoked"


async def test_only_connections_of_tokens_issued_before_a_time_are_closed(node: Node, user: str) -> None:
    async with (
        open_inbox("sse", node.gateway, headers=bearer(user, jti="old", iat=1_700_000_000)) as old,
        open_inbox("sse", node.gateway, headers=bearer(user, jti="new", iat=1_700_000_100)),
        open_inbox("sse", node.gateway, user),
    ):
        publish(node, REVOKED_BEFORE_MESSAGE + b"1700000100")
        assert await reason(old) == "token_revoked"
        assert [connection.session.closed for connection in node.subscription().connections].count(False) == 2


async def test_a_deleted_user_is_disconnected(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        publish(node, DELETED_MESSAGE)
        assert await reason(client) == "user_deleted"


async def test_a_message_that_the_gateway_does_not_publish_raises_value_error(node: Node, user: str) -> None:
    async with open_inbox("websocket", node.gateway, user):
        for message in (b"!something", REVOKED_BEFORE_MESSAGE + b"x"):
            with pytest.raises(ValueError):  # noqa: PT011 - the kind of ValueError does not matter
                close_revoked(node.subscription(), message)


async def test_a_changed_project_closes_connections_whose_credential_it_no_longer_accepts(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def without_credentials(self: Authenticator, api_keys: Iterable[str]) -> Mapping[str, Project | None]:
        return dict.fromkeys(api_keys)

    async with open_inbox("websocket", node.gateway, user) as client:
        monkeypatch.setattr(Authenticator, "projects", without_credentials)
        node.hub.revocation.project_changed("another project")
        node.hub.revocation.project_changed(API_KEY)
        assert await reason(client) == "credentials_rotated"


async def test_connections_of_a_project_that_cannot_be_read_stay(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = asyncio.Event()

    async def nothing(self: Authenticator, api_keys: Iterable[str]) -> Mapping[str, Project | None]:
        read.set()
        return {}

    async with open_inbox("websocket", node.gateway, user):
        monkeypatch.setattr(Authenticator, "projects", nothing)
        node.hub.revocation.all_projects_changed()
        async with asyncio.timeout(10):
            await read.wait()
        await asyncio.sleep(0)
        assert not node.connections[0].session.closed


async def test_projects_are_read_again_when_the_store_fails(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "RETRY_SECONDS", 0.01)
    attempts = 0

    async def fail_first(self: Authenticator, api_keys: Iterable[str]) -> Mapping[str, Project | None]:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise StoreUnavailableError(detail="no reply")
        return dict.fromkeys(api_keys)

    async with open_inbox("websocket", node.gateway, user) as client:
        monkeypatch.setattr(Authenticator, "projects", fail_first)
        node.hub.revocation.all_projects_changed()
        assert await reason(client) == "credentials_rotated"
        assert attempts == 3


async def test_a_connection_ends_when_its_credential_expires(
    node: Node, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_inbox("websocket", node.gateway, user) as client:
        (connection,) = node.connections
        project = await node.worker.projects.by_api_key(API_KEY)
        assert project is not None
        changed = replace(project, valid_credentials=dict.fromkeys(project.valid_credentials, 1))
        node.hub.revocation.check(connection, changed)
        assert connection.session.credential_expires_at == 1
        assert await reason(client) == "credentials_rotated"
