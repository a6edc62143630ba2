"""nginx, HAProxy, Caddy and Traefik with the files of deploy/, in front of two nodes on one store, over TLS."""

import asyncio
import contextlib
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect
from websockets.asyncio.client import connect

from tests.api.admin.admins import PASSWORD, SAME_ORIGIN, create_admin
from tests.browser.chromium import CHROMIUM, running_chromium
from tests.deploy.fronts import (
    OWN_ADDRESS,
    PREFIX,
    PROXIES,
    Caddy,
    Certificate,
    NewCaddy,
    Proxy,
    Traefik,
    client_context,
    running_proxy,
)
from tests.deploy.nodes import running_nodes
from tests.end_to_end.test_faults import Writer, assert_exact
from tests.live import clients
from tests.live.clients import TRANSPORTS, ResumingInbox, resuming
from tests.servers import (
    ADMIN,
    API_KEY,
    Gateway,
    user_headers,
    user_hmac,
    wait_for,
)

EVERYTHING = os.environ.get("PROXIES") == "1"
"""Set by `make proxies`, which takes its time."""

CLIENT_ADDRESS = "127.0.0.2"
"""The address of clients. It is not that of the proxy, so that the gateway does not take a client for a proxy."""

CLOSED = ("/metrics", "/admin", "/admin/", "/admin/api/me", "/docs", "/demo", "/demo/protocol", "/openapi.json")
DISGUISED = ("/%61dmin/", "/%61dmin/api/me", "//admin/", "/x/../admin/", "/./admin/", "/%2e/admin/", "/metrics/")
"""Other spellings of closed paths. Either the proxy refuses one, or the gateway does not know it."""

FORGED = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Prefix": "/evil",
    "X-Request-Id": "forged",
}
LARGE = 11 * 1024 * 1024


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Gateway]]:
    """Yield two nodes on one store, which trust the address of the proxy alone."""
    with running_nodes(tmp_path_factory.mktemp) as found:
        create_admin(found[0], "owner@example.com")
        yield found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.created(tmp_path_factory.mktemp("tls"))


TRIED = [kind for kind in PROXIES if kind not in (NewCaddy, Traefik) or EVERYTHING]


@pytest.fixture(scope="module", params=TRIED, ids=lambda kind: kind.name)
def proxy(
    request: pytest.FixtureRequest,
    nodes: list[Gateway],
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Proxy]:
    """Yield a running proxy."""
    kind: type[Proxy] = request.param
    if kind.binary() is None:
        pytest.skip(f"{kind.program} is not installed: `make proxies` installs it")
    directory = tmp_path_factory.mktemp(kind.name)
    directory.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch, running_proxy(kind(directory, nodes, certificate)) as started:
        # Clients of the tests of live connections make contexts of their own.
        patch.setenv("SSL_CERT_FILE", str(certificate.chain))
        patch.setattr(clients, "_TLS", client_context(certificate))
        yield started


@pytest.fixture(scope="module")
def tls(certificate: Certificate) -> ssl.SSLContext:
    return client_context(certificate)


