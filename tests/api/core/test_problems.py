"""Every error of the catalogue, in the response of a real gateway. The test fails for a code without a recipe here."""

import asyncio
import contextlib
import gzip
import itertools
import json
import re
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis
from starlette.responses import Response

from gateway.api.core.access import PublicAccess
from gateway.api.core.body_budget import BodyBudget
from gateway.api.core.body_reader import BodyReader
from gateway.api.core.call import PUBLIC, CallContext, PublicCall
from gateway.api.core.endpoint import Endpoint, EndpointContext
from gateway.api.core.operation import Operation, bind
from gateway.api.core.unbuilt import NOT_BUILT
from gateway.api.core.unknown import UnknownNameLog
from gateway.api.operations import OPERATIONS
from gateway.domain.errors import ErrorCode
from gateway.domain.principal import User
from gateway.domain.proxy import Proxies
from gateway.store import keys
from tests.api.admin.admins import PASSWORD, invited, owner_of, signed_in
from tests.api.core.calls import request_of
from tests.api.inbox import notification
from tests.api.tokens import bearer, claims_of, token
from tests.api.workspaces import admin_of, command, created_project, user_of, workspace_headers
from tests.servers import ADMIN, API_KEY, Gateway, RedisServer, running_gateway, running_redis, user_headers, wait_for

Answer = tuple[int, Any]
"""The status and the decoded body."""


@dataclass(frozen=True)
class OwnStore:
    """A gateway on a Redis that recipes may break and repair."""

    server: RedisServer
    gateway: Gateway

    @contextlib.contextmanager
    def admin(self) -> Iterator[redis.Redis]:
        """Return a connection that still works after the gateway's own are refused."""
        with redis.Redis(port=self.server.port) as admin:
            yield admin

    def get(self, user: str = "ada") -> Answer:
        """List a user's notifications."""
        return read(httpx.get(f"{self.gateway.url}/notifications", headers=user_headers(user), timeout=30))

    def send(self, user: str = "ada") -> Answer:
        """Send a notification to a user."""
        url = f"{self.gateway.url}/notifications"
        return read(httpx.post(url, headers=ADMIN, json=notification(user), timeout=30))


@dataclass(frozen=True)
class Bench:
    """The gateways of the recipes: one with default settings, one with tight limits, and one with a store to break."""

    gateway: Gateway
    strict: Gateway
    store: OwnStore

    def call(self, method: str, path: str, headers: dict[str, str], **more: Any) -> Answer:
        """Call the gateway with default settings."""
        return read(httpx.request(method, self.gateway.url + path, headers=headers, timeout=30, **more))

    def get(self, **headers: str) -> Answer:
        """List notifications with some headers. An underscore in a name stands for a hyphen."""
        named = {f"X-MAGICBELL-{name.replace('_', '-')}": value for name, value in headers.items()}
        return self.call("GET", "/notifications", named)

    def send(self, headers: dict[str, str], body: Any) -> Answer:
        """Send a notification."""
        return self.call("POST", "/notifications", headers, json=body)


def read(response: httpx.Response) -> Answer:
    return response.status_code, response.json()


def raw(gateway: Gateway, request: bytes) -> Answer:
    """Send bytes, and return the response that arrives first."""
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)


# ---- a recipe for each code

GITHUB, SLACK = "/v2/integrations/github", "/v2/integrations/slack"
ENDPOINTS = "/v2/webhooks/endpoints"

RECIPES: dict[str, Callable[[Bench], Answer]] = {}
Recipe = Callable[[Bench], Answer]


def recipe(code: str) -> Callable[[Recipe], Recipe]:
    """Register a function that makes the gateway respond with this code."""

    def add(function: Recipe) -> Recipe:
        RECIPES[code] = function
        return function

    return add


@recipe("api_key_not_provided")
def _(bench: Bench) -> Answer:
    return bench.get(USER_EXTERNAL_ID="ada")


@recipe("incorrect_api_key")
def _(bench: Bench) -> Answer:
    return bench.get(API_KEY="wrong", USER_EXTERNAL_ID="ada")


