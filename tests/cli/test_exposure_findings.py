"""What `doctor` finds about who can reach the gateway."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from gateway.cli.exposure_findings import examine_exposure, examine_public_url
from gateway.domain.finding import Finding, Severity
from gateway.settings import Settings

CLOSED = Settings(public_url="https://inbox.example.com", admin="off")


def topics(found: Iterator[Finding]) -> list[tuple[str, Severity]]:
    return [(each.topic, each.severity) for each in found if each.severity is not Severity.FINE]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (CLOSED, []),
        (Settings(public_url="http://localhost:8000", admin_port=8001), []),
        (Settings(admin="off"), [("public url", Severity.ADVICE)]),
        (Settings(public_url="http://inbox.example.com", admin="off"), [("public url", Severity.ADVICE)]),
        (Settings(public_url="https://inbox.example.com"), [("dashboard", Severity.ADVICE)]),
        (Settings(public_url="https://a.example", admin="off", demo="on"), [("demo", Severity.ADVICE)]),
        (
            Settings(public_url="https://a.example", admin="off", trusted_proxies=("0.0.0.0/0",)),
            [("proxies", Severity.WARNING)],
        ),
    ],
)
def test_settings_that_open_the_gateway_are_found(settings: Settings, expected: list[tuple[str, Severity]]) -> None:
    assert topics(examine_exposure(settings)) == expected


@contextmanager
def proxy(statuses: dict[str, int]) -> Iterator[str]:
    """A server that returns a status for each path, 404 for others, and yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.get(self.path.removeprefix("/inbox"), 404))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/inbox"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_proxy_that_closes_what_is_not_public_has_no_findings() -> None:
    with proxy({"/healthz": 200, "/realtime/ws": 101}) as url:
        settings = Settings(public_url=url)
        assert topics(examine_public_url(settings)) == []
        assert "dashboard" not in dict(topics(examine_exposure(settings, offline=False)))


def test_open_pages_and_a_proxy_without_websockets_are_found() -> None:
    with proxy({"/healthz": 200, "/admin/": 200, "/metrics": 200, "/realtime/ws": 426}) as url:
        found = list(examine_public_url(Settings(public_url=url)))
    assert [each.text.split(" ")[1] for each in found if each.severity is Severity.ADVICE] == ["dashboard", "metrics"]
    assert found[-1].text == "a WebSocket does not get through the proxy: 426"


def test_an_address_that_does_not_reach_the_gateway_is_found() -> None:
    with proxy({"/healthz": 502}) as url:
        assert topics(examine_public_url(Settings(public_url=url, admin="off"))) == [("public url", Severity.PROBLEM)]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert topics(examine_public_url(Settings(public_url=f"http://127.0.0.1:{port}"))) == [
        ("public url", Severity.ADVICE),
        ("dashboard", Severity.ADVICE),  # nobody knows whether the proxy closes it
    ]
    assert list(examine_public_url(Settings())) == []
