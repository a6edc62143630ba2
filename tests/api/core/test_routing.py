"""What surrounds the operations: unknown routes, CORS, probes, metrics, the log, and a store that is down."""

import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase

from gateway.api.core.call import PUBLIC
from gateway.api.core.operation import AnyOperation
from gateway.api.operations import OPERATIONS
from gateway.telemetry import metrics as telemetry
from tests.api.inbox import Inbox, code, messages, notification
from tests.servers import (
    ADMIN,
    API_SECRET,
    Gateway,
    RedisServer,
    running_gateway,
    running_redis,
    user_headers,
    wait_for,
)

# ---- routes


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("POST", "/notifications/42/read/all"),
        ("GET", "/realtime"),
        ("GET", "/demo/x"),
        ("GET", "/%2e%2e/etc/passwd"),
    ],
)
async def test_an_unknown_route_answers_404_in_the_errors_shape(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await http.request(method, path, headers=ADMIN)
    assert (response.status_code, code(response)) == (404, "not_found")
    assert messages(response) == [f"No route {method} {httpx.URL(path).path}"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/notifications", {"GET", "HEAD", "POST"}),
        ("PATCH", "/notifications/42", {"GET", "HEAD", "DELETE"}),
        ("GET", "/notifications/42/archive", {"POST", "DELETE"}),
        ("POST", "/notifications/42", {"GET", "HEAD", "DELETE"}),
        ("DELETE", "/config", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("OPTIONS", "/notifications/read", {"POST"}),
    ],
)
async def test_a_wrong_method_answers_405_and_names_the_right_ones(
    http: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    response = await http.request(method, path)
    assert (response.status_code, code(response)) == (405, "method_not_allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if operation.summary == "Not built yet"],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
async def test_an_operation_that_is_not_built_says_so(http: httpx.AsyncClient, operation: AnyOperation) -> None:
    path = re.sub(r"{[^}]*}", "42", operation.path)
    response = await http.request(operation.method, path, headers=ADMIN, json={})
    assert (response.status_code, response.json()) == (
        501,
        {"errors": [{"message": "This operation is not built yet", "code": "not_built"}]},
    )


async def test_head_answers_as_get_without_the_body(inbox: Inbox) -> None:
    await inbox.receive()
    head, get = [await inbox.request(method, "/notifications") for method in ("HEAD", "GET")]
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "media_type", "holds"),
    [
        ("/demo", "text/html; charset=utf-8", "<!doctype html>"),
        ("/client.js", "text/javascript; charset=utf-8", "export"),
    ],
)
async def test_the_demo_page_and_its_client_are_served(
    http: httpx.AsyncClient, path: str, media_type: str, holds: str
) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    assert holds in response.text.lower()


async def test_the_root_leads_to_the_demo_page(http: httpx.AsyncClient) -> None:
    response = await http.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/demo")


# ---- CORS

ORIGIN = "https://app.example.com"
ASKED = ", ".join(
    f"x-magicbell-{name}"
    for name in ("api-key", "api-secret", "user-external-id", "user-email", "user-hmac", "client-id")
) + ", authorization, content-type, idempotency-key"  # fmt: skip


def preflight(method: str, origin: str = ORIGIN) -> dict[str, str]:
    """Give the headers of a browser's preflight."""
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ASKED}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notifications"),
        ("POST", "/notifications/42/read"),
        ("DELETE", "/notifications/42"),
        ("GET", "/config"),
    ],
)
async def test_a_browsers_preflight_is_answered_for_a_day(http: httpx.AsyncClient, method: str, path: str) -> None:
    response = await http.options(path, headers=preflight(method))
    headers = response.headers
    assert (response.status_code, headers["access-control-allow-origin"]) == (200, "*")
    assert headers["access-control-max-age"] == "86400"
    assert set(ASKED.split(", ")) <= set(headers["access-control-allow-headers"].lower().split(", "))
    assert method in headers["access-control-allow-methods"].split(", ")


@pytest.mark.parametrize(
    ("path", "status"), [("/notifications", 200), ("/notifications/42", 404), ("/notifications?page=x", 422)]
)
async def test_a_browser_may_read_answers_errors_and_positions(inbox: Inbox, path: str, status: int) -> None:
    response = await inbox.request("GET", path, headers={"Origin": ORIGIN})
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Inbox-Position"} <= exposed


async def test_a_browser_may_read_that_it_has_no_credentials(http: httpx.AsyncClient) -> None:
    response = await http.get("/config", headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, "*")


@pytest.fixture(scope="module")
def strict_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with two allowed origins, small bodies, and no access log."""
    settings = {
        "INBOX_ALLOWED_ORIGINS": f"{ORIGIN}/, https://other.example.com",
        "INBOX_MAX_BODY_BYTES": "2000",
        "INBOX_ACCESS_LOG": "false",
    }
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **settings) as started:
        yield started


@pytest.fixture(scope="module")
def strict(strict_gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of that gateway."""
    with httpx.Client(base_url=strict_gateway.url) as client:
        yield client


@pytest.mark.parametrize(
    ("origin", "status", "allowed"),
    [
        (ORIGIN, 200, ORIGIN),
        ("https://other.example.com", 200, "https://other.example.com"),
        ("https://evil.example.com", 400, None),
        ("http://app.example.com", 400, None),
        ("null", 400, None),
    ],
)
def test_only_allowed_origins_get_through_a_preflight(
    strict: httpx.Client, origin: str, status: int, allowed: str | None
) -> None:
    response = strict.options("/notifications", headers=preflight("GET", origin))
    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (status, allowed)


