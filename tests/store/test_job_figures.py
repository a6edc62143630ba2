"""The figures of the queue of jobs."""

from gateway.store import keys
from gateway.store.job_figures import JobFigures, job_figures
from tests.store.conftest import InspectedClient


async def test_the_queue_is_counted_without_reading_its_jobs(client: InspectedClient) -> None:
    claims = keys.JOB_QUEUE + keys.JOB_SUFFIXES["CLAIMS"]
    await client.redis.delete(keys.JOB_QUEUE, claims)
    assert await job_figures(client) == JobFigures(0, 0, 0)
    await client.redis.zadd(keys.JOB_QUEUE, {"1 a": 2000, "1 b": 1000})
    await client.redis.hset(claims, mapping={"": 7, "1 a": 7})
    assert await job_figures(client) == JobFigures(2, 1, 1000)
    await client.redis.delete(keys.JOB_QUEUE, claims)