@recipe("api_secret_not_provided")
def _(bench: Bench) -> Answer:
    return bench.send({"X-MAGICBELL-API-KEY": API_KEY}, notification("ada"))


@recipe("api_secret_is_incorrect")
def _(bench: Bench) -> Answer:
    return bench.send(ADMIN | {"X-MAGICBELL-API-SECRET": "wrong"}, notification("ada"))


@recipe("neither_user_hmac_nor_api_secret_provided")
def _(bench: Bench) -> Answer:
    return bench.get(API_KEY=API_KEY, USER_EXTERNAL_ID="ada")


@recipe("user_email_not_provided")
def _(bench: Bench) -> Answer:
    return bench.get(API_KEY=API_KEY)


@recipe("user_not_found")
def _(bench: Bench) -> Answer:
    headers = ADMIN | {"X-MAGICBELL-USER-EXTERNAL-ID": str(uuid4())}
    return bench.call("GET", "/notification_preferences", headers)


@recipe("content_coding_not_supported")
def _(bench: Bench) -> Answer:
    body = gzip.compress(json.dumps(notification("ada")).encode())
    headers = ADMIN | {"Content-Encoding": "gzip"}
    return read(httpx.post(f"{bench.gateway.url}/notifications", headers=headers, content=body))


@recipe("user_hmac_is_incorrect")
def _(bench: Bench) -> Answer:
    return bench.get(API_KEY=API_KEY, USER_EXTERNAL_ID="ada", USER_HMAC="wrong")


@recipe("token_is_incorrect")
def _(bench: Bench) -> Answer:
    return bench.call("GET", "/config", bearer(token(claims_of("ada"), "another secret")))


@recipe("token_expired")
def _(bench: Bench) -> Answer:
    return bench.call("GET", "/config", bearer(token(claims_of("ada", exp=int(time.time()) - 1))))


@recipe("token_revoked")
def _(bench: Bench) -> Answer:
    printed = command(bench.gateway, "token", "--workspace")
    command(bench.gateway, "workspace", "revoke-token", printed)
    return bench.call("GET", "/workspaces/default/projects", bearer(printed))


@recipe("credentials_rotated")
def _(bench: Bench) -> Answer:
    # Returned if the credential ends while a connection is opened. Many connect at once, until one meets that moment.
    while True:
        project = created_project(bench.gateway, hmac_enabled=False)
        refused = asyncio.run(opened_while_hmac_is_switched_on(bench.gateway, project))
        rotated = [body for body in refused if body["errors"][0]["code"] == "credentials_rotated"]
        if rotated:
            return 401, rotated[0]


async def opened_while_hmac_is_switched_on(gateway: Gateway, project: dict[str, Any]) -> list[Any]:
    """Open streams without a proof while the project begins to require one, and return the refusals."""
    refused = []
    switched = asyncio.Event()

    async def open_streams(client: httpx.AsyncClient) -> None:
        headers = {"X-MAGICBELL-API-KEY": project["api_key"], "X-MAGICBELL-USER-EXTERNAL-ID": str(uuid4())}
        while not switched.is_set():
            async with client.stream("GET", "/realtime/sse", headers=headers) as response:
                if response.status_code == 401:
                    refused.append(json.loads(await response.aread()))

    async with httpx.AsyncClient(base_url=gateway.url, timeout=30) as client, asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(open_streams(client))
        path = f"/workspaces/{project['workspace']['id']}/projects/{project['id']}"
        body = {"project": {"hmac_enabled": True}}
        changed = await client.put(path, headers=workspace_headers(gateway), json=body)
        assert changed.status_code == 200
        switched.set()
    return refused


@recipe("forbidden")
def _(bench: Bench) -> Answer:
    return bench.call("GET", "/workspaces/another/projects", workspace_headers(bench.gateway))


@recipe("origin_not_allowed")
def _(bench: Bench) -> Answer:
    project = created_project(bench.gateway, allowed_origins=["https://a.example"])
    return bench.call("GET", "/notifications", user_of(project, "ada") | {"Origin": "https://b.example"})


