"""The demo project, and whether the demo is on: INBOX_DEMO, and which projects the store has."""

from gateway.domain.demo import is_demo, is_demo_key
from gateway.domain.principal import Project
from gateway.store import keys
from gateway.store.project_records import text_of
from gateway.store.projects import KEYS_PER_READ, ProjectStore
from gateway.store.redis.problems import StoreUnavailableError

OFF, ON = "off", "on"


class DemoProject:
    """Finds the project of the demo. `mode` is INBOX_DEMO, `embedded` whether the bundled Valkey is used."""

    def __init__(self, projects: ProjectStore, mode: str, embedded: bool):
        self._projects = projects
        self._mode = mode
        self._embedded = embedded
        self._was_on = False
        self._found: str | None = None  # its API key

    async def find(self) -> Project | None:
        """Return the project of the demo, None if the demo is off. Raises StoreUnavailableError."""
        if self._mode == OFF or (self._mode != ON and not self._embedded):
            return None
        project = await self.alone() if self._mode != ON else await self._search()
        self._was_on = project is not None
        return project

    async def alone(self) -> Project | None:
        """Return the demo project if the store has no other one. Raises StoreUnavailableError."""
        if await self._projects.client.command("HLEN", keys.PROJECTS) != 1:
            return None
        return await self._search()

    async def is_on(self) -> bool:
        """Return whether the demo is on. While the store is unavailable, the last answer counts."""
        try:
            return await self.find() is not None
        except StoreUnavailableError:
            return self._was_on

    async def _search(self) -> Project | None:
        if self._found is not None and (project := await self._demo_at(self._found)):
            return project  # a store with many projects is not searched for each request
        cursor = b"0"
        while True:
            cursor, found = await self._projects.client.command("HSCAN", keys.PROJECTS, cursor, "COUNT", KEYS_PER_READ)
            for api_key in filter(is_demo_key, map(text_of, found[::2])):
                if project := await self._demo_at(api_key):
                    self._found = api_key
                    return project
            if int(cursor) == 0:
                return None

    async def _demo_at(self, api_key: str) -> Project | None:
        project = await self._projects.by_api_key(api_key)
        return project if project is not None and project.secrets and is_demo(project) else None
