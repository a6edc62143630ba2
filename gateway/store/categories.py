"""The categories that projects have sent. Users' preferences are set per category."""

from collections.abc import Callable

from gateway.domain.ids import ProjectId
from gateway.store import keys
from gateway.store.redis.client import FunctionClient
from gateway.store.redis.functions import (
    Arguments,
    list_of_bytes,
    no_arguments,
    nothing,
    reading_function,
    writing_function,
)

MAX_CATEGORIES = 250
"""The maximum number of categories of a project, of a user's preferences, and of a user's topic. An event with all of
them has 135 KB (measured, with the longest names in ASCII), about half the write buffer of a connection."""

RECORDED_SECONDS = 300.0
RECORDED_CATEGORIES = 10_000
"""How long, and for how many categories, a worker caches that a category is recorded."""


def _record(category: str) -> Arguments:
    return (category, MAX_CATEGORIES)


RECORD_CATEGORY = writing_function("record_category", "categories", _record, nothing)
READ_CATEGORIES = reading_function("read_categories", "categories", no_arguments, list_of_bytes)


class CategoryStore:
    """The categories that projects send. Methods raise StoreUnavailableError."""

    def __init__(self, client: FunctionClient, monotonic: Callable[[], float]):
        self._client = client
        self._monotonic = monotonic
        self._recorded: dict[tuple[ProjectId, str], float] = {}

    async def record(self, project_id: ProjectId, category: str) -> None:
        """Record that a project sends a category. At most MAX_CATEGORIES of a project are recorded."""
        now = self._monotonic()
        if self._recorded.get((project_id, category), now) > now:
            return
        await self._client.call(RECORD_CATEGORY(keys.categories(project_id), category))
        if len(self._recorded) >= RECORDED_CATEGORIES:
            self._recorded.clear()  # rare, and cheaper than keeping an order on every hit
        self._recorded[(project_id, category)] = now + RECORDED_SECONDS

    async def all(self, project_id: ProjectId) -> list[str]:
        """Return the categories that a project has sent, in no order."""
        names = await self._client.call(READ_CATEGORIES(keys.categories(project_id)))
        return [name.decode(errors="replace") for name in names]
