"""Jobs of the gateway: importing users, and waiting until a job is done."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.journal import Faults
from loadtest.publisher import Pool
from loadtest.targets.gateway import GatewayTarget

MOST_IMPORTED = 10_000
"""The most users of one POST /imports."""

POLL_SECONDS = 0.02
JOB_SECONDS = 120.0


async def import_users(target: GatewayTarget, pool: Pool, users: Sequence[Mapping[str, Any]]) -> Faults:
    """Import users, and wait until they are stored. Return the faults."""
    faults = Faults()
    for first in range(0, len(users), MOST_IMPORTED):
        rows = users[first : first + MOST_IMPORTED]
        status, body = await pool.request(target.backend_request("POST", "/imports", {"import": {"users": rows}}))
        if not 200 <= status < 300:
            faults.failed += 1
            continue
        faults += await job_faults(target, pool, f"/imports/{json.loads(body)['import']['id']}", len(rows))
    return faults


async def job_faults(target: GatewayTarget, pool: Pool, path: str, users: int) -> Faults:
    """Wait until a job is done.

    Return the users that it missed or reached twice as faults, or a failure at the time limit.
    """
    request, deadline = target.backend_request("GET", path), time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(POLL_SECONDS)
        status, body = await pool.request(request)
        if status != 200:
            return Faults(failed=1)
        (job,) = json.loads(body).values()
        state = job["status"] if isinstance(job["status"], dict) else job  # of a broadcast, of an import
        if state["status"] == "processed":
            summary = state["summary"]
            reached = summary.get("total", sum(summary.values())) - summary.get("failures", 0)
            return Faults(lost=max(0, users - reached), doubled=max(0, reached - users), failed=len(state["errors"]))
    return Faults(failed=1)
