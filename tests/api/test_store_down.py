"""Calls while the store is down or hangs."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.inbox import code, notification
from tests.servers import (
    ADMIN,
    RedisServer,
    running_gateway,
    running_redis,
    user_headers,
    wait_for,
)

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that writes to disk before it acknowledges."""
    with running_redis("valkey", tmp_path, *DURABLE) as server:
        yield server


def test_without_redis_calls_return_503_and_afterwards_nothing_is_lost(redis: RedisServer, tmp_path: Path) -> None:
    ada = user_headers("ada")
    with (
        running_gateway(tmp_path / "data", INBOX_REDIS_URL=redis.url) as gateway,
        httpx.Client(base_url=gateway.url) as client,
    ):
        keyed = ADMIN | {"Idempotency-Key": "1"}
        first = client.post("/notifications", headers=keyed, json=notification("ada", title="before"))
        listed = client.get("/notifications", headers=ada)
        redis.stop(signal.SIGKILL)

        refused = [
            client.post("/notifications", headers=ADMIN, json=notification("ada", title="refused")),
            client.post("/notifications", headers=keyed, json=notification("ada", title="before")),
            client.post("/notifications/read", headers=ada),
            client.delete(f"/notifications/{first.json()['notification']['id']}", headers=ada),
            client.get("/notifications", headers=ada),
            client.get("/realtime/events", headers=ada),
            client.get("/notifications", headers=user_headers("never seen")),
            client.get("/notifications", headers=ada | {"X-MAGICBELL-API-KEY": "never seen"}),
        ]
        assert {(response.status_code, code(response)) for response in refused} == {(503, "redis_unavailable")}
        assert {response.headers["retry-after"] for response in refused} == {"1"}
        assert client.get("/healthz").status_code == 200
        unready = wait_for(lambda: response_of(client, "/readyz", 503), "/readyz to notice")
        assert unready.json() == {
            "status": "not ready",
            "reason": "redis_unavailable",
            "message": "The store cannot be reached. Nothing was lost; try again in a moment.",
        }
        assert unready.headers["retry-after"] == "1"

        redis.start(*DURABLE)
        wait_for(gateway.ready, "/readyz to notice")
        assert client.get("/notifications", headers=ada).content == listed.content
        again = client.post("/notifications", headers=keyed, json=notification("ada", title="before"))
        assert again.content == first.content
        client.post("/notifications", headers=ADMIN, json=notification("ada", title="after"))
        titles = [item["title"] for item in client.get("/notifications", headers=ada).json()["notifications"]]
        assert titles == ["after", "before"]


def response_of(client: httpx.Client, path: str, status: int) -> httpx.Response | None:
    """Return the response to a GET, None if it has another status."""
    response = client.get(path)
    return response if response.status_code == status else None


def test_while_redis_hangs_calls_return_503_within_the_time_limit(redis: RedisServer, tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data", INBOX_REDIS_URL=redis.url, INBOX_REDIS_TIMEOUT_SECONDS="0.3") as gateway:
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        response = httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=notification("ada"), timeout=60)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 30
        redis.process.send_signal(signal.SIGCONT)
        wait_for(
            lambda: httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=notification("ada")).is_success,
            "writes to work again",
        )
