"""What the HTTP connections of one worker share."""

import asyncio
from typing import Any, cast

import pytest

from gateway.domain.proxy import Proxies
from gateway.domain.request_id import RequestIds
from gateway.live.hub import Hub
from gateway.runtime.fair_scheduler import FairScheduler
from gateway.server.ingress import HttpIngress
from gateway.server.request import Head, read_head
from tests.live.node import Node


@pytest.fixture
def ingress() -> HttpIngress:
    """The ingress of a worker behind a proxy at 192.0.2.1, without live connections."""
    hub = cast(Hub, None)
    proxies = Proxies(["192.0.2.1"])
    return HttpIngress(hub, proxies, RequestIds("r"), FairScheduler(), head_seconds=1, body_seconds=1)


def head(*lines: str) -> Head:
    """Return the head of a request with some headers."""
    return read_head("\r\n".join(["GET / HTTP/1.1", "Host: a", *lines]).encode())


def test_the_request_id_of_a_trusted_proxy_is_used(ingress: HttpIngress) -> None:
    assert ingress.request_id(lambda: "192.0.2.1", head("X-Request-Id: abc")) == "abc"


def test_the_request_id_of_any_other_peer_is_not_used(ingress: HttpIngress) -> None:
    assert ingress.request_id(lambda: "192.0.2.2", head("X-Request-Id: abc")) == "r-1"


def test_the_address_of_the_peer_is_read_only_when_it_is_needed(ingress: HttpIngress) -> None:
    def peer() -> str:
        raise AssertionError("not needed")

    assert ingress.request_id(peer, head()) == "r-1"


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "network"),
    [
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),
        ("192.0.2.1", b"198.51.100.1", "198.51.100.1"),
        ("192.0.2.1", b"2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("", b"198.51.100.1", ""),
    ],
)
def test_clients_are_distinguished_by_their_network(
    ingress: HttpIngress, peer: str, forwarded_for: bytes, network: str
) -> None:
    assert ingress.client_network(peer, [(b"x-forwarded-for", forwarded_for)]) == network


async def test_deadlines_take_effect_while_it_runs(ingress: HttpIngress) -> None:
    passed = asyncio.Event()

    class Connection:
        @property
        def transport(self) -> Any:
            return None

        def on_deadline(self, now: float) -> None:
            passed.set()

    running = asyncio.create_task(ingress.run())
    ingress.deadlines.schedule(Connection(), 0)
    async with asyncio.timeout(10):
        await passed.wait()
    running.cancel()


async def test_a_drain_drains_the_live_connections_too(node: Node) -> None:
    await node.worker.ingress.drain(0)
    assert node.worker.ingress.draining
    assert node.hub.draining
