"""Garbage in any key of the store: no request ends in an internal error, and all requests succeed after its repair."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
import redis

from gateway.store import keys
from tests.servers import ADMIN, Gateway, RedisServer, running_gateway, running_redis, user_headers, wait_for

USER, OTHER = "joe", "ann"
TOKEN = "a" * 64
GARBAGE = (b"\xff no record", b"7")
EXPECTED = (200, 201, 202, 204, 400, 401, 404, 409, 422, 503, 507)

Request = tuple[str, str, dict[str, str], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running_redis("valkey", tmp_path_factory.mktemp("r")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, server: RedisServer) -> Iterator[Gateway]:
    with running_gateway(
        tmp_path_factory.mktemp("t") / "data",
        INBOX_REDIS_URL=server.url,
        INBOX_SECRET_KEY="test",
        INBOX_WORKERS="1",
        INBOX_ACCESS_LOG="false",
    ) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, timeout=15) as http:
        yield http


@pytest.fixture(scope="module")
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port) as admin:
        yield admin


def notification(**fields: Any) -> dict[str, Any]:
    recipients = [{"external_id": USER}, {"external_id": OTHER}]
    return {"notification": {"title": "x", "category": "orders", "topic": "t", "recipients": recipients, **fields}}


SUBSCRIPTION = {"subscription": {"topic": "t", "categories": [{"slug": "orders", "reason": "x"}]}}
SWITCH = {"slug": "orders", "channels": [{"slug": "in_app", "enabled": True}]}
PREFERENCES = {"notification_preferences": {"categories": [SWITCH]}}
DEVICE = {"push_subscription": {"device_token": TOKEN, "platform": "ios"}}
ONCE = {**ADMIN, "Idempotency-Key": "once"}


@pytest.fixture(scope="module")
def requests(http: httpx.Client, admin: redis.Redis) -> list[Request]:
    """Fill a store with keys of most kinds, and return the requests that read them."""

    def create(path: str, body: Any, headers: dict[str, str] = ADMIN) -> Any:
        response = http.post(path, headers=headers, json=body)
        assert response.is_success, response.text
        return response.json()

    user = user_headers(USER)
    item = create("/notifications", notification())["notification"]["id"]
    create("/notifications", notification(), ONCE)
    create("/subscriptions", SUBSCRIPTION, user)
    create("/push_subscriptions", DEVICE, user)
    http.put("/notification_preferences", headers=user, json=PREFERENCES)
    create("/v2/jwt/user", {"external_id": USER})
    project_token = create("/v2/jwt/project", {"name": "x"})["token"]
    broadcast = create("/broadcasts", {"broadcast": {"title": "x", "recipients": [{"matches": "*"}]}})["broadcast"]
    imported = create("/imports", {"import": {"users": [{"external_id": USER}]}})["import"]["id"]
    for path in (f"/broadcasts/{broadcast['id']}", f"/imports/{imported}"):
        wait_for(partial(_is_processed, http, path), "a job to be done")
    epoch = http.get("/realtime/events", headers=user).json()["position"].partition(".")[0]
    return [
        ("GET", "/notifications", user, None),
        ("GET", "/notifications?categories=orders&topics=t", user, None),
        ("GET", f"/notifications/{item}", user, None),
        ("POST", f"/notifications/{item}/read", user, None),
        ("POST", "/notifications/seen?topics=t", user, None),
        ("GET", f"/realtime/events?since={epoch}.1", user, None),
        ("GET", "/notification_preferences", user, None),
        ("PUT", "/notification_preferences", user, PREFERENCES),
        ("GET", "/subscriptions", user, None),
        ("POST", "/subscriptions", user, SUBSCRIPTION),
        ("POST", "/push_subscriptions", user, DEVICE),
        ("POST", "/notifications", ADMIN, notification()),
        ("POST", "/notifications", ONCE, notification()),
        ("POST", "/notifications", ADMIN, notification(recipients=[{"topic": {"subscribers": True}}])),
        ("GET", "/broadcasts", ADMIN, None),
        ("GET", f"/broadcasts/{broadcast['id']}", ADMIN, None),
        ("GET", f"/imports/{imported}", ADMIN, None),
        ("POST", "/users", ADMIN, {"user": {"external_id": USER, "first_name": "Joe"}}),
        ("GET", f"/v2/jwt/user/external_id:{USER}", ADMIN, None),
        ("POST", "/v2/jwt/user", ADMIN, {"external_id": USER}),
        ("GET", "/v2/jwt/project", ADMIN, None),
        ("GET", "/broadcasts", {"Authorization": f"Bearer {project_token}"}, None),
        ("DELETE", f"/push_subscriptions/{TOKEN}", user, None),
        ("DELETE", "/subscriptions/t", user, None),
        ("GET", "/readyz", {}, None),
    ]


def _is_processed(http: httpx.Client, path: str) -> bool:
    return '"processed"' in http.get(path, headers=ADMIN).text


def _breaks(admin: redis.Redis, key: bytes) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the ways in which a key may be broken, each with a function that does so."""
    yield "gone", partial(admin.delete, key)
    yield "a list", partial(_replace_by_list, admin, key)
    kind: Any = admin.type(key)
    if kind == b"string":
        for garbage in GARBAGE:
            yield repr(garbage), partial(admin.set, key, garbage)
    elif kind == b"hash":
        fields: Any = admin.hkeys(key)
        for field in fields:
            yield f"{field!r} gone", partial(admin.hdel, key, field)
            for garbage in GARBAGE:
                yield f"{field!r} {garbage!r}", partial(admin.hset, key, field, garbage)
    elif kind == b"zset":
        yield "a member", partial(admin.zadd, key, {b"\xff": -1.5})
    elif kind == b"stream":
        yield "events", partial(_replace_events, admin, key)


