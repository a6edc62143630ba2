"""The pages of the demo, and what `/` does. None of them needs a secret or asks for one."""

from starlette.responses import RedirectResponse, Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.schema import ResponseSpec
from gateway.api.demo.gate import DemoGate, demo_is_off
from gateway.api.system.pages import PAGE, Page, policy
from gateway.api.system.static_files import StaticFiles

REDIRECT = ResponseSpec(307, "The page to begin with", media_type="", headers=("Location",))

_POLICY = policy(connect_src="'self' ws: wss:")


class DemoPagesResource:
    """The operations that serve the pages, while the demo is on."""

    def __init__(self, gate: DemoGate, files: StaticFiles) -> None:
        self._gate = gate
        self._protocol = Page(files, "demo-protocol", _POLICY)

    async def root(self, call: PublicCall) -> Response:
        """Redirect to the demo if it is on, otherwise to the documentation."""
        page = "/demo" if await self._gate.is_on() else "/docs"
        return RedirectResponse(call.forwarded.prefix + page)

    async def shop(self, call: PublicCall) -> Response:
        """Redirect to the page of the protocol."""
        if not await self._gate.is_on():
            raise demo_is_off()
        return RedirectResponse(f"{call.forwarded.prefix}/demo/protocol")

    async def protocol(self, call: PublicCall) -> Response:
        """Return a page that shows the live protocol: four inboxes, and a log of all messages."""
        return await self._served(self._protocol, call)

    async def _served(self, page: Page, call: PublicCall) -> Response:
        if not await self._gate.is_on():
            raise demo_is_off()
        return await page.response(call)


_R = DemoPagesResource

OPERATIONS = [
    Operation("GET", "/", PUBLIC, _R.root, "Go to the page to begin with", REDIRECT),
    Operation("GET", "/demo", PUBLIC, _R.shop, "Get the demo", REDIRECT),
    Operation("GET", "/demo/protocol", PUBLIC, _R.protocol, "Get the demo of the protocol", PAGE),
]
