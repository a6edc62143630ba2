"""The job that deletes the data of a deleted project and of its users."""

from collections.abc import AsyncGenerator

from gateway.store import keys
from gateway.store.erasure import Eraser
from gateway.store.job_queue import Job, Step


class ProjectDeletion:
    """Performs deletion jobs, in passes over all keys until a pass finds none. A resumed job begins with a new pass."""

    def __init__(self, eraser: Eraser):
        self._eraser = eraser

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Delete everything of the project except the record of this job, and yield each step."""
        own = keys.job(job.project_id, job.id)
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
