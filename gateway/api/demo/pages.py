"""The pages of the demo, and what `/` does. None of them needs a secret or asks for one."""

from starlette.responses import RedirectResponse, Response

from gateway.api.core.call import PUBLIC, PublicCall
from gateway.api.core.operation import Operation
from gateway.api.core.schema import ResponseSpec
from gateway.api.demo.gate import DemoGate, demo_is_off
from gateway.api.system.pages import PAGE, Page, policy
from gateway.api.system.static_files import StaticFiles

REDIRECT = ResponseSpec(307, "The page to begin with")

_LIVE = "'self' ws: wss:"
_LIVE_IN_FRAME = policy(connect_src=_LIVE, frame_ancestors="'self'")
_POLICY = policy(connect_src=_LIVE)


class DemoPagesResource:
    """The operations that serve the pages, while the demo is on."""

    def __init__(self, gate: DemoGate, files: StaticFiles) -> None:
        self._gate = gate
        self._shop = Page(files, "demo", policy(frame_src="'self'"))
        self._device = Page(files, "demo-device", _LIVE_IN_FRAME, is_framed=True)
        self._theme = Page(files, "demo-theme", policy(frame_src="'self'"))
        self._protocol = Page(files, "demo-protocol", _POLICY)

    async def root(self, call: PublicCall) -> Response:
        """Redirect to the demo if it is on, otherwise to the documentation."""
        page = "/demo" if await self._gate.is_on() else "/docs"
        return RedirectResponse(call.forwarded.prefix + page)

    async def shop(self, call: PublicCall) -> Response:
        """Return a page that shows the bell on four devices of two people, and lets the visitor send to them."""
        return await self._served(self._shop, call)

    async def device(self, call: PublicCall) -> Response:
        """Return the page of one device: a product with the bell in its header."""
        return await self._served(self._device, call)

    async def theme(self, call: PublicCall) -> Response:
        """Return a page that shows the bell beside controls for its looks."""
        return await self._served(self._theme, call)

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
    Operation("GET", "/demo", PUBLIC, _R.shop, "Get the demo", PAGE),
    Operation("GET", "/demo/device", PUBLIC, _R.device, "Get a device of the demo", PAGE),
    Operation("GET", "/demo/theme", PUBLIC, _R.theme, "Get the page of themes", PAGE),
    Operation("GET", "/demo/protocol", PUBLIC, _R.protocol, "Get the demo of the protocol", PAGE),
]