def _replace_by_list(admin: redis.Redis, key: bytes) -> None:
    admin.delete(key)
    admin.lpush(key, "garbage")


def _replace_events(admin: redis.Redis, key: bytes) -> None:
    entries: Any = admin.xrange(key)
    admin.delete(key)
    for name, _ in entries:
        admin.xadd(key, {"m": b"\xff garbage"}, id=name)


def _save(admin: redis.Redis) -> list[tuple[bytes, int, Any]]:
    names: list[Any] = list(admin.scan_iter("*"))
    return [(name, max(0, int(admin.pttl(name))), admin.dump(name)) for name in names]


def _restore(admin: redis.Redis, saved: list[tuple[bytes, int, Any]]) -> None:
    with admin.pipeline() as steps:
        steps.flushdb()
        for name, ttl, value in saved:
            if value is not None:  # None if it expired while it was saved
                steps.restore(name, ttl, value)
        steps.execute()


def test_no_garbage_in_any_key_causes_an_internal_error(
    gateway: Gateway, http: httpx.Client, admin: redis.Redis, requests: list[Request]
) -> None:
    workers, wrong = gateway.children("worker"), []
    saved = _save(admin)
    for key in sorted(name for name, _, _ in saved):
        for what, break_it in list(_breaks(admin, key)):
            break_it()
            admin.execute_command("SPUBLISH", keys.CONTROL, "")  # drop cached values
            for method, path, headers, body in requests:
                response = http.request(method, path, headers=headers, json=body)
                if response.status_code not in EXPECTED:
                    wrong.append((key, what, method, path, response.status_code))
            _restore(admin, saved)
    assert not wrong
    assert gateway.children("worker") == workers
    admin.execute_command("SPUBLISH", keys.CONTROL, "")
    wait_for(gateway.ready, "the gateway to be ready", 20)
    for method, path, headers, body in requests:
        response = http.request(method, path, headers=headers, json=body)
        assert response.is_success, (method, path, response.text)
