# mypy: ignore-errors
# ruff: noqa: I001
# The imported modules are those of an older commit.
"""Send a gateway every request that stores data, and record the data and the responses.

`python -m tests.golden --record` runs this in the tree of an older commit, with the `gateway` and `tests` of that
commit. It must not use anything of this tree. Later builds must serve the data that the older commit served.

    python record.py REDIS_URL PORT_OF_REDIS DATA_DIRECTORY RESULT
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import redis
from gateway.api.broadcasts import Order
from gateway.domain.principal import ProjectId
from gateway.domain.retention import KEEP_ALL, ItemRetention
from gateway.jobs.broadcasts import Broadcaster
from gateway.jobs.runner import JobRunner
from gateway.settings import Settings
from gateway.store.contents import ContentStore
from gateway.store.directory import Directory
from gateway.store.inbox import InboxStore, Moment, Retention
from gateway.store.jobs import JobQueue, JobStore, Kind
from gateway.store.preferences import SubscriptionStore
from gateway.store.client import FunctionClient
from gateway.store.topology import Topology
from tests.golden.__main__ import EXPIRY_SECONDS, leave_unfinished, use
from tests.golden.data import SECRET_KEY, read_all
from tests.golden.reading import read_answers
from tests.servers import ADMIN, running_gateway, user_headers

PROJECT = ProjectId("1")

SHOWN = {
    "title": "To all, later",
    "content": None,
    "action_url": None,
    "category": "late",
    "topic": None,
    "custom_attributes": None,
}


def main(url: str, port: int, directory: Path, result: Path) -> None:
    """Record the document."""
    with running_gateway(directory, INBOX_REDIS_URL=url, INBOX_SECRET_KEY=SECRET_KEY) as gateway:
        with httpx.Client(base_url=gateway.url, timeout=30) as http:
            replayed, jobs = use(http)
            document = {"recorded_at": int(time.time()), "replayed": replayed, "jobs": jobs}
            document |= {"positions": resume(http), "tokens": tokens(http)}
            document["answers"] = read_answers(http, jobs)
        gateway.stop()
    document["unfinished_broadcast"] = asyncio.run(leave_a_broadcast_unfinished(url))
    document["unfinished_import"] = asyncio.run(leave_unfinished(url))
    with redis.Redis(port=port) as admin:
        document["entries"] = read_all(admin)
    result.write_text(json.dumps(document))


def resume(http: httpx.Client) -> dict[str, Any]:
    """Return the responses to `ada` when she resumes from the first event and from the latest one."""
    headers = user_headers("ada")
    latest = http.get("/notifications", headers=headers).headers["X-Inbox-Position"]
    first = latest.partition(".")[0] + ".1"
    answers = {}
    for position in (first, latest):
        answer = http.get("/realtime/events", params={"since": position}, headers=headers)
        assert answer.is_success, answer.text
        answers[position] = answer.json()
    return answers


def tokens(http: httpx.Client) -> dict[str, str]:
    """Return a token of `ada` that is valid, and one that was discarded."""
    found = {}
    for name in ("valid", "discarded"):
        user_token = {"external_id": "ada", "expiry": EXPIRY_SECONDS, "name": name}
        answer = http.post("/v2/jwt/user", headers=ADMIN, json=user_token)
        assert answer.is_success, answer.text
        found[name] = answer.json()["token"]
    (newest, *_) = http.get("/v2/jwt/user/external_id:ada", headers=ADMIN).json()["data"]
    assert http.delete(f"/v2/jwt/user/{newest['id']}", headers=ADMIN).is_success
    return found


async def leave_a_broadcast_unfinished(url: str) -> str:
    """Accept a broadcast, save its first step, and stop; return its id."""
    client = FunctionClient(Topology(Settings(redis_url=url)))
    jobs, directory = JobStore(client), Directory(client, time.monotonic)
    contents = ContentStore(client)
    inboxes = InboxStore(client, Retention(1000, 86_400), contents)
    broadcaster = Broadcaster(jobs, directory, inboxes, contents, SubscriptionStore(client), keep_all)
    broadcast = str(uuid4())
    now_ms = int(time.time() * 1000)
    users = await directory.roster_size(PROJECT)
    recipients = [{"matches": "external_id = 'imported-0'"}]
    accepted = msgspec.json.encode({"id": broadcast, **SHOWN, "created_at": now_ms // 1000, "recipients": recipients})
    order = Order(msgspec.Raw(accepted), SHOWN, recipients, "broadcast", Moment(now_ms, "e0"), users)
    saved = asyncio.Event()

    async def first_step(job: Any) -> AsyncGenerator[Any, None]:
        async for step in broadcaster.work(job):
            yield step
            saved.set()
            await asyncio.Event().wait()

    await jobs.accept(Kind.BROADCAST, PROJECT, broadcast, msgspec.json.encode(order), now_ms)
    runner = asyncio.create_task(JobRunner(JobQueue(client), {Kind.BROADCAST: first_step}).run())
    async with asyncio.timeout(30):
        await saved.wait()
    runner.cancel()
    await asyncio.wait([runner])
    client.close()
    await asyncio.sleep(0.1)
    return broadcast


async def keep_all(project_id: ProjectId) -> ItemRetention:
    """Return the default retention."""
    return KEEP_ALL


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
