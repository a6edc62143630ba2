"""The state of the queue of jobs: how many there are, and for how long the first one has waited."""

from typing import NamedTuple

from gateway.store import keys
from gateway.store.redis.client import FunctionClient


class JobFigures(NamedTuple):
    """`jobs` are all that are not finished, `claimed` those that a worker does, `first_due_ms` (unix) when the first of
    the others may be claimed, 0 if there is none."""

    jobs: int
    claimed: int
    first_due_ms: int


async def job_figures(client: FunctionClient) -> JobFigures:
    """Return the figures of the queue. Raises StoreUnavailableError."""
    jobs, claims, first = await client.commands(
        ("ZCARD", keys.JOB_QUEUE),
        ("HLEN", keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"]),
        ("ZRANGE", keys.JOB_QUEUE, 0, 0, "WITHSCORES"),
    )
    # The hash has one field besides those of the claims: the number of the last one.
    return JobFigures(jobs, max(0, claims - 1), int(float(first[1])) if first else 0)