@pytest.fixture
def http(proxy: Proxy, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    """Yield a client of the proxy at a name of its own, from an address that is not the proxy's."""
    with client(proxy.url, tls) as opened:
        yield opened


@pytest.fixture
def below(proxy: Proxy, tls: ssl.SSLContext) -> Iterator[httpx.Client]:
    """Yield a client of the proxy below a path."""
    with client(proxy.subpath_url, tls) as opened:
        yield opened


def client(url: str, tls: ssl.SSLContext, address: str = CLIENT_ADDRESS) -> httpx.Client:
    transport = httpx.HTTPTransport(verify=tls, local_address=address)
    return httpx.Client(base_url=url, transport=transport, timeout=30)


@contextlib.asynccontextmanager
async def backend(proxy: Proxy, tls: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that keeps no connection alive, because proxies close idle ones when they are reloaded."""
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=proxy.url, verify=tls, timeout=30, limits=limits) as opened:
        yield opened


def logged(nodes: list[Gateway], request_id: str) -> dict[str, Any]:
    """Return the access log line of a request."""

    def lines() -> list[dict[str, Any]]:
        text = "\n".join(node.log for node in nodes)
        return [json.loads(line) for line in text.splitlines() if request_id in line and '"request"' in line]

    found: dict[str, Any] = wait_for(lines, "the line of the request")[0]
    return found


def test_addresses_are_those_that_the_client_requested_and_forged_headers_are_not_believed(
    proxy: Proxy, http: httpx.Client, below: httpx.Client, nodes: list[Gateway]
) -> None:
    for each, address in ((http, proxy.url), (below, proxy.subpath_url)):
        response = each.get("/config", headers=user_headers("ada") | FORGED)
        assert response.status_code == 200, response.text
        live = response.json()["realtime"]
        assert live["sse_url"] == f"{address}/realtime/sse"
        assert live["websocket_url"] == f"{address.replace('https', 'wss')}/realtime/ws"
        request_id = response.headers["x-request-id"]
        assert request_id != "forged"
        assert logged(nodes, request_id)["client"] == CLIENT_ADDRESS


def test_closed_paths_are_open_to_the_own_network_only(
    proxy: Proxy, http: httpx.Client, tls: ssl.SSLContext, certificate: Certificate
) -> None:
    for prefix, url in (("", proxy.url), (PREFIX, proxy.subpath_url.removesuffix(PREFIX))):
        for path in CLOSED:
            assert http.get(f"{url}{prefix}{path}").status_code == 403, path
        for path in DISGUISED:
            # httpx would normalize the path.
            status = raw_status(url, f"{prefix}{path}", certificate)
            assert status in (400, 403, 404), (path, status)
    assert http.get("/healthz").status_code == 200
    for url in (proxy.url, proxy.subpath_url):
        with client(url, tls, OWN_ADDRESS) as own:
            assert own.get("/admin/").status_code == 200
            assert own.get("/openapi.json").status_code == 200
            own.headers.update(SAME_ORIGIN)
            login = own.post("/admin/api/login", json={"email": "owner@example.com", "password": PASSWORD})
            assert login.status_code == 200, login.text
            assert "Secure" in login.headers["set-cookie"]
            path = "/inbox/admin" if url == proxy.subpath_url else "/admin"
            assert f"Path={path.removesuffix('/admin') or '/'}" in login.headers["set-cookie"] or path
            assert own.get("/admin/api/me").json()["admin"]["email"] == "owner@example.com"


def raw_status(url: str, path: str, certificate: Certificate) -> int:
    """Return the status of a GET for a path that is sent as it is."""
    import http.client
    from urllib.parse import urlsplit

    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPSConnection(
        address.hostname,
        address.port,
        timeout=30,
        context=client_context(certificate),
        source_address=(CLIENT_ADDRESS, 0),
    )
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def test_plain_http_is_redirected(proxy: Proxy, tls: ssl.SSLContext) -> None:
    if isinstance(proxy, Caddy):
        pytest.skip("the test's address has a port, for which Caddy redirects nothing")
    with client(f"http://localhost:{proxy.plain_port}", tls) as plain:
        response = plain.get("/config?x=1")
    assert response.status_code in (301, 308)
    assert response.headers["location"].startswith("https://localhost")
    assert response.headers["location"].endswith("/config?x=1")


def test_a_body_of_11_mb_arrives_and_one_that_is_too_large_is_refused(http: httpx.Client, below: httpx.Client) -> None:
    for each in (http, below):
        content = "x" * (4 * 1024 * 1024)
        body = {"notification": {"title": "Large", "content": content, "recipients": [{"external_id": "large"}]}}
        # A JSON text of 11 MB: the content, and white space.
        data = json.dumps(body).encode().ljust(LARGE)
        response = each.post("/notifications", headers=ADMIN | {"Content-Type": "application/json"}, content=data)
        assert response.status_code == 201, response.text[:300]
        listed = each.get("/notifications", headers=user_headers("large"), params={"per_page": "1"}).json()
        assert listed["notifications"][0]["content"] == content
        with contextlib.suppress(httpx.WriteError):  # the refusal may end the connection before all was sent
            assert each.post("/notifications", headers=ADMIN, content=b" " * (20 * 1024 * 1024)).status_code == 413


def test_an_escaped_slash_in_a_path_stays_one(http: httpx.Client, below: httpx.Client) -> None:
    for each in (http, below):
        each.post("/users", headers=ADMIN, json={"user": {"external_id": "a/b c"}}).raise_for_status()
        change = {"user": {"first_name": "Ada"}}
        found = each.put("/users/external_id:a%2Fb%20c", headers=ADMIN, json=change)
        assert (found.status_code, found.json().get("user", {}).get("external_id")) == (200, "a/b c"), found.text


def test_streams_tails_and_long_polling_are_passed_on_at_once(http: httpx.Client, below: httpx.Client) -> None:
    for each in (http, below):
        user = f"stream-{time.time_ns()}"
        headers = user_headers(user)
        with (
            each.stream("GET", "/realtime/sse", headers=headers) as stream,
            each.stream("GET", "/v2/events/tail", headers=ADMIN) as tail,
        ):
            assert (stream.status_code, tail.status_code) == (200, 200)
            lines, tailed = stream.iter_lines(), tail.iter_lines()
            assert "event: ready" in islice(lines, 3)
            position = each.get("/notifications", headers=headers).headers["X-Inbox-Position"]
            body = {"notification": {"title": "At once", "recipients": [{"external_id": user}]}}
            each.post("/notifications", headers=ADMIN, json=body).raise_for_status()
            # A proxy that collects a buffer's worth of events would keep these until the limit of the test.
            assert any("At once" in line for line in lines)
            assert any("notification" in line for line in tailed)
        query = {"since": position, "wait": "50"}
        polled = each.get("/realtime/events", headers=headers, params=query)
        assert "At once" in polled.text


def test_a_long_poll_ends_when_something_happens(proxy: Proxy, http: httpx.Client, tls: ssl.SSLContext) -> None:
    user = f"poll-{time.time_ns()}"

    async def scenario() -> str:
        async with backend(proxy, tls) as each:
            await clients.send(each, user)
            position = (await each.get("/notifications", headers=user_headers(user))).headers["X-Inbox-Position"]
            poll = asyncio.create_task(
                each.get("/realtime/events", headers=user_headers(user), params={"since": position, "wait": "20"})
            )
            await asyncio.sleep(0)
            body = {"notification": {"title": "Awaited", "recipients": [{"external_id": user}]}}
            (await each.post("/notifications", headers=ADMIN, json=body)).raise_for_status()
            return (await poll).text

    assert "Awaited" in asyncio.run(scenario())


async def test_both_nodes_get_connections(proxy: Proxy, nodes: list[Gateway], tls: ssl.SSLContext) -> None:
    """Not with the client of websockets that uses threads: it sometimes never received the response over TLS."""
    address, users = proxy.front.websocket_url, (f"balanced-{number}" for number in range(1000))
    async with httpx.AsyncClient(timeout=60) as http, contextlib.AsyncExitStack() as stack:

        async def open_on(node: Gateway) -> int:
            lines = (await http.get(f"{node.url}/metrics")).text.splitlines()
            return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("inbox_connections{"))

        async with asyncio.timeout(60):
            # More than six if a node has just failed a check, because the machine is slow.
            while not all([await open_on(node) >= 3 for node in nodes]):
                opening = connect(address, ssl=tls, additional_headers=user_headers(next(users)), open_timeout=60)
                socket = await stack.enter_async_context(opening)
                assert json.loads(await socket.recv())["type"] == "ready"


async def test_nothing_is_lost_while_the_proxy_is_reloaded_and_restarted_and_a_node_stops(
    proxy: Proxy, nodes: list[Gateway], tls: ssl.SSLContext
) -> None:
    user = f"resuming-{proxy.name}-{time.time_ns()}"
    inboxes = [ResumingInbox(transport, proxy.front, user) for transport in TRANSPORTS * 3]
    async with backend(proxy, tls) as http, resuming(*inboxes):
        writer = Writer(http, user)
        await writer.acknowledge(5)
        await assert_exact(http, user, writer, inboxes)
        opened = [inbox.connections for inbox in inboxes]

        await asyncio.to_thread(proxy.reload)
        await writer.acknowledge(10)
        assert (writer.refused, writer.cut_off) == ([], 0), "a reload loses no request"
        await assert_exact(http, user, writer, inboxes)
        if proxy.reload_keeps_streams:
            assert [inbox.connections for inbox in inboxes] == opened, "a reload cuts no stream"

        await asyncio.to_thread(nodes[0].stop)  # with a goodbye to its clients
        await writer.acknowledge(10)
        assert not [response for response in writer.refused if response.status_code != 502], writer.refused
        await assert_exact(http, user, writer, inboxes)
        await asyncio.to_thread(nodes[0].start)

        await asyncio.to_thread(proxy.stop)
        await asyncio.to_thread(proxy.start)
        await writer.acknowledge(5)
        await assert_exact(http, user, writer, inboxes)


def test_the_logs_of_the_proxy_have_no_credentials(
    proxy: Proxy, http: httpx.Client, below: httpx.Client, nodes: list[Gateway]
) -> None:
    query = {"api_key": API_KEY, "user_external_id": "ada", "user_hmac": user_hmac("ada")}
    for each in (http, below):
        with each.stream("GET", "/realtime/sse", params=query) as stream:
            assert stream.status_code == 200
        each.get("/config", headers=user_headers("ada") | {"Authorization": "Bearer a-bearer-token"})
    http.get("/realtime/sse", params={"token": "a-token-in-a-query"})
    proxy.stop()  # it writes its logs
    proxy.start()
    text = "\n".join(path.read_text(errors="replace") for path in proxy.directory.rglob("*") if path.suffix == ".log")
    for secret in (user_hmac("ada"), "a-bearer-token", "a-token-in-a-query"):
        assert secret not in text


def test_the_bell_works_below_the_path(proxy: Proxy, below: httpx.Client) -> None:
    if not CHROMIUM.exists():
        pytest.skip("chromium is not installed: `apt-get install chromium`")
    if proxy.name != "nginx" and not EVERYTHING:
        pytest.skip("a browser for each proxy: `make proxies`")
    user = f"bell-{time.time_ns()}"
    origin = proxy.subpath_url.removesuffix(PREFIX)
    page_html = (
        f'<!doctype html><script type="module" src="{PREFIX}/inbox-bell.js"></script>'
        f'<inbox-bell api-key="{API_KEY}" user-external-id="{user}" user-hmac="{user_hmac(user)}"></inbox-bell>'
    )
    with running_chromium() as browser, browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.route(f"{origin}/page", lambda route: route.fulfill(body=page_html, content_type="text/html"))
        page.goto(f"{origin}/page")
        button = page.locator("inbox-bell").get_by_role("button").first
        expect(button).to_be_visible()
        body = {"notification": {"title": "To the bell", "recipients": [{"external_id": user}]}}
        below.post("/notifications", headers=ADMIN, json=body).raise_for_status()
        expect(page.locator("inbox-bell").get_by_text("1", exact=True).first).to_be_visible()
        button.click()
        expect(page.get_by_text("To the bell", exact=True)).to_be_visible()
