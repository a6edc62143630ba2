"""The deletion of a project: all that it and its users have."""

from collections.abc import AsyncGenerator

from gateway.store import keys
from gateway.store.erasure import Eraser
from gateway.store.job_queue import Job, Step


class Deletion:
    """The work of deletion jobs: passes over all keys until one finds nothing. It always begins from the start."""

    def __init__(self, eraser: Eraser):
        self._eraser = eraser

    async def work(self, job: Job) -> AsyncGenerator[Step, None]:
        """Remove everything but the job itself."""
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
