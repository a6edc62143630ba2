"""The lists and figures of the dashboard, in projects of different sizes.

A gateway with a project of each size runs at the same time. Users are imported by the API; events and entries of the
audit log are written by the functions that the gateway itself calls. Then each page is requested of one project after
the other, as `rounds.py` describes: the time and the CPU of a page must not grow with the project.

No page may run a command that scans: Redis counts the calls of each command (INFO commandstats), those within functions
included. What the gateway runs by itself meanwhile is too little to be as many as the requests.
"""

import asyncio
import contextlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gateway.domain.ids import UserId
from gateway.domain.preferences import Channel
from gateway.settings import Settings
from gateway.store import keys
from gateway.store.audit_log import AuditEntry, AuditLog, AuditRetention
from gateway.store.library import LIBRARY
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.topology import Topology
from gateway.store.usage import KEEP_DAYS, KEEP_HOURS, KEEP_MONTHS, UsageWriter
from gateway.store.usage_counts import Failure, UsageCounts
from loadtest.bench import Bench
from loadtest.clients import request_head
from loadtest.jobs import import_users
from loadtest.journal import Faults
from loadtest.meter import no_garbage_collection
from loadtest.project_data import KEPT, PROJECT, ProjectWriter, events_of, named_users
from loadtest.publisher import Pool
from loadtest.rounds import Question, compared
from loadtest.targets.gateway import GatewayTarget

SCANNING = ("hkeys", "hscan", "hvals", "keys", "randomkey", "scan", "sort", "sscan", "zscan")
"""The commands that read a whole collection, or all keys."""

EMAIL, PASSWORD = "ada@example.com", "a long password of a load test"
_APPENDS = 64
_USER = UserId("00000000-0000-4000-8000-000000000000")


@dataclass
class Project:
    """A gateway whose project has `users` users and `events` events."""

    users: int
    events: int
    target: GatewayTarget
    pool: Pool
    token: str = ""
    faults: Faults = field(default_factory=Faults)

    def request(self, path: str) -> bytes:
        """Return the request of a page: of an admin below /admin, and of the backend elsewhere."""
        if not path.startswith("/admin/"):
            return self.target.backend_request("GET", path)
        return request_head("GET", self.target.host, path, {"Authorization": f"Bearer {self.token}"})


def pages(users: int) -> Mapping[str, str]:
    """Return the paths of all pages by name. `users` is the size of the project."""
    of_one = f"user=external_id:user-{users // 2}"
    return {
        "users": "/v2/users?page%5Bsize%5D=20",
        "the user of a search": f"/v2/users?query=user-{users // 2}",
        "a user": f"/v2/users/external_id:user-{users // 2}",
        "a user's summary": f"/v2/users/external_id:user-{users // 2}/summary",
        "a user's connections": f"/v2/users/external_id:user-{users // 2}/connections",
        "events": "/v2/events?page%5Bsize%5D=20",
        "events of a type": "/v2/events?page%5Bsize%5D=20&type=notification.suppressed",
        "rare events of a user": f"/v2/events?page%5Bsize%5D=20&type=jwt.issued&{of_one}",
        "deliveries": "/v2/deliveries",
        "sent notifications": "/v2/sent?page%5Bsize%5D=20",
        "overview": "/v2/overview",
        "usage": "/v2/usage?months=25&days=100",
        "usage by minute": "/v2/usage/minutes?hours=24",
        "storage": "/v2/storage",
        "audit log": "/admin/api/audit",
        "nodes": "/admin/api/nodes",
    }


async def run(bench: Bench) -> None:
    """Measure the gateway. No peer has a dashboard."""
    if not bench.with_gateway:
        return
    async with contextlib.AsyncExitStack() as stack:
        projects = []
        for users, events in bench.sizes.admin.projects:
            target = await stack.enter_async_context(bench.own(INBOX_PROJECT_EVENTS=str(KEPT.events)))
            projects.append(Project(users, events, target, target.pool()))
        for project in projects:
            bench.progress(f"  filling a project with {project.users} users and {project.events} events")
            await fill(project)
        with no_garbage_collection():
            for name in pages(1):
                await _compare(bench, projects, name)
        for project in projects:
            await project.pool.close()


