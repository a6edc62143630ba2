"""What `doctor` finds about processes, lanes and jobs."""

import asyncio
import platform
import time

import pytest
import redis

from gateway import __version__
from gateway.cli import process_findings
from gateway.cli.process_findings import judge_jobs, judge_lanes, judge_nodes
from gateway.domain.delivery import Lane, LaneStatus, Route
from gateway.domain.finding import Finding, Severity
from gateway.domain.ids import ProjectId
from gateway.settings import Settings
from gateway.store.job_figures import JobFigures
from gateway.store.library import LIBRARY
from gateway.store.nodes import NodeReport, NodeStore
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from tests.cli.conftest import Command
from tests.servers import RedisServer

NOW = 1_800_000_000.0
NODE = NodeReport("a", "worker", __version__, platform.node(), 1, 0, int(NOW * 1000), {"sse": 3}, redis_ms=0.5)
DELIVERER = NodeReport("b", "deliverer", __version__, platform.node(), 2, 0, int(NOW * 1000), redis_ms=0.5)


def of(node: NodeReport, **changes: object) -> NodeReport:
    """Return a report with other values."""
    return NodeReport(**{name: getattr(node, name) for name in node.__struct_fields__} | changes)


def worst(*nodes: NodeReport, own_key: bool = True) -> list[tuple[str, str]]:
    found = judge_nodes(Settings(redis_url="redis://localhost"), nodes, has_own_key=own_key)
    return [(each.topic, each.severity.value) for each in found if each.severity is not Severity.FINE]


def test_processes_in_order_have_no_findings() -> None:
    assert worst() == []
    assert worst(NODE, DELIVERER) == []


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (of(NODE, version="0.0.1"), ("nodes", "advice")),
        (of(NODE, loop_lag_ms=700.0), ("nodes", "WARNING")),
        (of(NODE, redis_ms=None), ("nodes", "WARNING")),
        (of(NODE, redis_ms=900.0), ("nodes", "WARNING")),
        (of(NODE, untrusted_proxy="10.0.0.9"), ("proxies", "WARNING")),
    ],
)
def test_a_fault_of_a_process_is_found(node: NodeReport, expected: tuple[str, str]) -> None:
    assert worst(node) == [expected]


def test_a_gateway_whose_workers_have_all_died_is_found() -> None:
    assert worst(DELIVERER) == [("nodes", "PROBLEM")]


def test_what_two_machines_must_share_is_found() -> None:
    other = of(NODE, id="c", host="other", version="0.0.1")
    assert worst(NODE, other) == [("nodes", "WARNING")]
    assert worst(NODE, of(other, version=__version__), own_key=False) == [("secret key", "PROBLEM")]


def test_more_connections_than_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_findings, "file_limit", lambda: 100)
    assert worst(of(NODE, connections={"websocket": 90})) == [("open files", "WARNING")]
    assert worst(of(NODE, connections={"websocket": 90}, host="other")) == []


def severities(found: list[Finding]) -> list[Severity]:
    return [each.severity for each in found]


def test_deliveries_that_wait_are_found_if_something_runs() -> None:
    lane = LaneStatus(lane=Lane(ProjectId("1"), Route.EMAIL), waiting=3, first_due_ms=int((NOW - 600) * 1000))
    assert severities(list(judge_lanes([lane], [NODE], NOW))) == [Severity.PROBLEM]
    assert severities(list(judge_lanes([lane], [NODE, DELIVERER], NOW))) == [Severity.WARNING]
    assert list(judge_lanes([lane], [], NOW)) == []
    assert list(judge_lanes([lane], [DELIVERER], NOW - 590)) == []


def test_jobs_that_nobody_does_are_found() -> None:
    late = JobFigures(2, 0, int((NOW - 600) * 1000))
    assert severities(list(judge_jobs(late, [NODE], NOW))) == [Severity.WARNING]
    assert list(judge_jobs(late, [], NOW)) == []
    assert list(judge_jobs(JobFigures(0, 0, 0), [NODE], NOW)) == []


def test_a_node_whose_clock_is_off_is_found(run: Command, store: redis.Redis, server: RedisServer) -> None:
    async def report() -> None:
        client = FunctionClient(Topology(Settings(redis_url=server.url)), LIBRARY)
        try:
            now = int(time.time() * 1000)
            await NodeStore(client).report(of(NODE, id="late", host="late", at_ms=now - 60_000))
            await NodeStore(client).report(of(NODE, id="right", host="right", at_ms=now))
        finally:
            client.close()

    asyncio.run(report())
    found = run("doctor", "--offline").stdout
    assert "clock      PROBLEM: that of late is 60 s behind the store's" in found
    assert "that of right" not in found
