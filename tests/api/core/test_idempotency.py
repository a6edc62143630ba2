"""Idempotency keys when the store fails: nothing is done twice, and a repetition waits a few seconds at most."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import redis

from gateway.store import keys
from tests.servers import ADMIN, Gateway, RedisServer, running_gateway, running_redis, user_headers


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RedisServer, Gateway, Gateway]]:
    """Two gateways on one Redis that tests may break."""
    directory: Path = tmp_path_factory.mktemp("idempotency")
    with (
        running_redis("valkey", directory) as server,
        running_gateway(directory / "a", INBOX_REDIS_URL=server.url, INBOX_SECRET_KEY="a" * 32) as one,
        running_gateway(directory / "b", INBOX_REDIS_URL=server.url, INBOX_SECRET_KEY="a" * 32) as other,
    ):
        yield server, one, other


def send(gateway: Gateway, key: str, *users: str) -> httpx.Response:
    """Send a notification with an Idempotency-Key."""
    body = {"notification": {"title": "t", "recipients": [{"external_id": user} for user in users]}}
    headers = {**ADMIN, "Idempotency-Key": key}
    return httpx.post(f"{gateway.url}/notifications", headers=headers, json=body, timeout=30)


def total(gateway: Gateway, user: str) -> int:
    """How many notifications a user has."""
    found: int = httpx.get(f"{gateway.url}/notifications", headers=user_headers(user), timeout=30).json()["total"]
    return found


@contextlib.contextmanager
def broken(server: RedisServer, user: str, gateway: Gateway) -> Iterator[None]:
    """Replace a user's log by a key of another type within the block, so that nothing can be added to it."""
    listed = httpx.get(f"{gateway.url}/notifications", headers=user_headers(user), timeout=30).json()
    recipient = listed["notifications"][0]["recipient"]["id"]
    log = keys.user(listed["project_id"], recipient) + keys.USER_SUFFIXES["LOG"]
    with redis.Redis(port=server.port) as admin:
        admin.rename(log, "aside")
        admin.set(log, "of another type")
        try:
            yield
        finally:
            admin.rename("aside", log)


def test_a_request_that_failed_for_one_recipient_is_completed_without_duplicates(
    servers: tuple[RedisServer, Gateway, Gateway],
) -> None:
    server, gateway, other = servers
    key, ada, ben = str(uuid4()), f"ada-{uuid4()}", f"ben-{uuid4()}"
    assert send(gateway, str(uuid4()), ben).status_code == 201
    with broken(server, ben, gateway):
        assert send(gateway, key, ada, ben).status_code == 503
        assert send(gateway, key, ada, ben).status_code == 503
    for each in (gateway, other):
        assert until_not_busy(each, key, ada, ben).status_code == 201
    assert (total(gateway, ada), total(gateway, ben)) == (1, 2)


def until_not_busy(gateway: Gateway, key: str, *users: str) -> httpx.Response:
    """Repeat a request until no other request with its key runs."""
    started = time.monotonic()
    while (response := send(gateway, key, *users)).status_code == 409:
        assert response.headers["Retry-After"] == "1"
        assert time.monotonic() - started < 30, "the key was not freed in time"
        time.sleep(0.05)
    return response


def test_another_node_completes_within_seconds_what_a_killed_one_began(
    servers: tuple[RedisServer, Gateway, Gateway],
) -> None:
    server, gateway, _ = servers
    key, ada = str(uuid4()), f"ada-{uuid4()}"
    assert send(gateway, key, ada).status_code == 201
    with redis.Redis(port=server.port) as admin:
        # The state that a node leaves if it dies before it stores the response.
        (record,) = admin.execute_command("KEYS", f"*idempotency:{key}")
        admin.hdel(record, "status", "body")
        admin.hset(record, "lease_ms", int(time.time() * 1000) + 2000)
    assert until_not_busy(gateway, key, ada).status_code == 201
    assert total(gateway, ada) == 1


def test_a_refused_request_frees_its_key_for_a_corrected_one(servers: tuple[RedisServer, Gateway, Gateway]) -> None:
    _, gateway, _ = servers
    key, mail, other = str(uuid4()), f"{uuid4()}@example.com", f"{uuid4()}@example.com"
    for name, address in (("a", mail), ("b", other)):
        body = {"user": {"external_id": f"{name}-{key}", "email": address}}
        assert httpx.post(f"{gateway.url}/users", headers=ADMIN, json=body, timeout=30).is_success
    headers = {**ADMIN, "Idempotency-Key": key}

    def post(address: str) -> int:
        recipients = [{"external_id": f"a-{key}", "email": address}]
        body = {"notification": {"title": "t", "recipients": recipients}}
        return httpx.post(f"{gateway.url}/notifications", headers=headers, json=body, timeout=30).status_code

    assert (post(other), post(mail)) == (422, 201)