@recipe("not_found")
def _(bench: Bench) -> Answer:
    return bench.call("GET", f"/notifications/{uuid4()}", user_headers("ada"))


@recipe("method_not_allowed")
def _(bench: Bench) -> Answer:
    return bench.call("PATCH", "/notifications", ADMIN)


@recipe("request_timeout")
def _(bench: Bench) -> Answer:
    fields = "".join(f"{name}: {value}\r\n" for name, value in {**ADMIN, "Content-Length": "1000"}.items())
    return raw(bench.strict, f"POST /notifications HTTP/1.1\r\nHost: x\r\n{fields}\r\n{{".encode())


@recipe("idempotency_key_in_use")
def _(bench: Bench) -> Answer:
    body = notification(*(f"many-{number}" for number in range(1000)))
    with ThreadPoolExecutor(4) as threads:
        while True:  # until one arrives while another runs
            headers = ADMIN | {"Idempotency-Key": str(uuid4())}
            responses = list(threads.map(lambda keyed: bench.send(keyed, body), [headers] * 4))
            refused = [response for response in responses if response[0] != 201]
            if refused:
                return refused[0]


@recipe("body_too_large")
def _(bench: Bench) -> Answer:
    body = notification("ada", content="x" * 3000)
    return read(httpx.post(f"{bench.strict.url}/notifications", headers=ADMIN, json=body))


@recipe("too_many_tokens")
def _(bench: Bench) -> Answer:
    with httpx.Client(base_url=bench.gateway.url) as client:
        body = {"external_id": str(uuid4())}
        while True:
            response = read(client.post("/v2/jwt/user", headers=ADMIN, json=body))
            if response[0] != 201:
                return response


@recipe("idempotency_key_reused")
def _(bench: Bench) -> Answer:
    headers = ADMIN | {"Idempotency-Key": str(uuid4())}
    assert bench.send(headers, notification("ada"))[0] == 201
    return bench.send(headers, notification("bob"))


@recipe("rate_limit_exceeded")
def _(bench: Bench) -> Answer:
    headers = user_headers(str(uuid4()))
    while True:  # one call a minute is allowed, and a new minute may begin in between
        response = read(httpx.get(f"{bench.strict.url}/notifications", headers=headers))
        if response[0] != 200:
            return response


def limited(bench: Bench, **limits: int) -> Answer:
    """Send in a project with limits until one of them refuses it."""
    project = created_project(bench.gateway, **limits)
    headers = admin_of(project)
    for number in itertools.count():
        response = httpx.post(f"{bench.gateway.url}/notifications", headers=headers, json=notification(f"u{number}"))
        if response.status_code != 201:
            return read(response)
    raise AssertionError("unreachable")


recipe("user_limit_reached")(partial(limited, max_users=1))
recipe("storage_limit_reached")(partial(limited, max_storage_bytes=1))
recipe("sends_per_minute_reached")(partial(limited, max_sends_per_minute=1))
recipe("sends_per_month_reached")(partial(limited, max_sends_per_month=1))