async def fill(project: Project) -> None:
    """Write users, events and an entry of the audit log for each tenth event, and sign an admin in."""
    target = project.target
    project.faults += await import_users(target, project.pool, named_users(project.users))
    client = FunctionClient(Topology(Settings(redis_url=target.redis_url, redis_timeout_seconds=30)), LIBRARY)
    users = await _some_users(client, project.users)
    writer = ProjectWriter(target)
    await writer.append(events_of(users, project.events))
    await writer.close()
    log = AuditLog(client, AuditRetention(project.events, 0))
    entry = AuditEntry(actor=EMAIL, via="session", action="put_v2_integrations", project_id=PROJECT)
    for first in range(0, project.events // 10, _APPENDS):
        await asyncio.gather(*(log.append(entry) for _ in range(min(_APPENDS, project.events // 10 - first))))
    await _write_usage(client)
    client.close()
    project.token = await asyncio.to_thread(_signed_in, target)


async def _write_usage(client: FunctionClient) -> None:
    """Count something in each month, day and hour that is kept, on every channel."""
    now, day = time.time(), 24 * 3600
    ages = [*(30.4 * day * month for month in range(KEEP_MONTHS)), *(float(day * each) for each in range(KEEP_DAYS))]
    for age in [*ages, *(3600.0 * hour for hour in range(KEEP_HOURS))]:
        counts = UsageCounts()
        counts.broadcast(PROJECT)
        counts.stored(PROJECT, 1000)
        counts.suppressed(PROJECT, 10)
        for channel, state in itertools.product(Channel, ("delivered", "skipped", "refused")):
            counts.ended(PROJECT, Failure(int(1000 * now), _USER, _USER, channel.value, "provider", state, "550"))
        await UsageWriter(client, counts, partial(float, now - age)).write()


async def _some_users(client: FunctionClient, count: int) -> list[str]:
    """Return the ids of users, of the one in the middle first."""
    names = [f"x:user-{number}" for number in (count // 2, *range(min(count, 1000)))]
    found = await client.command("HMGET", keys.directory(PROJECT), *dict.fromkeys(names))
    return [each.decode() for each in found if each is not None]


def _signed_in(target: GatewayTarget) -> str:
    """Create an admin, and return a token of the admin for scripts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INBOX_")}
    environment |= target.environment()

    def admin(*arguments: str) -> str:
        command = [sys.executable, "-m", "gateway", "admin", *arguments]
        done = subprocess.run(command, env=environment, input=PASSWORD, check=True, capture_output=True, text=True)
        return done.stdout

    admin("create", EMAIL, "--password-stdin", "--role", "owner")
    return admin("token", EMAIL).split()[-1]


async def _compare(bench: Bench, projects: Sequence[Project], name: str) -> None:
    """Request a page of one project after the other, and add a row for each."""
    questions = [Question(each.target, each.pool, each.request(pages(each.users)[name])) for each in projects]
    for question in questions:
        await question.pool.request(question.request)  # the storage is measured once in ten minutes
    before = [await _command_calls(each.target) for each in projects]
    faults, requests = Faults(), bench.sizes.admin.requests
    found = await compared(questions, requests, faults)
    projects[0].faults += faults
    for project, earlier, figures in zip(projects, before, found, strict=True):
        later = await _command_calls(project.target)
        scans = [each for each in SCANNING if later.get(each, 0) - earlier.get(each, 0) >= requests]
        project.faults.failed += len(scans)
        taken, project.faults = project.faults, Faults()
        bench.add(
            "admin",
            project.target,
            "rest",
            0,
            taken,
            items=project.users,
            events=project.events,
            filter=name,
            judged=True,
            scans=" ".join(scans),
            **figures,
        )


async def _command_calls(target: GatewayTarget) -> dict[str, int]:
    """Return how many calls each command has had, in lower case."""
    found: dict[str, int] = {}
    for name, value in (await target.redis_information("commandstats")).items():
        calls: Any = value.partition("calls=")[2].partition(",")[0]
        found[name.removeprefix("cmdstat_")] = int(calls or 0)
    return found
