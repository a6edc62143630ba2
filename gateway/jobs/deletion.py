"""The job that deletes the data of a deleted project and of its users."""

import asyncio
from collections.abc import AsyncGenerator

from gateway.store import keys
from gateway.store.erasure import Eraser
from gateway.store.job_queue import Job, Step

LATE_SECONDS = 1.0
"""How long a job waits at its beginning. Workers may still complete requests and write events of the project."""


class ProjectDeletion:
    """Performs deletion jobs, in passes over all keys until a pass finds none. A resumed job begins with a new pass."""

    def __init__(self, eraser: Eraser, late_seconds: float = LATE_SECONDS):
        self._eraser = eraser
        self._late_seconds = late_seconds

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Delete everything of the project except the record of this job, and yield each step."""
        own = keys.job(job.project_id, job.id)
        await self._eraser.erase_lanes(job.project_id)  # from now on nothing more is sent
        await asyncio.sleep(self._late_seconds)
        erased_in_pass = 1
        while erased_in_pass:
            cursor, erased_in_pass = 0, 0
            while True:
                cursor, erased = await self._eraser.erase_some(job.project_id, cursor, own)
                erased_in_pass += erased
                yield Step("")
                if cursor == 0:
                    break
        await self._eraser.erase_lanes(job.project_id)