def unfinished(path: str, headers: dict[str, str], size: int) -> bytes:
    """Return a request whose body is one byte short."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {size + 1}\r\n\r\n"
    return head.encode() + b" " * size


def refusal(gateway: Gateway, requests: list[bytes], status: int) -> Answer:
    """Send requests on a connection each, until one gets this status."""
    with contextlib.ExitStack() as stack:
        connections: dict[socket.socket, bytes] = {}
        for request in requests:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), 10))
            connection.sendall(request)
            connections[connection] = b""
        while connections:
            for connection in select.select(list(connections), [], [], 10)[0]:
                connections[connection] += connection.recv(65536)
                head, _, body = connections[connection].partition(b"\r\n\r\n")
                if head.startswith(f"HTTP/1.1 {status} ".encode()) and body.endswith(b"}"):
                    return status, json.loads(body)
                if body.endswith(b"}"):
                    del connections[connection]
    raise AssertionError(f"nothing was answered with {status}")


@recipe("too_many_bodies")
def _(bench: Bench) -> Answer:
    request = unfinished("/notification_preferences", user_headers(str(uuid4())), 250_000)
    return refusal(bench.gateway, [request] * 6, 429)


@recipe("overloaded")
def _(bench: Bench) -> Answer:
    requests = []
    for one in range(40):
        headers = user_headers(str(uuid4())) | {"X-Forwarded-For": f"10.0.0.{one}", "Transfer-Encoding": "chunked"}
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"PUT /notification_preferences HTTP/1.1\r\nHost: x\r\n{fields}\r\n"
        requests.append(head.encode() + b"76c\r\n" + b" " * 0x76C + b"\r\n")  # without the last chunk
    return refusal(bench.strict, requests, 503)


@recipe("malformed_request")
def _(bench: Bench) -> Answer:
    return raw(bench.gateway, b"GET /healthz HTTP/1.1\r\n\r\n")


@recipe("upgrade_required")
def _(bench: Bench) -> Answer:
    return bench.call("GET", "/realtime/ws", {})


@recipe("method_not_implemented")
def _(bench: Bench) -> Answer:
    return raw(bench.gateway, b"CONNECT inbox:443 HTTP/1.1\r\nHost: inbox:443\r\n\r\n")


@recipe("transfer_coding_not_implemented")
def _(bench: Bench) -> Answer:
    return raw(bench.gateway, b"GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")


@recipe("http_version_not_supported")
def _(bench: Bench) -> Answer:
    return raw(bench.gateway, b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n")


@recipe("too_many_new_users")
def _(bench: Bench) -> Answer:
    key = {"X-MAGICBELL-API-KEY": created_project(bench.strict, hmac_enabled=False)["api_key"]}
    while True:
        headers = key | {"X-MAGICBELL-USER-EXTERNAL-ID": str(uuid4())}
        response = read(httpx.get(f"{bench.strict.url}/notifications", headers=headers))
        if response[0] != 200:
            return response


@recipe("headers_too_large")
def _(bench: Bench) -> Answer:
    return raw(bench.gateway, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 70_000)


@recipe("internal_error")
def _(bench: Bench) -> Answer:
    # No request of a client and no reply of the store should cause this error.
    async def fail(resource: None, call: PublicCall) -> Response:
        raise RuntimeError("a mistake of ours")

    async def forget(user: User) -> None:
        """Do nothing: no user is deleted here."""

    proxies = Proxies(())
    accesses = {PUBLIC: PublicAccess(CallContext(proxies, BodyReader(BodyBudget(1000), 1000)))}
    context = EndpointContext(accesses, proxies, forget, UnknownNameLog(), access_log=False)
    (operation,) = bind(None, [Operation("GET", "/", PUBLIC, fail, "Fails")])
    request = request_of()

    async def call() -> Response:
        return await Endpoint(operation, context)(request)

    response = asyncio.run(call())
    return response.status_code, json.loads(bytes(response.body))


@recipe("not_built")
def _(bench: Bench) -> Answer:
    unbuilt = [row for row in OPERATIONS if row.success is NOT_BUILT]
    if not unbuilt:
        return bench.send(ADMIN, notification(recipients=[{"matches": "*"}]))
    return bench.call(unbuilt[0].method, re.sub(r"{[^}]*}", "42", unbuilt[0].path), ADMIN)


@recipe("webhook_not_signed")
def _(bench: Bench) -> Answer:
    bench.call("PUT", GITHUB, ADMIN, json={"webhook_signing_secret": "a secret"})
    _, saved = bench.call("GET", GITHUB, ADMIN)
    refused = bench.call("POST", f"{GITHUB}/webhooks/incoming/{saved['data'][0]['id']}", {}, json={})
    httpx.delete(bench.gateway.url + GITHUB, headers=ADMIN).raise_for_status()
    return refused


@recipe("provider_failed")
def _(bench: Bench) -> Answer:
    config = {"app_id": "A0", "client_id": "1.1", "client_secret": "c" * 32, "signing_secret": "s" * 32}
    bench.call("PUT", SLACK, ADMIN, json=config)
    finish = {"app_id": "A0", "code": "c"}  # the tests' gateway expects Slack at a closed port
    failed = bench.call("POST", f"{SLACK}/installations/finish", user_headers(str(uuid4())), json=finish)
    httpx.delete(bench.gateway.url + SLACK, headers=ADMIN).raise_for_status()
    return failed


@recipe("too_many_tails")
def _(bench: Bench) -> Answer:
    with contextlib.ExitStack() as stack, httpx.Client(base_url=bench.gateway.url, headers=ADMIN, timeout=30) as client:
        while (tail := stack.enter_context(client.stream("GET", "/v2/events/tail"))).status_code == 200:
            pass
        tail.read()
        return read(tail)


@recipe("redis_unavailable")
def _(bench: Bench) -> Answer:
    bench.store.server.stop(signal.SIGKILL)
    try:
        return bench.store.get()
    finally:
        bench.store.server.start()


@recipe("webhook_endpoint_disabled")
def _(bench: Bench) -> Answer:
    made = {"url": "https://hooks.example/inbox"}
    path = f"{ENDPOINTS}/{bench.call('POST', ENDPOINTS, ADMIN, json=made)[1]['id']}"
    bench.call("PATCH", path, ADMIN, json={"disabled": True})
    refused = bench.call("POST", f"{path}/test", ADMIN)
    httpx.delete(bench.gateway.url + path, headers=ADMIN).raise_for_status()
    return refused


@recipe("delivery_not_retryable")
def _(bench: Bench) -> Answer:
    ada = str(uuid4())
    bench.send(ADMIN, notification(ada))
    listed = bench.call("GET", "/notifications", user_headers(ada))[1]["notifications"][0]
    path = f"/v2/users/{listed['recipient']['id']}/notifications/{listed['id']}/deliveries/email/retry"
    return bench.call("POST", path, ADMIN)


@recipe("store_refused")
def _(bench: Bench) -> Answer:
    with bench.store.admin() as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-fcall", "-fcall_ro")
        try:
            return bench.store.get()
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "+@all")


@recipe("store_read_only")
def _(bench: Bench) -> Answer:
    with bench.store.admin() as admin:
        admin.config_set("min-replicas-to-write", "1")
        try:
            return bench.store.send()
        finally:
            admin.config_set("min-replicas-to-write", "0")


# ---- admins

ADMINS = "/admin/api"


@recipe("session_needed")
def _(bench: Bench) -> Answer:
    return bench.call("GET", f"{ADMINS}/me", {})


@recipe("email_or_password_incorrect")
def _(bench: Bench) -> Answer:
    return bench.call("POST", f"{ADMINS}/login", {}, json={"email": "eve@example.com", "password": "no password"})


@recipe("too_many_tries")
def _(bench: Bench) -> Answer:
    # From an address that no other test has.
    headers = {"X-Forwarded-For": "192.0.2.77", "X-Forwarded-Proto": "https"}
    for _attempt in range(6):
        given = {"email": f"{uuid4()}@example.com", "password": "no password"}
        answer = bench.call("POST", f"{ADMINS}/login", headers, json=given)
    return answer


@recipe("role_too_low")
def _(bench: Bench) -> Answer:
    with signed_in(bench.gateway, invited(bench.gateway, {"*": "viewer"})) as client:
        return read(client.post("/projects", json={"name": "Shop"}))


@recipe("confirmation_required")
def _(bench: Bench) -> Answer:
    gateway = bench.store.gateway
    with signed_in(gateway, owner_of(gateway)[0]) as client:
        with bench.store.admin() as store:
            store.hset(keys.admin_session(client.get("/me").json()["session_id"]), "confirmed_until", "0")
        return read(client.post("/projects/1/secret"))


@recipe("cross_site")
def _(bench: Bench) -> Answer:
    with signed_in(bench.gateway, owner_of(bench.gateway)[0]) as client:
        return read(client.post("/logout", headers={"Sec-Fetch-Site": "cross-site"}))


@recipe("needs_https")
def _(bench: Bench) -> Answer:
    given = {"email": owner_of(bench.gateway)[0], "password": PASSWORD}
    return bench.call("POST", f"{ADMINS}/login", {"Host": "inbox.example.com"}, json=given)


@recipe("setup_link_ended")
def _(bench: Bench) -> Answer:
    return bench.call("POST", f"{ADMINS}/link", {}, json={"token": "no token"})


@recipe("last_owner")
def _(bench: Bench) -> Answer:
    email, token = owner_of(bench.strict)
    admins = bench.strict.url + f"{ADMINS}/admins"
    (owner,) = httpx.get(admins, headers=bearer(token), timeout=30).json()["data"]
    assert owner["email"] == email
    return read(httpx.delete(f"{admins}/{owner['id']}", headers=bearer(token), timeout=30))


@recipe("content_type_not_supported")
def _(bench: Bench) -> Answer:
    return bench.call("POST", f"{ADMINS}/login", {}, data={"email": "eve@example.com", "password": "no password"})


# ---- the store


@recipe("store_data_broken")
def _(bench: Bench) -> Answer:
    name = str(uuid4())
    assert bench.store.send(name)[0] == 201
    listed = bench.store.get(name)[1]
    project_id, user_id = listed["project_id"], listed["notifications"][0]["recipient"]["id"]
    with bench.store.admin() as admin:
        admin.set(keys.user(project_id, user_id), "not a hash")
    return bench.store.get(name)


@recipe("store_format_unknown")
def _(bench: Bench) -> Answer:
    name = str(uuid4())
    assert bench.store.send(name)[0] == 201
    listed = bench.store.get(name)[1]
    project_id, user_id = listed["project_id"], listed["notifications"][0]["recipient"]["id"]
    with bench.store.admin() as admin:
        admin.hset(keys.user(project_id, user_id), "format", "2")
    return bench.store.get(name)


@recipe("store_empty")
def _(bench: Bench) -> Answer:
    with bench.store.admin() as admin:
        while True:  # the gateway may have restored the project already
            admin.flushall()
            admin.execute_command("SPUBLISH", keys.CONTROL, "")  # the cache is dropped, too
            response = bench.store.get()
            wait_for(lambda: bench.store.get()[0] == 200, "the project to be back")
            if response[0] != 200:
                return response


@recipe("store_full")
def _(bench: Bench) -> Answer:
    with bench.store.admin() as admin:
        admin.config_set("maxmemory", "1")
        try:
            return bench.store.send()
        finally:
            admin.config_set("maxmemory", "0")


# ---- the test


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    limits = {
        "INBOX_BODY_SECONDS": "0.2",
        "INBOX_MAX_BODY_BYTES": "2000",
        "INBOX_RATE_LIMIT_READS": "1",
        "INBOX_NEW_USERS_PER_HOUR_PER_ADDRESS": "1",
    }
    with running_gateway(tmp_path_factory.mktemp("strict") / "data", **limits) as started:
        yield started


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnStore]:
    directory = tmp_path_factory.mktemp("store")
    durable = ("--appendonly", "yes", "--appendfsync", "always")
    with (
        running_redis("valkey", directory, *durable) as server,
        running_gateway(directory / "data", INBOX_REDIS_URL=server.url) as gateway,
    ):
        yield OwnStore(server, gateway)


@pytest.mark.parametrize("code", ErrorCode, ids=lambda code: code.kind.code)
def test_every_code_of_the_catalogue_has_its_status(
    gateway: Gateway, strict: Gateway, store: OwnStore, code: ErrorCode
) -> None:
    kind = code.kind
    assert kind.code in RECIPES, "add a recipe that causes this error"
    status, body = RECIPES[kind.code](Bench(gateway, strict, store))
    (problem,) = body["errors"]
    assert (status, problem["code"]) == (kind.status, kind.code)
    assert problem["message"]
    assert problem.keys() <= {"code", "message", "suggestion", "help_link"}
