"""Admits requests to the operations of the demo: only while it is on, and only from its own pages."""

from urllib.parse import urlsplit

from gateway.api.core.call import PublicCall
from gateway.domain.address import canonical_host
from gateway.domain.errors import ApiError, ErrorCode, api_error
from gateway.domain.principal import Project
from gateway.store.demo_project import DemoProject

_PORTS = {"http": 80, "https": 443}


def demo_is_off() -> ApiError:
    """Return the 404 error of everything that belongs to the demo while it is off."""
    return api_error(
        ErrorCode.NOT_FOUND,
        "The demo is off",
        suggestion="INBOX_DEMO=on turns it on. By default it is on with the bundled Valkey, as long as the demo's is "
        "the only project.",
    )


class DemoGate:
    """Admits requests. `project` finds the demo's project."""

    def __init__(self, project: DemoProject):
        self._project = project

    async def project(self) -> Project:
        """Return the demo's project. Raises ApiError 404 while the demo is off."""
        found = await self._project.find()
        if found is None:
            raise demo_is_off()
        return found

    async def is_on(self) -> bool:
        """Return whether the demo is on."""
        return await self._project.is_on()

    async def is_alone(self) -> bool:
        """Return whether the store has no other project than the demo's."""
        return await self._project.alone() is not None

    async def enter(self, call: PublicCall) -> Project:
        """Return the demo's project. Raises ApiError 403 for a page of another origin, 404 while the demo is off."""
        if not _is_same_origin(call):
            raise api_error(ErrorCode.ORIGIN_NOT_ALLOWED, suggestion="Only the pages of the demo may call this.")
        return await self.project()


def _is_same_origin(call: PublicCall) -> bool:
    """Return whether no page of another origin sent the request.

    Browsers send `Sec-Fetch-Site` on https and localhost, and `Origin` with every POST. A request that has neither
    comes from no browser, so nobody was tricked into sending it.
    """
    headers = call.request.headers
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    if (origin := headers.get("origin")) is None:
        return True
    try:
        url = urlsplit(origin)
        return canonical_host(url.netloc, _PORTS.get(url.scheme)) == call.forwarded.host
    except ValueError:
        return False
