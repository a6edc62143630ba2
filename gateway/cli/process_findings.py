"""What `doctor` finds about the processes that run, the lanes of deliveries and the queue of jobs."""

import platform
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.cli.configuration import secret_key_path
from gateway.cli.machine_findings import file_limit
from gateway.domain.finding import Finding, advice, problem, warning
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.domain.delivery import LaneStatus
    from gateway.store.job_figures import JobFigures
    from gateway.store.nodes import NodeReport
    from gateway.store.redis.client import FunctionClient

MAX_LAG_MS = 500.0
"""A loop that is delayed for longer makes clients wait. A busy worker has delays of some 20 ms."""

MAX_REDIS_MS = 200.0
MAX_WAIT_SECONDS = 300.0
"""How long deliveries and jobs may wait: longer than a restart of all processes."""

MAX_CLOCK_SECONDS = 3.0
"""Two seconds are tolerable, and the times of reports are exact to a second."""

FULL_SHARE = 0.8
LANES = 1000


async def examine_processes(
    settings: Settings, client: "FunctionClient", *, has_own_key: bool
) -> AsyncIterator[Finding]:
    """Yield the findings about what runs. Raises StoreUnavailableError."""
    from gateway.store.job_figures import job_figures
    from gateway.store.lanes import LaneStore
    from gateway.store.nodes import NodeStore

    store = NodeStore(client)
    nodes = await store.all()
    for finding in judge_nodes(settings, nodes, has_own_key=has_own_key):
        yield finding
    for host, seconds in (await store.clocks()).items():
        if abs(seconds) > MAX_CLOCK_SECONDS:
            text = f"that of {host} is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the store's"
            yield problem("clock", text, "synchronise both with a time server (`timedatectl`, chrony)")
    now = time.time()
    for finding in judge_lanes(await LaneStore(client).all(LANES), nodes, now):
        yield finding
    for finding in judge_jobs(await job_figures(client), nodes, now):
        yield finding


def judge_nodes(settings: Settings, nodes: "Sequence[NodeReport]", *, has_own_key: bool) -> Iterator[Finding]:
    """Yield the findings about the reports of processes."""
    if not nodes:
        yield Finding("nodes", "no process runs now")
        return
    hosts, versions = sorted({each.host for each in nodes}), sorted({each.version for each in nodes})
    yield Finding("nodes", f"{len(nodes)} processes on {', '.join(hosts[:5])}; version {', '.join(versions)}")
    if not any(each.kind == "worker" for each in nodes):
        text = "no process serves requests: only some that deliver run"
        yield problem("nodes", text, "start `inbox-gateway serve`, or read why its log says that workers end")
    if len(versions) > 1:
        text = f"several versions run: {', '.join(versions)}"
        yield warning("nodes", text, "finish the upgrade, if none is under way: replace the older processes")
    elif versions != [__version__]:
        yield advice("nodes", f"this command is version {__version__}, the processes are {versions[0]}", "upgrade it")
    if len(hosts) > 1 and not has_own_key:
        text = f"each of {len(hosts)} machines may have a generated key of its own, in {secret_key_path(settings)}"
        yield problem("secret key", text, "set the same INBOX_SECRET_KEY on every node")
    for each in nodes:
        yield from _judge_node(each)


def _judge_node(node: "NodeReport") -> Iterator[Finding]:
    name = f"{node.kind} {node.pid} on {node.host}"
    if node.loop_lag_ms > MAX_LAG_MS:
        text = f"{name} was busy for {node.loop_lag_ms:,.0f} ms without a pause: its clients waited"
        yield warning("nodes", text, "add workers (INBOX_WORKERS, one for each core) or machines")
    if node.redis_ms is None or node.redis_ms > MAX_REDIS_MS:
        took = "does not reach the store" if node.redis_ms is None else f"waits {node.redis_ms:,.0f} ms for the store"
        yield warning("nodes", f"{name} {took}", "look at the store's load, its slow log and the network")
    if node.untrusted_proxy:
        text = f"X-Forwarded-For of {node.untrusted_proxy} is ignored: it is not in INBOX_TRUSTED_PROXIES"
        yield warning("proxies", text, "add it, if it is your proxy: limits by address count its clients as one")
    live = sum(node.connections.values())
    if node.host == platform.node() and live > FULL_SHARE * file_limit():
        text = f"{name} has {live:,} connections, and may open {file_limit():,} files"
        yield warning("open files", text, "raise `ulimit -Hn`, or add workers")


def judge_lanes(lanes: "Sequence[LaneStatus]", nodes: "Sequence[NodeReport]", now: float) -> Iterator[Finding]:
    """Yield the findings about lanes that wait. Those that are parked are found by project."""
    waiting = [each for each in lanes if each.waiting and not each.parked]
    late = max((now - each.first_due_ms / 1000 for each in waiting if each.first_due_ms), default=0.0)
    if waiting and nodes and not any(each.kind == "deliverer" for each in nodes):
        users = sum(each.waiting for each in waiting)
        text = f"{users:,} users wait for messages, and no process delivers"
        yield problem("deliveries", text, "set INBOX_DELIVERY_WORKERS, or start `inbox-gateway deliver`")
    elif late > MAX_WAIT_SECONDS and nodes:
        text = f"the oldest message is {late / 60:,.0f} minutes late"
        yield warning("deliveries", text, "`inbox-gateway status` shows the lanes; start more `inbox-gateway deliver`")


def judge_jobs(jobs: "JobFigures", nodes: "Sequence[NodeReport]", now: float) -> Iterator[Finding]:
    """Yield the findings about jobs that no worker does."""
    late = now - jobs.first_due_ms / 1000 if jobs.first_due_ms else 0.0
    if late > MAX_WAIT_SECONDS and nodes:
        text = f"{jobs.jobs} are in the queue, and the first one has waited for {late / 60:,.0f} minutes"
        yield warning("jobs", text, "a newer version accepted it, or the workers are down: `inbox-gateway status`")
