"""The metrics of a node with two workers and a process that delivers, and of a process that delivers alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.servers import Gateway, free_port, running_gateway, running_redis, user_headers, wait_for

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}

Samples = dict[tuple[str, ...], float]


def scrape(port: int) -> Samples:
    """Return the samples by name and values of labels, read by a strict parser."""
    response = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=OPENMETRICS, timeout=30)
    assert response.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = text_string_to_metric_families(response.text)  # type: ignore[no-untyped-call] # it has no types
    return {(each.name, *each.labels.values()): each.value for family in families for each in family.samples}


class Node:
    """A gateway with a port of its own for metrics."""

    def __init__(self, gateway: Gateway, port: int):
        self.gateway = gateway
        self.port = port

    def requests(self, samples: Samples) -> float:
        return samples.get(("inbox_http_requests_total", "GET /notifications", "200"), 0)

    def request(self, times: int) -> None:
        """Send requests on connections of their own, so that each worker gets some."""
        for _ in range(times):
            httpx.get(f"{self.gateway.url}/notifications", headers=user_headers("ada")).raise_for_status()

    def until(self, condition: str, holds: "object") -> Samples:
        found: Samples = {}

        def check() -> bool:
            found.clear()
            found.update(scrape(self.port))
            return bool(holds(found))  # type: ignore[operator] # a function

        wait_for(check, condition, 60)
        return found


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    port = free_port()
    settings = {"INBOX_WORKERS": "2", "INBOX_DELIVERY_WORKERS": "1", "INBOX_METRICS_PORT": str(port)}
    with running_gateway(tmp_path_factory.mktemp("m") / "data", **settings) as gateway:
        yield Node(gateway, port)


def test_each_process_of_the_node_is_measured(node: Node) -> None:
    found = node.until("all processes", lambda samples: samples.get(("inbox_workers", "delivery")) == 1)
    names = {"supervisor", "valkey", "gateway-1", "gateway-2", "delivery-1"}
    for metric in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds", "start_time_seconds"):
        assert {key[1] for key in found if key[0] == f"process_{metric}"} == names
    assert found["inbox_workers", "gateway"] == found["inbox_workers_configured", "gateway"] == 2
    assert found["inbox_store_up",] == 1
    assert found["inbox_redis_memory_used_bytes", "redis"] > 0


def test_the_sums_are_those_of_all_workers_whichever_responds(node: Node) -> None:
    before = node.requests(scrape(node.port))
    node.request(30)
    found = node.until("all requests", lambda samples: node.requests(samples) == before + 30)
    for _ in range(6):  # by either worker
        assert node.requests(scrape(node.port)) == before + 30
    times = found["inbox_http_request_seconds_count", "GET", "/notifications", "2xx"]
    assert times == found["inbox_http_request_seconds_bucket", "+Inf", "GET", "/notifications", "2xx"] == before + 30
    assert 0 < found["inbox_http_request_seconds_sum", "GET", "/notifications", "2xx"] < 30 * times


def test_a_route_is_a_template_and_never_a_path(node: Node) -> None:
    missing = "0f0e0d0c-0000-4000-8000-000000000000"
    httpx.get(f"{node.gateway.url}/notifications/{missing}", headers=user_headers("ada"))
    key = ("inbox_http_request_seconds_count", "GET", "/notifications/{id}", "4xx")
    found = node.until("the request", lambda samples: any(name[0] == key[0] and name[-1] == "4xx" for name in samples))
    assert not [name for name in found if any(missing in part for part in name)]


def test_a_worker_that_dies_takes_its_gauges_and_leaves_its_counts(node: Node) -> None:
    earlier = node.requests(scrape(node.port))
    node.request(10)
    before = node.until("the requests", lambda samples: node.requests(samples) == earlier + 10)
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", f"{node.gateway.url}/realtime/sse", headers=user_headers("ada")) as stream,
    ):
        lines = stream.iter_lines()
        next(lines)
        node.until("the connection", lambda samples: samples.get(("inbox_connections", "sse")) == 1)
        workers = node.gateway.children("worker")
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
    dead = node.until("both workers again", lambda samples: samples["inbox_worker_restarts_total", "gateway"] >= 2)
    assert not set(workers) & set(node.gateway.children("worker"))
    assert dead.get(("inbox_connections", "sse"), 0) == 0
    assert node.requests(dead) >= node.requests(before)
    node.request(5)
    node.until("counting goes on", lambda samples: node.requests(samples) == node.requests(before) + 5)
    assert not list(Path("/dev/shm").glob(f"inbox-metrics-*/gauge_live*_{workers[0]}.db"))


def test_the_public_port_has_the_probes_and_no_metrics(node: Node) -> None:
    assert httpx.get(f"{node.gateway.url}/metrics").status_code == 404
    assert httpx.get(f"{node.gateway.url}/readyz").status_code == 200
    assert httpx.get(f"http://127.0.0.1:{node.port}/readyz").json() == {"status": "ready"}
    assert httpx.get(f"http://127.0.0.1:{node.port}/notifications").status_code == 404


def test_a_process_that_delivers_alone_has_metrics_and_probes(tmp_path: Path) -> None:
    with running_redis("valkey", tmp_path) as server:
        key = {"INBOX_REDIS_URL": server.url, "INBOX_SECRET_KEY": "a key that no other test uses, long enough"}
        with running_gateway(tmp_path / "data", **key):  # which prepares the store
            deliver_alone(key, tmp_path)


def deliver_alone(key: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    settings = {
        **key,
        "INBOX_DATA_DIR": str(tmp_path),
        "INBOX_METRICS_HOST": "127.0.0.1",
        "INBOX_METRICS_PORT": str(port),
    }
    command = [sys.executable, "-m", "gateway"]
    with (tmp_path / "log").open("ab") as log:
        process = subprocess.Popen([*command, "deliver"], env={**clean, **settings}, stderr=log)
        try:
            wait_for(lambda: _is_ready(port), "the process to deliver", 60)
            found = scrape(port)
            check = subprocess.run(
                [*command, "healthcheck", "--metrics"], env={**clean, **settings}, capture_output=True
            )
            taken = subprocess.run([*command, "deliver"], env={**clean, **settings}, capture_output=True, text=True)
        finally:
            process.terminate()
            assert process.wait(30) == 0
    assert found["process_start_time_seconds", "delivery-1"] > 0
    assert found["inbox_workers", "delivery"] == 1
    assert found["inbox_store_up",] == 1
    assert check.stdout == b"ok\n"
    assert taken.returncode != 0
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in taken.stderr


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200
    except httpx.TransportError:
        return False