@pytest.mark.parametrize(
    ("origin", "status", "allowed"), [(ORIGIN, 200, ORIGIN), ("https://evil.example.com", 403, None)]
)
def test_only_pages_of_allowed_origins_are_served_and_may_read_answers(
    strict: httpx.Client, origin: str, status: int, allowed: str | None
) -> None:
    response = strict.get("/notifications", headers=user_headers("ada") | {"Origin": origin})
    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (status, allowed)
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(("size", "status"), [(2000, 400), (2001, 413)])
def test_the_largest_body_is_a_setting(strict: httpx.Client, size: int, status: int) -> None:
    assert strict.post("/notifications", headers=ADMIN, content=b"x" * size).status_code == status


def test_the_access_log_is_a_setting(strict: httpx.Client, strict_gateway: Gateway) -> None:
    assert strict.get("/notifications", headers=user_headers("ada")).status_code == 200
    assert '"event": "request"' not in strict_gateway.log


# ---- probes, metrics, log


@pytest.mark.parametrize(("path", "body"), [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"})])
async def test_probes_need_no_credentials(http: httpx.AsyncClient, path: str, body: Any) -> None:
    response = await http.get(path)
    assert (response.status_code, response.json()) == (200, body)


METRICS = [metric for metric in vars(telemetry).values() if isinstance(metric, MetricWrapperBase)]


async def test_every_metric_of_the_catalogue_is_shown(http: httpx.AsyncClient) -> None:
    response = await http.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    shown = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (\S+)", response.text, re.MULTILINE)}
    named = {family.name for metric in METRICS for family in metric.describe()}
    assert len(named) == len(METRICS) > 10
    assert named <= shown


async def test_requests_are_counted_by_operation_and_status_not_by_path(inbox: Inbox) -> None:
    series = 'inbox_http_requests_total{operation="POST /notifications/{id}/unread",status="404"}'

    async def counted() -> float:
        text = (await inbox.http.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(series))

    before, item = await counted(), str(uuid4())
    await inbox.request("POST", f"/notifications/{item}/unread")
    assert await counted() == before + 1
    assert item not in (await inbox.http.get("/metrics")).text


async def test_the_access_log_has_the_path_but_no_query_and_no_credentials(inbox: Inbox, gateway: Gateway) -> None:
    item = str(uuid4())
    secret = "kept-out-of-the-log"
    await inbox.request("GET", f"/notifications/{item}?user_hmac={secret}&token={secret}")
    await inbox.http.get(f"/notifications/{item}", headers={"Authorization": f"Bearer {secret}"})
    await inbox.http.get(f"/realtime/sse?api_key={secret}&user_external_id={secret}&token={secret}")
    await inbox.http.post("/notifications", headers=ADMIN, content=secret)
    line = rf'"method": "GET", "path": "/notifications/{item}", "status": (\d+), "ms": [0-9.]+'
    wait_for(lambda: re.findall(line, gateway.log) == ["404", "401"], "both lines")
    for hidden in (secret, API_SECRET, inbox.headers["X-MAGICBELL-USER-HMAC"]):
        assert hidden not in gateway.log


async def test_probes_and_metrics_are_not_in_the_access_log(http: httpx.AsyncClient, gateway: Gateway) -> None:
    before = len(gateway.log)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await http.get(path)).status_code == 200
    marker = str(uuid4())
    await http.get("/notifications", headers=user_headers("ada") | {"X-Request-Id": marker})
    wait_for(lambda: marker in gateway.log[before:], "the request after them in the access log")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert f'"method": "GET", "path": "{path}"' not in gateway.log[before:]


def test_a_client_that_hangs_up_amid_its_body_is_no_failure_of_ours(gateway: Gateway) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in {**ADMIN, "Content-Length": "1000"}.items())
    before = len(gateway.log)
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.sendall(f"POST /notifications HTTP/1.1\r\nHost: x\r\n{head}\r\n{{".encode())
    wait_for(lambda: '"status": 400' in gateway.log[before:], "the request in the access log")
    assert "request_failed" not in gateway.log[before:]


async def test_every_answer_of_the_rest_api_is_json_or_empty(inbox: Inbox) -> None:
    for operation in OPERATIONS:
        path = re.sub(r"{[^}]*}", "42", operation.path)
        response = await inbox.request(operation.method, path)
        if operation.caller is not PUBLIC and response.status_code != 204:
            assert response.headers["content-type"] == "application/json"


# ---- the store is down


DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that keeps on disk what it acknowledges."""
    with running_redis("valkey", tmp_path, *DURABLE) as server:
        yield server


def test_without_redis_calls_answer_503_and_when_it_is_back_nothing_is_lost(redis: RedisServer, tmp_path: Path) -> None:
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
        assert {(answer.status_code, code(answer)) for answer in refused} == {(503, "redis_unavailable")}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert client.get("/healthz").status_code == 200
        unready = wait_for(lambda: answer_of(client, "/readyz", 503), "/readyz to notice")
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


def answer_of(client: httpx.Client, path: str, status: int) -> httpx.Response | None:
    """Fetch a path; None unless it answers this status."""
    response = client.get(path)
    return response if response.status_code == status else None


def test_a_redis_that_hangs_answers_503_within_its_time_limit(redis: RedisServer, tmp_path: Path) -> None:
    with running_gateway(tmp_path / "data", INBOX_REDIS_URL=redis.url, INBOX_REDIS_TIMEOUT_SECONDS="0.3") as gateway:
        assert redis.process is not None
        redis.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        response = httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=notification("ada"), timeout=10)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert time.monotonic() - started < 3
        redis.process.send_signal(signal.SIGCONT)
        wait_for(
            lambda: httpx.post(f"{gateway.url}/notifications", headers=ADMIN, json=notification("ada")).is_success,
            "writes to work again",
        )
